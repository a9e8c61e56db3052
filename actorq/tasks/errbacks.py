"""How an errback is called: with the id of the task that failed, or with `(request, exc, traceback)`. Celery has both.

Invariant: an errback that is immutable, or isn't one task, is sent; only a task that has room for all three is called in place.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.canvas.signature import Signature

__all__ = ["DETAILS", "takes_details"]

DETAILS: Final = ("request", "exc", "traceback")
_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def takes_details(body: Callable[..., object], errback: Signature) -> bool:
    """Return whether a function, given what the errback has already, takes three more arguments by position."""
    if errback.subtask_type is not None or errback.immutable:
        return False
    try:
        parameters = list(inspect.signature(body).parameters.values())
    except (TypeError, ValueError):  # some C functions don't tell
        return False
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return True
    free = sum(each.kind in _BY_POSITION and each.name not in errback.kwargs for each in parameters)
    return free - len(errback.args) >= len(DETAILS)
