"""Points in time as callers give them, turned into Unix seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime

__all__ = ["as_unix_seconds", "find_due_at", "find_expiry"]


def find_due_at(countdown: float | None, eta: datetime.datetime | float | None) -> float | None:
    """Return the Unix seconds that `countdown` or `eta` means, or None for at once.

    Raises:
        ValueError: both are given, or `eta` has no time zone.
    """
    if countdown is not None and eta is not None:
        raise ValueError(f"expected countdown or eta, got both: {countdown!r} and {eta!r}")
    if countdown is not None:
        return time.time() + countdown
    return None if eta is None else as_unix_seconds("eta", eta)


def find_expiry(expires: datetime.datetime | float | None) -> float | None:
    """Return the Unix seconds that `expires` means: an aware datetime, or seconds from now.

    Raises:
        ValueError: a datetime without a time zone.
    """
    if expires is None:
        return None
    return time.time() + expires if isinstance(expires, (int, float)) else as_unix_seconds("expires", expires)


def as_unix_seconds(name: str, moment: datetime.datetime | float) -> float:
    """Return a moment as Unix seconds.

    Raises:
        ValueError: a datetime without a time zone, which would mean another moment on another machine.
    """
    if isinstance(moment, (int, float)):
        return float(moment)
    if moment.tzinfo is None:
        raise ValueError(
            f"expected {name} with a time zone, got {moment!r}; use datetime.now(timezone.utc) + timedelta(...)"
        )
    return moment.timestamp()
