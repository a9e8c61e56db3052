"""What one may ask of a supervisor, and how it says no. Values; answers never wait for a child that is slow elsewhere.

None of these count as restarts or set off an automatic shutdown (R25). A refusal leaves the supervisor as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actorq.actors import Refusal

if TYPE_CHECKING:
    from actorq.actors import ActorRef
    from actorq.messages.reasons import ExitReason
    from actorq.supervisor.spec import ChildSpec

__all__ = [
    "ChildAlreadyPresent",
    "ChildAlreadyStarted",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildStartFailed",
    "CountChildren",
    "DeleteChild",
    "ProviderDown",
    "ProviderUp",
    "RestartChild",
    "StartChild",
    "TerminateChild",
    "TooManyChildren",
    "Tree",
    "WhichChildren",
]


@dataclass(frozen=True, slots=True)
class StartChild:
    """Add a child and start it; answered with its ref, or None if it was ignored."""

    spec: ChildSpec


@dataclass(frozen=True, slots=True)
class TerminateChild:
    """Stop a child and keep its spec (a temporary one's is dropped); answered with None. Idempotent."""

    child: str | ActorRef[Any]


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Start a child that is down; answered with its ref, or None if it was ignored again."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Forget a child that is down; answered with None."""

    id: str


@dataclass(frozen=True, slots=True)
class WhichChildren:
    """Answered with a list of `children.ChildInfo` in start order."""


@dataclass(frozen=True, slots=True)
class CountChildren:
    """Answered with a `children.ChildCounts`."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Answered with nested plain dicts: id kind state restarts pid mailbox last_error last_error_at children facts."""

    timeout_s: float = 1.0


@dataclass(frozen=True, slots=True)
class ProviderDown:
    """Told to a child that rebinds to `id`: it is down for now. Only to those that have `on_provider_down`."""

    id: str


@dataclass(frozen=True, slots=True)
class ProviderUp:
    """Told to a child that rebinds to `id`: it is up again as `ref`. Only to those that have `on_provider_up`."""

    id: str
    ref: ActorRef[Any]


class ChildNotFound(Refusal):
    """No such child."""

    def __init__(self, child: object) -> None:
        self.child = child
        super().__init__(f"expected a child of this supervisor, got {child!r}")


class ChildAlreadyStarted(Refusal):
    """A child of that id runs as `ref`."""

    def __init__(self, id: str, ref: ActorRef[Any] | None) -> None:
        self.id, self.ref = id, ref
        super().__init__(f"child {id!r} is already started as {ref}")


class ChildAlreadyPresent(Refusal):
    """A child of that id is known but down."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"child {id!r} is known and down; restart it, or delete it first")


class ChildRunning(Refusal):
    """The child runs."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"child {id!r} is running; terminate it first")


class ChildRestarting(Refusal):
    """The child is about to be restarted."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"child {id!r} is being restarted; terminate it first")


class ChildStartFailed(Refusal):
    """The child ended before it confirmed its start; `reason` says why, `__cause__` is the exception if there was one."""

    def __init__(self, id: str, reason: ExitReason) -> None:
        self.id, self.reason = id, reason
        super().__init__(f"child {id!r} didn't start: {reason}")


class TooManyChildren(Refusal):
    """The supervisor has its `max_children`."""

    def __init__(self, max_children: int) -> None:
        self.max_children = max_children
        super().__init__(f"expected at most {max_children} children, got one more")
