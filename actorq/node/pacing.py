"""When to commit: a pure decision of how much waits, how much came lately, and whether waiting pays.

A commit costs one flush of the disk, whatever is in it. Committing at once is right while little comes; while much comes,
a short pause makes one large transaction of several. And where the few tasks that wait are all in slots' hands already,
they are about to end: with a moment's patience sending and ending are one transaction, written once, and a single call
waits for one flush instead of two.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COMMIT_PAUSE_S", "FULL_COMMIT", "LINGER_S", "SMALL_COMMIT", "plan_pause"]

SMALL_COMMIT: Final = 16  # operations; a last commit larger than this means that more is about to come
FULL_COMMIT: Final = 256  # operations that are worth a flush of their own
COMMIT_PAUSE_S: Final = 0.004  # between two commits under load
LINGER_S: Final = 0.001  # for tasks that may end within it; longer ones are confirmed that much later


def plan_pause(pending: int, *, last: int, since_commit_s: float, waited_s: float, all_out: bool) -> float:
    """Return how many seconds to wait before committing `pending` operations; 0.0: commit now.

    `last` is the size of the last commit, `since_commit_s` how long ago it ended, `waited_s` how long the oldest pending
    operation has waited, `all_out` whether all of them are new tasks that slots have in hand.
    """
    if last > SMALL_COMMIT and pending < FULL_COMMIT:
        return max(0.0, COMMIT_PAUSE_S - since_commit_s)
    if pending <= SMALL_COMMIT and all_out:
        return max(0.0, LINGER_S - waited_s)
    return 0.0
