"""`actorq queue`: look into queues, pause, resume, purge, move.

A queue that the home has never heard of is a usage error that names the nearest. A purge asks first.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import asdict

from actorq.cli.common import common_options, open_hub, print_data, print_table, with_errors
from actorq.cli.spans import tell_ago, tell_span
from actorq.client.queues import MAX_PEEK, PEEKED, Queues
from actorq.errors import ActorqError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actorq.cli.common import Common
    from actorq.client.queues import QueueInfo, WaitingTask

__all__ = ["queue"]

UNKNOWN: Final = "expected one of the queues "  # how a hub begins that doesn't know the queue
SHOWN: Final = 60  # characters of a task's arguments

_name = click.argument("name", metavar="QUEUE")


@click.group()
@common_options
def queue(common: Common, /) -> None:
    """List queues, look into them, pause, resume, purge and move them."""


@queue.command("ls")
@common_options
@with_errors
def ls(common: Common, /) -> None:
    """List queues: what waits, what runs, who takes it."""
    with _open_queues(common) as queues:
        found = queues.list(timeout=common.timeout_s)
    print_data(common, {"queues": [asdict(each) for each in found]}, lambda _: _print_queues(found))


@queue.command("peek")
@common_options
@_name
@click.option(
    "-n", "--limit", type=click.IntRange(1, MAX_PEEK), default=PEEKED, metavar="N", help=f"So many; {PEEKED}."
)
@click.option("--args", "arguments", is_flag=True, help="Show what they are called with, too.")
@with_errors
def peek(common: Common, /, name: str, limit: int, *, arguments: bool) -> None:
    """Show the first tasks that wait in QUEUE; they stay there."""
    with _open_queues(common) as queues:
        found = queues.peek(name, limit, arguments=arguments, timeout=common.timeout_s)
    data = {"queue": name, "tasks": [asdict(each) for each in found]}
    print_data(common, data, lambda _: _print_tasks(found, arguments=arguments))


@queue.command("pause")
@common_options
@_name
@with_errors
def pause(common: Common, /, name: str) -> None:
    """Let nothing more of QUEUE begin; it goes on taking tasks, and what runs goes on."""
    with _open_queues(common) as queues:
        running = queues.pause(name, timeout=common.timeout_s)
    still = f"; {running} still running" if running else ""
    print_data(common, {"queue": name, "paused": True, "running": running}, lambda _: click.echo(f"paused{still}"))


@queue.command("resume")
@common_options
@_name
@with_errors
def resume(common: Common, /, name: str) -> None:
    """Let tasks of QUEUE begin again."""
    with _open_queues(common) as queues:
        was_paused = queues.resume(name, timeout=common.timeout_s)
    data = {"queue": name, "paused": False, "was_paused": was_paused}
    print_data(common, data, lambda _: click.echo("resumed" if was_paused else "it was not paused"))


@queue.command("purge")
@common_options
@_name
@click.option("-y", "--yes", is_flag=True, help="Don't ask before doing it.")
@with_errors
def purge(common: Common, /, name: str, *, yes: bool) -> None:
    """End all tasks of QUEUE that don't run, scheduled ones included, as REVOKED."""
    with _open_queues(common) as queues:
        _confirm(queues, name, common.timeout_s, yes=yes)
        count = queues.purge(name, timeout=common.timeout_s)
    print_data(common, {"queue": name, "purged": count}, lambda _: click.echo(f"{count} purged"))


@queue.command("move")
@common_options
@_name
@click.argument("to", metavar="TO")
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="The first N only; default: all.")
@with_errors
def move(common: Common, /, name: str, to: str, limit: int | None) -> None:
    """Put tasks of QUEUE that don't run into the queue TO, in order, with ids, priorities and etas."""
    if name == to:
        raise click.UsageError(f"expected another queue to move tasks to, got {to!r} itself")
    with _open_queues(common) as queues:
        count = queues.move(name, to, limit, timeout=common.timeout_s)
    print_data(common, {"queue": name, "to": to, "moved": count}, lambda _: click.echo(f"{count} moved"))


@contextlib.contextmanager
def _open_queues(common: Common) -> Iterator[Queues]:
    with open_hub(common) as hub:
        try:
            yield Queues(hub.ask)
        except ActorqError as error:
            if str(error).startswith(UNKNOWN):
                raise click.UsageError(str(error)) from None
            raise


def _confirm(queues: Queues, name: str, timeout_s: float, *, yes: bool) -> None:
    """Ask before something is purged.

    Raises:
        click.UsageError: there is nobody to ask. click.ClickException: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"expected --yes to purge the queue {name!r} where nobody can be asked")
    found = queues.find(name, timeout=timeout_s)
    count = 0 if found is None else found.ready + found.scheduled + found.reserved
    if found is not None and not click.confirm(f"purge {count} tasks of queue {name!r}?", err=True):
        raise click.ClickException("nothing was purged")


def _print_queues(found: Sequence[QueueInfo]) -> None:
    if not found:
        click.echo("none")
        return
    now = time.time()
    rows = [
        (
            *(each.ready, each.scheduled, each.reserved, each.running, each.consumers),
            "-" if each.oldest_at is None else tell_span(now - each.oldest_at),
            "paused" if each.paused else "NO SLOT" if not each.consumers and each.ready else "open",
            each.queue,
            " ".join(f"{priority}:{count}" for priority, count in each.priorities.items() if priority) or "-",
        )
        for each in found
    ]
    headers = ("ready", "eta", "held", "running", "slots", "oldest", "state", "queue", "by priority")
    print_table(headers, rows)


def _print_tasks(found: Sequence[WaitingTask], *, arguments: bool) -> None:
    if not found:
        click.echo("none")
        return
    now = time.time()
    rows: list[tuple[Any, ...]] = []
    for each in found:
        waits = f"in {tell_span(each.eta - now)}" if each.eta else tell_ago(each.sent_at or now, now)
        headers = json.dumps(each.headers, default=str) if each.headers else "-"
        row = (waits, each.priority, each.id, each.task, headers)
        rows.append((*row, _tell_arguments(each)) if arguments else row)
    names = ("since", "prio", "id", "task", "headers")
    print_table((*names, "arguments") if arguments else names, rows)


def _tell_arguments(task: WaitingTask) -> str:
    if task.args is None or task.kwargs is None:
        return "(pickled)"
    told = ", ".join([*map(repr, task.args), *(f"{name}={value!r}" for name, value in task.kwargs.items())])
    return f"({told})" if len(told) <= SHOWN else f"({told[:SHOWN]}…)"
