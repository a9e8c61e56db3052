"""Which priority goes next where waiting tasks age: a pure decision.

Strict priorities let a low one wait for as long as there are higher ones. With ageing a task gains one level for so many
seconds that it has waited, up to the highest; of two on one level the one that has waited longer goes first. So the longest
any task is overtaken is the time from its own level to the highest, and then by older ones only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.messages.task import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["find_level", "find_next"]


def find_level(priority: int, waited_s: float, ageing_s: float) -> int:
    """Return the level of a task that has waited so long."""
    return min(PRIORITIES[-1], priority + int(max(0.0, waited_s) // ageing_s))


def find_next(heads: Iterable[tuple[int, float | None] | None], now: float, ageing_s: float) -> int | None:
    """Return the place in `heads` of who goes next; None: nobody.

    `heads` are `(priority, waiting since)` of the first of each priority, highest first; None where none waits. A priority
    whose first is on its way from the store has no time: lower ones wait for it.
    """
    best, rank = None, (0, 0.0)
    for place, head in enumerate(heads):
        if head is None:
            continue
        priority, since = head
        if since is None:
            break
        mine = find_level(priority, now - since, ageing_s), -since
        if best is None or mine > rank:
            best, rank = place, mine
    return best
