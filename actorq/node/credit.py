"""How much work to put at a slot's elbow: a pure function of how long its tasks take.

A slot that must ask for each task waits for a round trip between two; a slot with a long list of its own keeps tasks
from others that are idle. Between the two lies a fixed amount of *time*: about `prefetch_s` of work, whatever the tasks
are. A slot that turns out to be slower than it was is recalled (see `broker`).
"""

from __future__ import annotations

from typing import Final

__all__ = ["INITIAL_CREDIT", "MAX_CREDIT", "fair_share", "next_mean_s", "plan_credit"]

INITIAL_CREDIT: Final = 16  # before anything is known: enough to learn from, little enough to recall
MAX_CREDIT: Final = 1_024  # deliveries: bounds what a dead slot hands back, and one frame
_MEMORY: Final = 64.0  # reports after which the past weighs half


def next_mean_s(mean_s: float, sample_s: float, count: int) -> float:
    """Return the moving mean of run time after `count` more runs of `sample_s` seconds on average."""
    if mean_s == 0.0:
        return sample_s
    weight = count / (count + _MEMORY)
    return mean_s + (sample_s - mean_s) * weight


def plan_credit(mean_s: float, prefetch_s: float) -> int:
    """Return how many deliveries a slot may hold, the one it runs included: at least 1, at most `MAX_CREDIT`."""
    if mean_s * MAX_CREDIT <= prefetch_s:
        return MAX_CREDIT
    return max(1, min(MAX_CREDIT, round(prefetch_s / mean_s) + 1))


def fair_share(waiting: int, slots: int) -> int:
    """Return how many of `waiting` tasks one of `slots` hungry slots may take now, so that none takes all."""
    return -(-waiting // slots) if slots else 0
