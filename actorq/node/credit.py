"""How much work to put at a slot's elbow: a pure function of how long its tasks take.

A slot that must ask for each task waits for a round trip between two; a slot with a long list of its own keeps tasks
from others that are idle. Between the two lies a fixed amount of *time*: about `prefetch_s` of work, whatever the tasks
are. A slot that turns out to be slower than it was is recalled (see `broker`).

A slot that runs many tasks at once has as many places for them, and gets as much for each of them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["INITIAL_CREDIT", "MAX_CREDIT", "fair_share", "is_hungry", "next_mean_s", "plan_credit"]

INITIAL_CREDIT: Final = 16  # before anything is known: enough to learn from, little enough to recall
MAX_CREDIT: Final = 1_024  # deliveries: bounds what a dead slot hands back, and one frame
_MEMORY: Final = 64.0  # reports after which the past weighs half


def next_mean_s(mean_s: float, sample_s: float, count: int) -> float:
    """Return the moving mean of run time after `count` more runs of `sample_s` seconds on average."""
    if mean_s == 0.0:
        return sample_s
    weight = count / (count + _MEMORY)
    return mean_s + (sample_s - mean_s) * weight


def plan_credit(mean_s: float, prefetch_s: float, places: int = 1) -> int:
    """Return how many deliveries a slot may hold, those it runs included: at least `places`.

    At most `MAX_CREDIT`, or `places` where that is more.
    """
    most = max(MAX_CREDIT, places)
    if mean_s * MAX_CREDIT <= prefetch_s * places:
        return most
    return max(1, min(most, round(prefetch_s * places / mean_s) + places))


def is_hungry(held: int, credit: int, places: int = 1) -> bool:
    """Return whether a slot is to get more: it has a free place, or half of its list is used up."""
    return held < places or held <= credit // 2


def fair_share(waiting: int, places: int, own: int = 1) -> int:
    """Return how many of `waiting` tasks a slot may take now that has `own` of all `places` of hungry slots.

    So none takes all; the last one takes what is left.
    """
    return -(-waiting * own // places) if places else 0
