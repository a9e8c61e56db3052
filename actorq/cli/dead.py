"""`actorq dead`: tasks that were given up because they ended their process too often.

Whatever changes something says what it did with each id: those that are no dead letters are named, and end it with 1 after
the others were done. Everything at once is asked about first.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Final

import click
from msgspec.structs import asdict

from actorq.cli.common import (
    EXIT_CRASH,
    Common,
    common_options,
    open_hub,
    print_data,
    print_facts,
    print_table,
    say_error,
    with_errors,
)
from actorq.cli.spans import tell_ago
from actorq.client.dead_letters import DeadLetters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from actorq.client.dead_letters import DeadLetter, Handled

__all__ = ["dead"]

SHOWN: Final = 50  # letters of one listing
NAMED: Final = 10  # unknown ids that one line names

_ids = click.argument("ids", nargs=-1, metavar="[ID]...")
_all = click.option("--all", "everything", is_flag=True, help="All there are, instead of some by id.")
_yes = click.option("-y", "--yes", is_flag=True, help="Don't ask before doing it to all of them.")


@click.group()
@common_options
def dead(common: Common, /) -> None:
    """List, show, requeue and purge dead letters: tasks that ended their process too often and were given up.

    Messages between components that found nobody are something else: actorq inspect dead-letters.
    """


@dead.command("ls")
@common_options
@click.option("-n", "--limit", type=click.IntRange(1), default=SHOWN, metavar="N", help=f"So many; default: {SHOWN}.")
@click.option("--offset", type=click.IntRange(0), default=0, metavar="N", help="Leave out the N newest.")
@with_errors
def ls(common: Common, /, limit: int, offset: int) -> None:
    """List dead letters, newest first."""
    with _open_letters(common) as letters:
        found = letters.list(limit, offset, timeout=common.timeout_s)
        total = letters.count(timeout=common.timeout_s)
    data = {"letters": [asdict(letter) for letter in found], "total": total}
    print_data(common, data, lambda _: _print_letters(found, offset, total))


@dead.command("show")
@common_options
@click.argument("task_id", metavar="ID")
@with_errors
def show(common: Common, /, task_id: str) -> None:
    """Show all that is known of one dead letter, its last traceback included."""
    with _open_letters(common) as letters:
        letter = letters.find(task_id, timeout=common.timeout_s)
    if letter is None:
        _fail_unknown([task_id])
    else:
        print_data(common, asdict(letter), lambda _: _print_letter(letter))


@dead.command("requeue")
@common_options
@_ids
@_all
@_yes
@with_errors
def requeue(common: Common, /, ids: tuple[str, ...], *, everything: bool, yes: bool) -> None:
    """Make dead letters tasks again, by ID or --all; they run as if they had just been sent."""
    _check_choice("requeue", ids, everything=everything)
    with _open_letters(common) as letters:
        wanted: Sequence[str] = ids
        if everything:
            # Ids, not "all": what dies again meanwhile isn't requeued again and again.
            wanted = [each.id for each in letters.list(sys.maxsize, timeout=common.timeout_s)]
            _confirm("requeue", len(wanted), yes=yes)
        done = letters.requeue(wanted, timeout=common.timeout_s)
    _tell_handled(common, "requeued", done)


@dead.command("purge")
@common_options
@_ids
@_all
@_yes
@with_errors
def purge(common: Common, /, ids: tuple[str, ...], *, everything: bool, yes: bool) -> None:
    """Drop dead letters for good, by ID or --all."""
    _check_choice("purge", ids, everything=everything)
    with _open_letters(common) as letters:
        if everything:
            _confirm("purge", letters.count(timeout=common.timeout_s), yes=yes)
        done = letters.purge(None if everything else ids, timeout=common.timeout_s)
    _tell_handled(common, "purged", done)


@contextlib.contextmanager
def _open_letters(common: Common) -> Iterator[DeadLetters]:
    with open_hub(common) as hub:
        yield DeadLetters(hub.ask)


def _check_choice(verb: str, ids: tuple[str, ...], *, everything: bool) -> None:
    if everything and ids:
        raise click.UsageError(f"expected ids or --all, got both; {verb} some by id, or all of them")
    if not everything and not ids:
        raise click.UsageError(f"expected the ids of what to {verb}, got none; see: actorq dead ls; or say --all")


def _confirm(verb: str, count: int, *, yes: bool) -> None:
    """Ask before something is done to all of them.

    Raises:
        click.UsageError: there is nobody to ask. click.ClickException: the answer is no.
    """
    if yes or not count:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"expected --yes to {verb} all {count} dead letters where nobody can be asked")
    if not click.confirm(f"{verb} all {count} dead letters?", err=True):
        raise click.ClickException(f"nothing was {verb}d")


def _tell_handled(common: Common, done: str, handled: Handled) -> None:
    data = {done: handled.count, "unknown": list(handled.unknown)}
    print_data(common, data, lambda _: click.echo(f"{handled.count} {done}"))
    if handled.unknown:
        _fail_unknown(handled.unknown)


def _fail_unknown(ids: Sequence[str]) -> None:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    say_error(f"expected ids of dead letters, got {', '.join(ids[:NAMED])}{more}; see: actorq dead ls")
    raise SystemExit(EXIT_CRASH)


def _print_letters(letters: Sequence[DeadLetter], offset: int, total: int) -> None:
    if not letters:
        click.echo("none" if not total else f"none after the {offset} newest of {total}")
        return
    now = time.time()
    # What varies in width comes last: a narrow terminal cuts names, never ids.
    rows = [(tell_ago(each.died_at, now), each.deliveries, each.cause, each.id, each.task) for each in letters]
    print_table(("died", "runs", "cause", "id", "task"), rows)
    left = total - offset - len(letters)
    if left > 0:
        click.echo(f"and {left} older; see: actorq dead ls --offset {offset + len(letters)}")


def _print_letter(letter: DeadLetter) -> None:
    now = time.time()
    facts: Mapping[str, object] = {
        "id": letter.id,
        "task_id": letter.alias,
        "task": letter.task,
        "queue": f"{letter.queue}, priority {letter.priority}",
        "cause": letter.cause,
        "runs": f"{letter.deliveries} ended their process",
        "retries": letter.retries,
        "sent": None if letter.sent_at is None else tell_ago(letter.sent_at, now),
        "died": tell_ago(letter.died_at, now),
    }
    print_facts((name, value) for name, value in facts.items() if name != "task_id" or value is not None)
    click.echo(f"\n{letter.traceback.rstrip() or 'no traceback: the process had no time to leave one'}")
