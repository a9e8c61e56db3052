"""Says spans of time and sizes as people do: two units at most, never a fraction that nobody needs. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["tell_ago", "tell_span"]

UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
SECONDS_ALONE: Final = 60  # below, one unit is exact enough


def tell_span(seconds: float, units: int = 2) -> str:
    """Return `850 ms`, `12 s`, `3 min 20 s`, `2 d 4 h`; nothing is negative, clocks of two machines differ.

    With one of `units` it is `3 min` and `2 d`, for columns of a table.
    """
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    left = int(seconds)
    if left < SECONDS_ALONE:
        return f"{left} s"
    place = next(place for place, (_, size) in enumerate(UNITS) if left >= size)
    (unit, size), (finer, finer_size) = UNITS[place : place + 2]
    rest = left % size // finer_size
    return f"{left // size} {unit}" + (f" {rest} {finer}" if rest and units > 1 else "")


def tell_ago(then: float, now: float) -> str:
    """Return `3 s ago`; both in Unix seconds."""
    return "now" if now - then < 1 else f"{tell_span(now - then, 1)} ago"
