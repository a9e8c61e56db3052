"""The entry point. A verb's module is imported when the verb is used."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import EXIT_USAGE, common_options, exit_code_of, say_error
from actorq.cli.extensions import extend, find_verb, list_verbs
from actorq.cli.verbs import VERBS
from actorq.config import suggest
from actorq.errors import ActorqError
from actorq.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main", "run"]

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
WORDS: Final = "actorq.words"  # what stands after the verb, not parsed yet
HELP_WIDTH: Final = 70


class Verbs(click.Group):
    """Loads a verb's module when it is needed, and suggests the nearest verb for a wrong one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb, and what plugins add to it; or look for a plugin's verb.

        Raises:
            ActorqError: a plugin that is needed can't be used.
        """
        words = ctx.meta.get(WORDS, ())
        if cmd_name not in VERBS:
            return find_verb(cmd_name, ctx, words)
        module, name, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return extend(cmd_name, command, ctx, words)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb for one that doesn't exist."""
        ctx.meta[WORDS] = tuple(args[1:])
        verb = args[0]
        command = self.get_command(ctx, verb)
        if command is None:
            known = [*VERBS, *list_verbs(ctx, args[1:])[0]]
            ctx.fail(f"expected a verb ({', '.join(sorted(known))}), got {verb!r}{suggest(verb, known)}")
        return verb, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing their modules, and those of plugins."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in sorted(VERBS.items())])
        added, broken = list_verbs(ctx)
        if added or broken:
            rows = [(verb, command.get_short_help_str(HELP_WIDTH)) for verb, command in sorted(added.items())]
            with formatter.section("Commands of plugins"):
                formatter.write_dl([*rows, *((f"({name})", "can't be used; see: actorq plugins") for name in broken)])


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
    except ActorqError as error:
        say_error(str(error))
        return exit_code_of(error)
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
