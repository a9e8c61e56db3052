"""`actorq task`: what becomes of single tasks.

Whatever changes something says what it did with each id, and ends with 1 where one of them wasn't done, after the others were.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from actorq.cli.common import (
    EXIT_CRASH,
    Common,
    common_options,
    open_hub,
    print_data,
    print_table,
    say_error,
    with_errors,
)
from actorq.client.revoking import revoke

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["task"]

LISTED: Final = 20  # ids of one listing; more are counted
MEANINGS: Final = {
    "revoked": "it waited; it has ended as REVOKED",
    "terminating": "it runs; its process is being ended for it",
    "running": "it runs and goes on; a retry of it won't start",
    "ended": "it had ended before",
    "expected": "not here: it ends as REVOKED if it comes within a day",
    "refused": "not here, and too many such are remembered; cancel it again when it is",
}


@click.group()
@common_options
def task(common: Common, /) -> None:
    """Cancel tasks."""


@task.command("cancel")
@common_options
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--terminate", is_flag=True, help="End the processes that run one of them, too.")
@click.option("--signal", default="SIGTERM", metavar="NAME", help="By this signal; SIGKILL follows. Default: SIGTERM.")
@with_errors
def cancel(common: Common, /, ids: tuple[str, ...], signal: str, *, terminate: bool) -> None:
    """End tasks that haven't started as REVOKED, by ID; '-' reads ids from standard input, one a line."""
    wanted = _read_ids(ids)
    with open_hub(common) as hub:
        try:
            done = revoke(hub.ask, wanted, common.timeout_s, terminate=terminate, signal=signal)
        except (TypeError, ValueError) as error:
            raise click.UsageError(str(error)) from None
    print_data(common, done.fates, _print_fates)
    refused = done.list("refused")
    if refused:
        say_error(f"{len(refused)} not cancelled: {MEANINGS['refused']}")
        raise SystemExit(EXIT_CRASH)


def _read_ids(ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for each in ids:
        found += [line.strip() for line in sys.stdin if line.strip()] if each == "-" else [each]
    if not found:
        raise click.UsageError(
            "expected the ids of tasks, got none; see: actorq inspect active, or - to read them from a pipe"
        )
    return found


def _print_fates(fates: Mapping[str, str]) -> None:
    if len(fates) <= LISTED:
        print_table(("fate", "id", ""), [(fate, task_id, MEANINGS[fate]) for task_id, fate in fates.items()])
        return
    counts = {fate: sum(found == fate for found in fates.values()) for fate in MEANINGS}
    print_table(("fate", "tasks", ""), [(fate, count, MEANINGS[fate]) for fate, count in counts.items() if count])
