"""What the verbs share: options before and after the verb, finding the home, asking the hub, printing.

Invariant: every end of a command has a documented exit code, and every error is one line on stderr that says what was
expected, what was found and what to do. A terminal gets lines that fit it; a pipe gets all of them whole.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from actorq.config import PLAIN_CONTENT
from actorq.errors import ActorqError, BrokerUnavailable, ConfigError, StoreDamaged, StoreError
from actorq.transport.paths import Home, find_home
from actorq.transport.rendezvous import read_rendezvous

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from actorq.app import App

__all__ = [
    "EXIT_CONFIG",
    "EXIT_UNAVAILABLE",
    "EXIT_USAGE",
    "Common",
    "Hub",
    "ask_hub",
    "common_options",
    "echo_line",
    "exit_code_of",
    "hint_start",
    "load",
    "open_app",
    "open_hub",
    "print_data",
    "print_facts",
    "print_table",
    "say_error",
    "with_common_options",
    "with_errors",
]

EXIT_CRASH: Final = 1
EXIT_USAGE: Final = 2
EXIT_CONFIG: Final = 3
EXIT_LOCKED: Final = 4
EXIT_DAMAGED: Final = 5
EXIT_UNAVAILABLE: Final = 69

UNKNOWN_NODE: Final = "expected one of the nodes"  # how a hub begins to say that it doesn't know a node


@dataclass(slots=True)
class Common:
    """Options that every verb knows. A value after the verb wins over one before it, which wins over the environment."""

    app: str | None = None
    home: str | None = None
    broker: str | None = None
    as_json: bool = False
    timeout_s: float = 5.0
    plugins: tuple[str, ...] = ()  # adds up instead
    # No option: what the options of plugins were given, by their names.
    plugin_values: dict[str, dict[str, Any]] = field(default_factory=dict)


_OPTIONS: Final = {
    "app": click.option(
        "-A", "--app", metavar="MODULE[:APP]", is_eager=True, help="The application: 'tasks' finds tasks:app."
    ),
    "home": click.option(
        "--home", metavar="FOLDER", help="Where store and outboxes are; default: ~/.local/state/actorq/<app>."
    ),
    "broker": click.option("-b", "--broker", metavar="URL", help="The engine: 'local:///folder'."),
    "as_json": click.option(
        "--json", "as_json", is_flag=True, default=None, help="Print JSON, for programs; of a node: its log."
    ),
    "timeout_s": click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="How long to wait for an answer; default: 5.",
    ),
    # Its variable is read where plugins are looked for, which knows then where they were named.
    "plugins": click.option(
        "--plugin",
        "plugins",
        multiple=True,
        is_eager=True,
        metavar="MODULE:OBJECT",
        allow_from_autoenv=False,
        help="A plugin besides those installed; may be given again. Variable: ACTORQ_PLUGIN.",
    ),
}
_ENVIRONMENT: Final = {"app": "ACTORQ_APP", "home": "ACTORQ_HOME", "broker": "ACTORQ_BROKER"}


def common_options(command: Callable[..., Any], without: Collection[str] = ()) -> Callable[..., Any]:
    """Give a group or a verb the common options; a verb receives them as its first argument, a `Common`.

    They come after its own in its help. `without` names those that mean nothing to it; before the verb they are allowed.
    """

    @functools.wraps(command)
    @click.pass_context
    def collect(context: click.Context, /, *args: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in Common.__slots__ if name in options}
        merged = context.obj = _merge(context, given)
        return context.invoke(command, merged, *args, **options)

    wrapped: Any = collect
    # Click lists parameters in the reverse order of their decorators: what stands first in this list is shown last.
    own = list(getattr(wrapped, "__click_params__", ()))
    wrapped.__click_params__ = []
    for name in reversed(_OPTIONS):
        if name not in without:
            wrapped = _OPTIONS[name](wrapped)
    wrapped.__click_params__ += own
    result: Callable[..., Any] = wrapped
    return result


def with_common_options(command: click.Command) -> click.Command:
    """Return a plugin's verb that takes the common options, too, as far as it has none of the same spelling.

    It isn't handed them; whoever wants them finds a `Common` as the context's `obj`.
    """
    taken = {spelling for param in command.params for spelling in (*param.opts, param.name)}

    def declare() -> None: ...

    for option in reversed(_OPTIONS.values()):
        option(declare)
    declared: list[click.Option] = getattr(declare, "__click_params__", [])[::-1]
    missing = [option for option in declared if taken.isdisjoint((*option.opts, option.name))]
    run = command.callback

    def collect(*args: Any, **options: Any) -> Any:
        context = click.get_current_context()
        context.obj = _merge(context, {option.name or "": options.pop(option.name or "") for option in missing})
        return None if run is None else run(*args, **options)

    extended = copy.copy(command)
    extended.params, extended.callback = [*command.params, *missing], collect
    return extended


def _merge(context: click.Context, given: Mapping[str, Any]) -> Common:
    """Return what was given here, before the verb, or in the environment; in this order."""
    parent = context.parent.obj if context.parent is not None else None
    before = parent if isinstance(parent, Common) else Common()
    merged = Common(
        **{name: given[name] if given.get(name) is not None else getattr(before, name) for name in Common.__slots__}
    )
    merged.plugins = tuple(dict.fromkeys((*before.plugins, *given.get("plugins", ()))))
    if before is not parent:
        for name, variable in _ENVIRONMENT.items():
            if getattr(merged, name) is None and os.environ.get(variable):
                setattr(merged, name, os.environ[variable])
    return merged


def exit_code_of(error: BaseException) -> int:
    """Return the documented exit code of an error."""
    match error:
        case BrokerUnavailable():
            return EXIT_UNAVAILABLE
        case ConfigError():
            return EXIT_CONFIG
        case StoreDamaged():
            return EXIT_DAMAGED
        case StoreError():
            return EXIT_LOCKED
    return EXIT_CRASH


def say_error(text: str) -> None:
    """Print one line on stderr."""
    click.echo(f"actorq: {' '.join(text.split())}", err=True)


def fail(error: BaseException) -> NoReturn:
    """Print one line and end with the error's exit code."""
    say_error(str(error) or type(error).__name__)
    raise SystemExit(exit_code_of(error))


