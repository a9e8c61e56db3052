"""Waiting in tests without guessing how long something takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_until"]

_FIRST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.02


def wait_until(condition: Callable[[], object], timeout_s: float = 5.0, what: str = "") -> None:
    """Return as soon as `condition()` is true.

    Raises:
        AssertionError: it wasn't within `timeout_s`; the message names `what` was awaited.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = _FIRST_PAUSE_S
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"expected {what or 'the condition'} within {timeout_s:g} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
