"""What a dead slot left, where its node killed it for a task that ran into its hard limit.

The slot actor writes into the line whom it kills the process for (`LineView.condemn`), so the verdict is where the evidence
is: the broker that buries the slot and one that starts an hour later come to the same.

1. the slot actor sees the task executing, past its deadline; 2. the task ends, its report is in the ring; 3. the slot starts
another; 4. the signal arrives. The task keeps its result, and the other one is handed back: it was killed for nothing it did.

Nor is anybody to blame where a node kills its slots because it ends itself, or because a slot is stuck: it writes down before
that it kills for nobody (`pardon`), and what ran is handed back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.codec import encode_failure
from actorq.errors import TimeLimitExceeded
from actorq.messages.states import FAILURE, NUMBERS
from actorq.messages.task import Report
from actorq.slot.line import Condemned, LineView, Remains

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["judge", "pardon"]

_FAILURE: Final = NUMBERS[FAILURE]
NOBODY: Final = Condemned(0, 1, 0)  # a token, so it is a verdict, and a key that no task has


def judge(line: LineView) -> Remains:
    """Return what a dead slot left; the task it was killed for is among the reports, and nothing is executing then."""
    remains, condemned = line.remains(), line.condemned()
    if condemned is None:
        return remains
    key, token, limit_ns = condemned
    if remains.executing != (key, token):
        return Remains(remains.reports, None)
    limit_s = limit_ns / 1e9
    payload = encode_failure(TimeLimitExceeded(round(limit_s, 6)), "")
    return Remains([*remains.reports, Report(key, token, _FAILURE, payload, runtime_s=limit_s)], None)


def pardon(path: Path) -> None:
    """Write into a line that its process is about to be killed and that what it runs is not to blame; before the kill."""
    line = LineView.attach(path)
    if line is None:
        return
    if line.condemned() is None:
        line.condemn(NOBODY)
    line.close()
