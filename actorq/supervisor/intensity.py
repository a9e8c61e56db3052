"""How many restarts are too many.

A value: the moments (monotonic seconds) of the incidents within the last `period_s`. More than `intensity` of them, and
the supervisor gives up. Borrowed from OTP's supervisor, "Maximum Restart Intensity".
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

__all__ = ["RestartWindow"]


@dataclass(frozen=True, slots=True)
class RestartWindow:
    """At most `intensity` incidents in `period_s`; one exactly `period_s` old still counts, as in OTP.

    `incidents` are in order of time, because `add` is called with a clock that never goes back.
    """

    intensity: int
    period_s: float
    incidents: tuple[float, ...] = ()

    def add(self, now: float) -> RestartWindow:
        """Return the window after one more incident at `now`."""
        kept = self.incidents[bisect_left(self.incidents, now - self.period_s) :]
        return replace(self, incidents=(*kept, now))

    def left(self, now: float) -> int:
        """Return how many more incidents it could stand at `now`."""
        recent = len(self.incidents) - bisect_left(self.incidents, now - self.period_s)
        return max(0, self.intensity - recent)

    @property
    def exceeded(self) -> bool:
        """Return whether the last incident was one too many."""
        return len(self.incidents) > self.intensity
