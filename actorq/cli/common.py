"""What the verbs share: options before and after the verb, finding the home, asking the hub, printing.

Invariant: every end of a command has a documented exit code, and every error is one line on stderr that says what was
expected, what was found and what to do.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from actorq.errors import ActorqError, BrokerUnavailable, ConfigError, StoreDamaged, StoreError
from actorq.transport.paths import Home, find_home
from actorq.transport.rendezvous import read_rendezvous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actorq.app import App

__all__ = [
    "EXIT_CONFIG",
    "EXIT_UNAVAILABLE",
    "Common",
    "ask_hub",
    "common_options",
    "exit_code_of",
    "print_data",
    "print_table",
    "with_errors",
]

EXIT_CRASH: Final = 1
EXIT_CONFIG: Final = 3
EXIT_LOCKED: Final = 4
EXIT_DAMAGED: Final = 5
EXIT_UNAVAILABLE: Final = 69


@dataclass(slots=True)
class Common:
    """Options that every verb knows. A value after the verb wins over one before it, which wins over the environment."""

    app: str | None = None
    home: str | None = None
    broker: str | None = None
    as_json: bool = False
    timeout_s: float = 5.0


_OPTIONS: Final = (
    click.option("-A", "--app", "app", metavar="MODULE[:APP]", help="The application, e.g. 'tasks' for tasks:app."),
    click.option("--home", metavar="FOLDER", help="Where store and outboxes are; default: by the application's name."),
    click.option("-b", "--broker", metavar="URL", help="The engine, e.g. 'local:///folder'."),
    click.option("--json", "as_json", is_flag=True, default=None, help="Print JSON for programs."),
    click.option(
        "--timeout", "timeout_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="How long to wait."
    ),
)
_ENVIRONMENT: Final = {"app": "ACTORQ_APP", "home": "ACTORQ_HOME", "broker": "ACTORQ_BROKER"}


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a group or a verb the common options; a verb receives them as its first argument, a `Common`."""

    @functools.wraps(command)
    @click.pass_context
    def collect(context: click.Context, /, *args: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in Common.__slots__ if name in options}
        before = (
            context.parent.obj if context.parent is not None and isinstance(context.parent.obj, Common) else Common()
        )
        merged = Common(
            **{name: given[name] if given.get(name) is not None else getattr(before, name) for name in Common.__slots__}
        )
        if context.parent is None or not isinstance(context.parent.obj, Common):
            for name, variable in _ENVIRONMENT.items():
                if getattr(merged, name) is None and os.environ.get(variable):
                    setattr(merged, name, os.environ[variable])
        context.obj = merged
        return context.invoke(command, merged, *args, **options)

    wrapped: Callable[..., Any] = collect
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


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


def fail(error: BaseException) -> NoReturn:
    """Print one line and end with the error's exit code."""
    text = " ".join(str(error).split()) or type(error).__name__
    click.echo(f"actorq: {text}", err=True)
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
    app.import_includes()
    if common.home or common.broker:
        app.use_home(find_home(app.name, broker=common.broker, home=common.home))
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
        raise ConfigError(f"expected --home or -A, since several nodes run here: {homes}")
    raise BrokerUnavailable("any home of this user", 0.0)


def find_running() -> Iterable[Home]:
    """Yield the homes of this user in which a broker runs."""
    bases = [Path(tempfile.gettempdir()) / f"actorq-{os.geteuid()}"]
    if os.environ.get("XDG_RUNTIME_DIR"):
        bases.append(Path(os.environ["XDG_RUNTIME_DIR"]) / "actorq")
    for base in bases:
        for runtime in sorted(base.glob("*")) if base.is_dir() else ():
            home = Home(runtime, runtime)
            found = read_rendezvous(home)
            if found is not None:
                yield Home(Path(found.home or runtime), runtime)


def ask_hub(common: Common, command: str, arguments: dict[str, Any] | None = None) -> Any:
    """Ask the hub of the home and return its answer.

    Raises:
        BrokerUnavailable: nobody answered in time.
        ActorqError: it answered that it can't.
    """
    from actorq.app import App

    with App("default", home=locate(common).path) as app:
        return app.ask(command, arguments or {}, timeout=common.timeout_s)


def print_data(common: Common, data: Any, table: Callable[[Any], None]) -> None:
    """Print `data` as JSON for programs, or with `table` for people."""
    if common.as_json:
        click.echo(json.dumps(data, default=str))
    else:
        table(data)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(header), *(len(row[place]) for row in cells)]) for place, header in enumerate(headers)]
    for line in ([header.upper() for header in headers], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
