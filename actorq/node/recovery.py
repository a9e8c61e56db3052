"""What a new broker learns from the slots' line files, whoever is dead.

Every slot keeps in a file what it runs and what it has finished but nobody has confirmed (`actorq.slot.line`). The file
outlives its slot, its node and its hub. A new broker therefore asks nobody and waits for nobody:

1. it fences every line: from now on no slot starts a delivery of an earlier epoch;
2. it waits until that is seen (`RECALL_WAIT_S`);
3. of a dead slot it takes the finished reports, and each task it was running as a failed delivery;
4. of a living slot it takes the reports, too, and leaves it what it runs.

Everything else that was out is free to be dealt again. Source of the idea: a write-ahead log, one for each process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from actorq.log import get_logger
from actorq.node.balance import RECALL_WAIT_S
from actorq.node.messages import BeginEpoch, EngineCall
from actorq.node.verdicts import judge
from actorq.slot.line_view import LineView, Remains

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    from actorq.node.ledger import Ledger

__all__ = ["NODE_ENDED", "FoundLine", "StoreSteps", "read_lines", "recover", "wait_through", "write_down"]

log = get_logger(__name__)


NODE_ENDED: Final = "the end of its node"  # the cause of death where nobody is left to know another


@dataclass(slots=True)
class FoundLine:
    """One line file after the fence, and what its slot finished and runs."""

    view: LineView
    alive: bool
    remains: Remains


def read_lines(folder: Path, fence: int) -> list[FoundLine]:
    """Fence every line in `folder` and read what its slot finished and runs. Takes a few milliseconds, once."""
    views = []
    for path in sorted(folder.glob("*.line")):
        view = LineView.attach(path)
        if view is None:
            log.warning("line_unreadable", path=str(path))
            continue
        view.set_fence(fence)
        views.append(view)
    if any(view.is_alive() for view in views):
        time.sleep(RECALL_WAIT_S)
    # Whether it lives comes first: a slot that dies after the look is found dead by its pidfd, and read again then.
    return [
        FoundLine(view, True, view.remains()) if view.is_alive() else FoundLine(view, False, judge(view, NODE_ENDED))
        for view in views
    ]


StoreSteps: TypeAlias = "Generator[BeginEpoch | EngineCall, Any, None]"
"""What is to be asked of the store, one question after the other; each answer is sent back in."""


def recover(ledger: Ledger, found: Iterable[FoundLine], now: float) -> StoreSteps:
    """Have the ledger and the store take over what the lines say; living slots have their desks already."""
    for each in found:
        for report in each.remains.reports:
            ledger.legacy.recover_report(report, now)
    yield from write_down(ledger)  # first what ended: whatever is in the store after that hasn't
    for each in found:
        for running in each.remains.executing:
            task = yield EngineCall("adopt", running)
            if each.alive:
                ledger.legacy.adopt(ledger.slots[each.view.name], *running, task)
            elif task is not None:
                ledger.legacy.recover_death(task, running[1], NODE_ENDED, now)
    yield from write_down(ledger)


def write_down(ledger: Ledger) -> StoreSteps:
    """Commit what the ledger has gathered."""
    sealed = ledger.seal()
    if sealed is not None:
        ledger.committed(sealed, (yield EngineCall("commit", (sealed.transaction,))))


def wait_through(steps: StoreSteps, ask: Callable[[BeginEpoch | EngineCall], Any]) -> None:
    """Take steps one after the other, waiting for each answer; only where nobody else needs this thread."""
    try:
        step = next(steps)
        while True:
            step = steps.send(ask(step))
    except StopIteration:
        return
