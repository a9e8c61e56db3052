"""How long a task waits before it runs again. Pure arithmetic; the rule is Celery's (`retry_backoff`, full jitter)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["plan_retry_delay"]

_MAX_DOUBLINGS: Final = 62  # 2**62 s is past every bound; keeps the float finite for absurd counts


def plan_retry_delay(
    retries: int,
    *,
    factor: float,
    maximum_s: float,
    jitter: bool = True,
    rand: Callable[[], float] = random.random,
) -> float:
    """Return seconds until run `retries + 2`: `factor * 2**retries`, at most `maximum_s`.

    With `jitter` the delay is uniform between 0 and that ("full jitter"), so that those who failed together don't come
    back together.
    """
    delay_s = min(maximum_s, factor * 2.0 ** min(retries, _MAX_DOUBLINGS))
    return max(0.0, delay_s * rand() if jitter else delay_s)
