"""When a node that is silent counts as dead (K7): a value and what is read off it; no I/O, no clock of its own.

    alive ──silent for suspect_s──▶ suspect ──silent for dead_s──▶ dead
      └─────────────link cut, then lost_link_s────────────────────▶ dead

Invariants: a node is dead only `dead_s` after it was last heard, or `lost_link_s` after its link was cut, whichever comes
first; what is heard never brings the deadline nearer, and a cut never moves it away. A cut isn't the end by itself: last
words may be on their way over the other link. Silence of which we heard nothing because we were stopped ourselves
(SIGSTOP, a suspended laptop) counts for nothing: whoever hasn't looked for `suspect_s` begins to wait anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

__all__ = ["HeartbeatPolicy", "Pulse", "Verdict"]

Verdict: TypeAlias = Literal["alive", "suspect", "dead"]


@dataclass(frozen=True, slots=True)
class HeartbeatPolicy:
    """Ask for a sign of life every `interval_s`; doubt after `suspect_s` of silence, give up after `dead_s`."""

    interval_s: float = 1.0
    suspect_s: float = 2.5
    dead_s: float = 5.0
    lost_link_s: float = 0.25

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            ValueError: the times don't follow each other.
        """
        if not 0 < self.interval_s < self.suspect_s <= self.dead_s:
            raise ValueError(f"expected 0 < interval_s < suspect_s <= dead_s, got {self}")
        if not 0 <= self.lost_link_s <= self.dead_s:
            raise ValueError(f"expected 0 <= lost_link_s <= dead_s, got {self}")


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known of one node's life. All times are monotonic seconds."""

    heard_at: float
    looked_at: float
    cut_at: float | None = None

    @classmethod
    def begin(cls, now: float) -> Pulse:
        """Return the pulse of a node in which somebody begins to be interested."""
        return cls(now, now)

    def heard(self, now: float) -> Pulse:
        """Take note of anything that came from it."""
        return replace(self, heard_at=max(now, self.heard_at))

    def cut(self, now: float) -> Pulse:
        """Take note that the link to it is gone; only the first time counts."""
        return self if self.cut_at is not None else replace(self, cut_at=now)

    def look(self, now: float, policy: HeartbeatPolicy) -> Pulse:
        """Take note that somebody looks now; after too long a time without that, the silence was ours."""
        heard_at = now if now - self.looked_at >= policy.suspect_s else self.heard_at
        return replace(self, heard_at=max(heard_at, self.heard_at), looked_at=now)

    def deadline(self, policy: HeartbeatPolicy) -> float:
        """Return when it is dead unless something is heard."""
        deadline = self.heard_at + policy.dead_s
        return deadline if self.cut_at is None else min(deadline, self.cut_at + policy.lost_link_s)

    def judge(self, now: float, policy: HeartbeatPolicy) -> Verdict:
        """Return what to think of it now."""
        if now >= self.deadline(policy):
            return "dead"
        return "suspect" if self.cut_at is not None or now - self.heard_at >= policy.suspect_s else "alive"
