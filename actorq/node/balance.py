"""When to take back what a slot holds and hasn't started: a pure decision.

Credit is a guess about how long tasks take. Where the guess was wrong, one slot sits on a list behind a long task while
another is idle: the list is recalled and dealt again. Recalling costs a few milliseconds, so a slot gets `PATIENCE_S` on
its present task first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PATIENCE_S", "RECALL_WAIT_S", "SlotLoad", "plan_recalls"]

PATIENCE_S: Final = 0.02
# A fence is a word in shared memory. The slot writes what it runs, then reads the fence; the broker writes the fence,
# then reads what runs. Each must see the other's write, or both think they won. There is no memory fence in Python:
# waiting stands in for it, since a store leaves a processor's store buffer within microseconds.
RECALL_WAIT_S: Final = 0.003


@dataclass(frozen=True, slots=True)
class SlotLoad:
    """One slot: how many deliveries it holds, for how long it has started nothing though it runs, whether it may get more.

    It runs `running` of them, in `places` places. `is_wanted`: an idle slot takes something of what it holds. A slot is idle
    while one of its places is.
    """

    name: str
    held: int
    running_s: float
    is_open: bool
    is_wanted: bool = True
    places: int = 1
    running: int = 1


def plan_recalls(loads: Iterable[SlotLoad], patience_s: float = PATIENCE_S) -> list[str]:
    """Return the slots to recall, the most loaded first; none while no open slot is idle."""
    slots = list(loads)
    stuck = [
        slot
        for slot in slots
        if slot.is_open and slot.is_wanted and slot.held > slot.running and slot.running_s >= patience_s
    ]
    names = {slot.name for slot in stuck}
    # One that is stuck has no idle place, however few it runs: its loop doesn't come by.
    if not any(slot.is_open and slot.held < slot.places and slot.name not in names for slot in slots):
        return []
    stuck.sort(key=lambda slot: -slot.held)
    return [slot.name for slot in stuck]
