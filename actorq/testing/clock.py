"""A clock that stands still until it is told otherwise."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A `Clock` for tests: both readings move by `advance`, the wall alone by `step_wall`."""

    def __init__(self, now: float = 1_700_000_000.0, monotonic: float = 1000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> float:
        """Wall time in Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only `advance` moves."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock as an administrator or a time server does; no time passes."""
        self._now += seconds