def with_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn actorq's errors into one line and an exit code."""

    @functools.wraps(command)
    def guarded(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except ActorqError as error:
            fail(error)

    return guarded


def load(common: Common) -> App:
    """Import the application that `-A` names.

    Raises:
        ConfigError: there is none, or it can't be imported.
    """
    from actorq.app import load_app

    if not common.app:
        raise ConfigError("expected an application, got none; say which with -A MODULE or ACTORQ_APP")
    app = load_app(common.app)
    app.plugins.add_specs(common.plugins)
    app.import_includes()
    if common.home or common.broker:
        app.use_home(find_home(app.name, broker=common.broker, home=common.home))
    return app


def open_app(common: Common) -> App:
    """Return the application that `-A` names; without, one that knows no task, in the home of a running node.

    Raises:
        ConfigError: it can't be imported, or nothing says which home is meant.
    """
    from actorq.app import App

    if common.app:
        app = load(common)
        # Whoever types a command wants to see a result, not to run what is in it.
        app.use_settings(app.conf.replace("command line", {"accept_content": PLAIN_CONTENT}))
        return app
    app = App("default", home=locate(common).path)
    app.plugins.add_specs(common.plugins)
    return app


def locate(common: Common) -> Home:
    """Return the home to ask, without importing an application where that can be helped.

    By --home, by --broker, else the one home of this user where a node runs; only then by the application's name.

    Raises:
        ConfigError: none of these says which.
    """
    if common.home or common.broker:
        return find_home("default", broker=common.broker, home=common.home)
    running = list(find_running())
    if len(running) == 1 and not common.app:
        return running[0]
    if common.app:
        return load(common).home
    if running:
        homes = ", ".join(str(home.path) for home in running)
        raise ConfigError(f"expected --home or -A to say which home, got neither, and nodes run on several: {homes}")
    raise BrokerUnavailable("any home of this user", 0.0, "start one with: actorq node -A MODULE; or name its --home")


def find_running() -> Iterator[Home]:
    """Yield the homes of this user in which a broker runs."""
    bases = [Path(tempfile.gettempdir()) / f"actorq-{os.geteuid()}"]
    if os.environ.get("XDG_RUNTIME_DIR"):
        bases.append(Path(os.environ["XDG_RUNTIME_DIR"]) / "actorq")
    for base in bases:
        for runtime in sorted(base.glob("*")) if base.is_dir() else ():
            home = Home(runtime, runtime)
            found = read_rendezvous(home)
            if found is not None and found.home:
                yield Home(Path(found.home), runtime)


class Hub:
    """The line to the hub of one home, for one question or many; `open_hub` makes one."""

    def __init__(self, common: Common, app: App) -> None:
        self.common, self.app, self.home = common, app, app.home.path

    def ask(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
        timeout_s: float | None = None,
        *,
        repeat: bool = False,
    ) -> Any:
        """Ask and return the answer. `repeat`: ask again if the broker goes away meanwhile (harmless to ask twice).

        Raises:
            BrokerUnavailable: nobody answered in time. ActorqError: it answered that it can't.
            click.UsageError: it doesn't know the node that was named.
        """
        limit_s = self.common.timeout_s if timeout_s is None else timeout_s
        try:
            return self.app.ask(command, arguments or {}, timeout=limit_s, repeat=repeat)
        except BrokerUnavailable as error:
            hint = hint_start(self.common, self.home)
            raise BrokerUnavailable(error.address, error.waited_s, hint, went_away=error.went_away) from None
        except ActorqError as error:
            if str(error).startswith(UNKNOWN_NODE):
                raise click.UsageError(str(error)) from None
            raise


@contextlib.contextmanager
def open_hub(common: Common) -> Iterator[Hub]:
    """Give the line to the hub of the home that is meant; it finds a new hub by itself."""
    from actorq.app import App

    with App("default", home=locate(common).path) as app:
        yield Hub(common, app)


def ask_hub(common: Common, command: str, arguments: dict[str, Any] | None = None) -> Any:
    """Ask the hub of the home one thing and return its answer.

    Raises:
        BrokerUnavailable: nobody answered in time.
        ActorqError: it answered that it can't.
    """
    with open_hub(common) as hub:
        return hub.ask(command, arguments)


def hint_start(common: Common, home: Path) -> str:
    """Return how to start a node that answers for `home`."""
    where = f" --home {shlex.quote(str(home))}" if common.home or common.broker or not common.app else ""
    return f"start one with: actorq node -A {common.app or 'MODULE'}{where}"


def print_data(common: Common, data: Any, table: Callable[[Any], None]) -> None:
    """Print `data` as JSON for programs, or with `table` for people."""
    if common.as_json:
        click.echo(json.dumps(data, default=str))
    else:
        table(data)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns; on a terminal, lines end where it ends."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(header), *(len(row[place]) for row in cells)]) for place, header in enumerate(headers)]
    for line in ([header.upper() for header in headers], *cells):
        echo_line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def echo_line(text: str) -> None:
    """Print one line; where a terminal is narrower, cut it and say so with an ellipsis."""
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        text = text if len(text) <= columns else text[: columns - 1] + "…"
    click.echo(text)


def print_facts(facts: Iterable[tuple[str, object]], indent: str = "") -> None:
    """Print `name  value` lines, aligned; a value that is a dictionary becomes a block of its own, and so does each of a list."""
    pairs = list(facts)
    width = max((len(str(name)) for name, _ in pairs), default=0)
    for name, value in pairs:
        if isinstance(value, dict) and value:
            click.echo(f"{indent}{name}")
            print_facts(value.items(), indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            print_facts(((f"{name} {number}", each) for number, each in enumerate(value, 1)), indent)
        else:
            shown = "none" if value is None or value in ({}, [], "") else value
            echo_line(f"{indent}{name!s:<{width}}  {shown}")
