"""What an exit signal means for who gets it, and which reason an end has: decisions only.

Invariant: `kill` never gets here, it acts at once and can't be refused. The table is Erlang's (reference manual,
"Processes", "Receiving Exit Signals") with one row before it: what the parent asks for is asked of an actor that traps
exits as well, because it is how a supervisor stops its children (R17).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from actorq.errors import Exit
from actorq.messages.reasons import NORMAL, as_reason, crashed

if TYPE_CHECKING:
    from actorq.messages.reasons import ExitReason

__all__ = ["END", "HEAR", "IGNORE_EXIT", "STOP", "Move", "plan_exit", "reason_of"]

Move = Literal["stop", "hear", "end", "ignore"]
STOP: Final = "stop"  # the parent or the system wants it: `stop_requested`
HEAR: Final = "hear"  # it traps exits: `on_exit`
END: Final = "end"
IGNORE_EXIT: Final = "ignore"


def plan_exit(reason: ExitReason, *, from_parent: bool, from_itself: bool, traps: bool) -> Move:
    """Return what an exit signal with that reason does."""
    if from_parent and reason != NORMAL:
        return STOP
    if traps:
        return HEAR
    return END if reason != NORMAL or from_itself else IGNORE_EXIT


def reason_of(error: BaseException) -> ExitReason:
    """Return the reason of an actor whose code raised `error` (K1)."""
    return as_reason(error.reason) if isinstance(error, Exit) else crashed(error)
