"""How things end that somebody waits for: a start, an ask.

Structs, not dataclasses: nobody encodes them, but importing a room of dataclasses takes longer than all of its other code.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import msgspec

from actorq.errors import ActorError
from actorq.messages.reasons import ExitReason

if TYPE_CHECKING:
    from actorq.actors.answers import Answers

__all__ = [
    "DEFER",
    "IGNORE",
    "Deferred",
    "Ignored",
    "Outcome",
    "Ready",
    "Refusal",
    "Reply",
    "ReplyTo",
    "StartFailed",
    "StartIgnored",
    "StartOutcome",
    "Started",
]


class Refusal(ActorError):
    """Raise it while handling an ask: the asker gets it, the actor lives on."""


class Ignored:
    """What `init` returns to say: nothing to do here, don't keep me (OTP's `ignore`)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "IGNORE"


class Deferred:
    """What `init` returns to say: I'll confirm my start later, with `confirm_start` or by ending."""

    __slots__ = ()


class Ready(msgspec.Struct, frozen=True):
    """What `init` returns to say: I'm up, and this is worth knowing (OTP's `{ok, Pid, Info}`)."""

    info: object


IGNORE: Final = Ignored()
DEFER: Final = Deferred()


class Started(msgspec.Struct, frozen=True):
    """`init` returned; `info` is what it said with `Ready`."""

    info: object = None
    kind: Literal["started"] = "started"


class StartIgnored(msgspec.Struct, frozen=True):
    """`init` returned IGNORE; the actor is gone."""

    kind: Literal["ignored"] = "ignored"


class StartFailed(msgspec.Struct, frozen=True):
    """The actor ended before it confirmed; `error` is the exception itself where there was one."""

    reason: ExitReason
    error: BaseException | None = None
    kind: Literal["failed"] = "failed"


StartOutcome: TypeAlias = Started | StartIgnored | StartFailed


class Outcome(msgspec.Struct, frozen=True):
    """The end of an `ask_then`: `value`, or the `error` (AskTimeout, ActorDead, or what the other raised)."""

    value: Any = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """Return whether there is a value."""
        return self.error is None

    def get(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


class ReplyTo(Protocol):
    """The half of a Pykka future that the answering side uses."""

    def set(self, value: Any | None = None) -> None: ...
    def set_exception(self, exc_info: Any = None) -> None: ...


class Reply:
    """An answer that is given later than the handler returns; made by `Actor.defer()`.

    If its actor ends first, the asker gets ActorDead. Only the first of `set` and `fail` counts.
    """

    __slots__ = ("_cell", "_reply_to")

    def __init__(self, cell: Answers, reply_to: ReplyTo | None) -> None:
        self._cell, self._reply_to = cell, reply_to

    def set(self, value: Any = None) -> None:
        """Answer with `value`."""
        reply_to = self._take()
        if reply_to is not None:
            give(reply_to, value)

    def fail(self, error: BaseException) -> None:
        """Answer with an exception."""
        reply_to = self._take()
        if reply_to is not None:
            give_error(reply_to, error)

    def _take(self) -> ReplyTo | None:
        self._cell.deferred.pop(self, None)
        reply_to, self._reply_to = self._reply_to, None
        return reply_to


def give(reply_to: ReplyTo, value: Any) -> None:
    """Answer, unless somebody else did: a kill answers for the killed, who may still come back with a value."""
    try:
        reply_to.set(value)
    except queue.Full:
        return


def give_error(reply_to: ReplyTo, error: BaseException) -> None:
    """Answer with an exception, unless somebody else answered."""
    try:
        reply_to.set_exception((type(error), error, error.__traceback__))
    except queue.Full:
        return
