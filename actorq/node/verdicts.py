"""What a dead slot left, where that is the end of a task: it is acknowledged early, or ran into its hard limit.

A task with `acks_late=False` isn't run again once it has begun. The slot writes into the line that it runs one (`ONCE`), for it
knows the task's definition, and the line is all there is where slot, node and hub died together.

For a hard limit the slot actor writes into the line whom it kills the process for (`LineView.condemn`), so the verdict is where
the evidence is: the broker that buries the slot and one that starts an hour later come to the same.

1. the slot actor sees the task executing, past its deadline; 2. the task ends, its report is in the ring; 3. the slot starts
another; 4. the signal arrives. The task keeps its result, and the other one is handed back: it was killed for nothing it did.

Nor is anybody to blame where a node kills its slots because it ends itself, or because a slot is stuck: it writes down before
that it kills for nobody (`pardon`), and what ran is handed back, unless it may begin only once.
"""

from __future__ import annotations

from signal import Signals
from typing import TYPE_CHECKING, Final

from actorq.codec import encode_failure
from actorq.errors import SlotLost, TaskRevoked, TimeLimitExceeded
from actorq.messages.states import FAILURE, NUMBERS, REVOKED
from actorq.messages.task import Report
from actorq.slot.line_view import LineView, Remains
from actorq.slot.rows import Condemned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from actorq.errors import TaskError
    from actorq.messages.task import Delivery

__all__ = ["judge", "pardon"]

_FAILURE: Final = NUMBERS[FAILURE]
_REVOKED: Final = NUMBERS[REVOKED]
NOBODY: Final = Condemned(0, 1, 0)  # a token, so it is a verdict, and a key that no task has


def judge(line: LineView, cause: str, traceback: str = "", held: Mapping[int, Delivery] | None = None) -> Remains:
    """Return what a slot left that died of `cause`; a task that must not run again is among the reports, not executing.

    `held` is what it had, as far as that is known. Where it was killed for somebody, what else it was executing is handed back
    like what it hadn't started, without being counted.
    """
    remains = line.remains()
    condemned = {each[:2]: each for each in line.condemned()}
    ends: list[Report] = []
    executing: list[tuple[int, int]] = []
    for running in remains.executing:
        if running in condemned:
            ends.append(_condemn(condemned[running]))
        elif line.runs_once(running[0]):
            delivery = (held or {}).get(running[0])
            task, deliveries = (delivery.message.task, delivery.deliveries) if delivery is not None else ("", 0)
            ends.append(_end(running, SlotLost(task, cause, deliveries + 1, acked_early=True), traceback))
        elif not condemned:
            executing.append(running)
    return Remains([*remains.reports, *ends], executing)


def pardon(path: Path) -> None:
    """Write into a line that its process is about to be killed and that what it runs is not to blame; before the kill."""
    line = LineView.attach(path)
    if line is None:
        return
    if not line.condemned():
        line.condemn(NOBODY)
    line.close()


def _condemn(condemned: Condemned) -> Report:
    running = condemned.key, condemned.token
    if condemned.signal:
        return _end(running, TaskRevoked(f"terminated by {Signals(condemned.signal).name} while it ran"))
    limit_s = condemned.limit_ns / 1e9
    return _end(running, TimeLimitExceeded(round(limit_s, 6)), runtime_s=limit_s)


def _end(running: tuple[int, int], error: TaskError, traceback: str = "", runtime_s: float = 0.0) -> Report:
    state = _REVOKED if isinstance(error, TaskRevoked) else _FAILURE
    return Report(*running, state, encode_failure(error, traceback), runtime_s=runtime_s)
