"""What the kernel sends to its actors: the signal lane, ahead of every message (`cell.Cell.handle_signal`), and `Invoke`.

Structs for their cheap making: five of them are made for each start of an actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.ref import ActorRef
    from actorq.messages.reasons import ExitReason

__all__ = ["Boot", "Call", "DownSignal", "ExitSignal", "Invoke", "LinkSignal", "Reap", "Signal"]


class Boot(msgspec.Struct, frozen=True, eq=False):
    """Run `init` and confirm the start."""


class ExitSignal(msgspec.Struct, frozen=True, eq=False):
    """Somebody asks this actor to end because of `reason`; `source` is None for the system itself."""

    source: ActorRef[Any] | None
    reason: ExitReason


class LinkSignal(msgspec.Struct, frozen=True, eq=False):
    """A linked actor ended."""

    source: ActorRef[Any]
    reason: ExitReason


class DownSignal(msgspec.Struct, frozen=True, eq=False):
    """A monitored actor ended."""

    monitor_id: int
    source: ActorRef[Any]
    reason: ExitReason


class Call(msgspec.Struct, frozen=True, eq=False):
    """Run `function(*args)` in the actor's context; the kernel's own errands (answers, confirmations, inspection)."""

    function: Callable[..., None]
    args: tuple[Any, ...] = ()


class Reap(msgspec.Struct, frozen=True, eq=False):
    """The actor was ended from outside: let its own loop close what only this loop may touch."""


Signal: TypeAlias = Boot | ExitSignal | LinkSignal | DownSignal | Call | Reap


class Invoke:
    """A message of the kernel: run `function(*args)` in its turn among the actor's messages."""

    __slots__ = ("args", "function")

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args
