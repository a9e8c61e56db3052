"""The entry point, and which module has which verb. A verb's module is imported when the verb is used."""

from __future__ import annotations

import difflib
import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import EXIT_USAGE, common_options, say_error
from actorq.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main", "run"]

VERBS: Final = {
    "call": ("actorq.cli.tasks", "call", "Send a task and print its result."),
    "health": ("actorq.cli.watch", "health", "Say whether a node answers; for probes."),
    "inspect": ("actorq.cli.watch", "inspect", "Ask every node: ping, active, reserved, registered, stats."),
    "node": ("actorq.cli.node", "node", "Start a node that runs tasks."),
    "report": ("actorq.cli.watch", "report", "Print versions, paths and settings, for bug reports."),
    "result": ("actorq.cli.tasks", "result", "Print the result of a task, by its id."),
    "status": ("actorq.cli.watch", "status", "Show nodes, slots and queues of a home."),
    "tree": ("actorq.cli.watch", "tree", "Show the live supervision tree."),
}

EPILOG: Final = """\b
First steps:
  actorq node -A tasks                      start a node for the App in tasks.py
  actorq call -A tasks tasks.add -a '[2, 3]'
  actorq status

\b
Exit codes:
  0 clean   1 crash, or the task failed   2 usage   3 application or setting
  4 home locked or not usable   5 store damaged   6 drain timed out
  69 nobody answered
"""
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells say it


class Verbs(click.Group):
    """Loads a verb's module when it is needed, and suggests the nearest verb for a wrong one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb, or return None."""
        if cmd_name not in VERBS:
            return None
        module, name, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb for one that doesn't exist."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"expected a verb ({', '.join(sorted(VERBS))}), got {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in sorted(VERBS.items())])


@click.command(cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="actorq")
@common_options
def cli(common: Any) -> None:
    """Run tasks in nodes, and see what they do.

    Options may stand before or after the verb.
    """


def main() -> None:
    """Run the command line; every mistake is one line."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's) and return the exit code."""
    try:
        code = cli.main(arguments, prog_name="actorq", auto_envvar_prefix="ACTORQ", standalone_mode=False)
    except click.UsageError as error:
        return _report_usage(error)
    except click.ClickException as error:
        say_error(error.format_message())
        return error.exit_code
    except click.Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def _report_usage(error: click.UsageError) -> int:
    path = error.ctx.command_path if error.ctx is not None else "actorq"
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()
    else:
        say_error(f"{error.format_message().rstrip('.')}; see: {path} --help")
    return EXIT_USAGE


if __name__ == "__main__":
    main()
