"""How long to wait before a restart is tried again.

The first restart comes at once; while the child keeps failing the wait doubles from `min_s` to `max_s`, with jitter, so
that many children that lost the same thing don't come back in step. A child that was up for `reset_after_s` starts anew.
The default 0 means: a child that came up is well; then only failed restarts are delayed. OTP has no back-off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NO_BACKOFF", "Backoff"]

MAX_DOUBLINGS: Final = 1_000  # keeps the power finite; any max_s is reached long before


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait, by the number of failures since the child was last well."""

    min_s: float = 0.05
    max_s: float = 5.0
    jitter: float = 0.2
    reset_after_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_s <= self.max_s:
            raise ValueError(f"expected 0 <= min_s <= max_s, got min_s={self.min_s!r}, max_s={self.max_s!r}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"expected jitter to be at least 0 and below 1, got {self.jitter!r}")
        if self.reset_after_s < 0:
            raise ValueError(f"expected reset_after_s to be at least 0, got {self.reset_after_s!r}")

    def delay_s(self, failures: int, random: Callable[[], float]) -> float:
        """Return the wait before the restart that follows the `failures`-th failure; `random` is in [0, 1)."""
        if failures <= 1:
            return 0.0
        delay_s = min(self.max_s, self.min_s * 2.0 ** min(failures - 2, MAX_DOUBLINGS))
        return delay_s * (1 + self.jitter * (2 * random() - 1))

    def failures_after(self, failures: int, up_s: float | None) -> int:
        """Return the count after one more failure of a child that had been up for `up_s`.

        None: it never came up, so the restart that comes at once has been used, be it as one of a group.
        """
        if up_s is None:
            return max(failures, 1) + 1
        return 1 if up_s >= self.reset_after_s else failures + 1


NO_BACKOFF: Final = Backoff(min_s=0.0, max_s=0.0, jitter=0.0)
