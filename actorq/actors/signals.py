"""What the kernel sends to its actors: the signal lane, ahead of every message (`cell.Cell.handle_signal`), and `Invoke`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.ref import ActorRef
    from actorq.messages.reasons import ExitReason

__all__ = ["Boot", "Call", "DownSignal", "ExitSignal", "Invoke", "LinkSignal", "Reap", "Signal"]


@dataclass(frozen=True, slots=True)
class Boot:
    """Run `init` and confirm the start."""


@dataclass(frozen=True, slots=True)
class ExitSignal:
    """Somebody asks this actor to end because of `reason`; `source` is None for the system itself."""

    source: ActorRef[Any] | None
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class LinkSignal:
    """A linked actor ended."""

    source: ActorRef[Any]
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class DownSignal:
    """A monitored actor ended."""

    monitor_id: int
    source: ActorRef[Any]
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Call:
    """Run `function(*args)` in the actor's context; the kernel's own errands (answers, confirmations, inspection)."""

    function: Callable[..., None]
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Reap:
    """The actor was ended from outside: let its own loop close what only this loop may touch."""


Signal: TypeAlias = Boot | ExitSignal | LinkSignal | DownSignal | Call | Reap


class Invoke:
    """A message of the kernel: run `function(*args)` in its turn among the actor's messages."""

    __slots__ = ("args", "function")

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args
