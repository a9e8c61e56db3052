"""What one may ask of a supervisor, and how it says no. Values.

None of these count as restarts or set off an automatic shutdown (R25). A refusal leaves the supervisor as it was. Looking
is answered at once, whatever goes on. Of what changes something, a `TerminateChild` gets in front of a start it is about
and of a restart that is due; everything else is done one after the other. They are Structs because importing dataclasses takes
ten times as long, and every client imports them.

Where a field is called `child` or `id`, a text means the id of a child, or else the name it is registered under.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actorq.actors import Refusal

if TYPE_CHECKING:
    from actorq.actors import ActorRef  # noqa: TC004  nobody encodes these, so nobody looks their types up
    from actorq.messages.reasons import ExitReason
    from actorq.supervisor.spec import ChildSpec  # noqa: TC004

__all__ = [
    "ChildAlreadyPresent",
    "ChildAlreadyStarted",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildStartFailed",
    "ChildTemporary",
    "ChildWaiting",
    "CountChildren",
    "DeleteChild",
    "ProviderDown",
    "ProviderUp",
    "Recycle",
    "RestartChild",
    "StartChild",
    "TerminateChild",
    "TooManyChildren",
    "Tree",
    "WhichChildren",
]


class StartChild(msgspec.Struct, frozen=True):
    """Add a child and start it; answered with its ref, or None if it was ignored."""

    spec: ChildSpec


class TerminateChild(msgspec.Struct, frozen=True):
    """Stop a child and keep its spec (a temporary one's is dropped); answered with None. Idempotent.

    It stays down until somebody asks for it, whatever happens to its siblings. With the strategy `dependents`, those that
    can't go on without it stop before it and wait for it.
    """

    child: str | ActorRef[Any]


class RestartChild(msgspec.Struct, frozen=True):
    """Start a child that is down, and then those that wait for it; answered with its ref, or None if it was ignored."""

    id: str


class Recycle(msgspec.Struct, frozen=True):
    """Stop a child and start it again, and with it whomever the strategy takes along; answered with its new ref.

    One that is down, parked or about to be restarted is started now. What doesn't come up again is refused with
    ChildStartFailed, and tried again as after a failed restart.
    """

    child: str | ActorRef[Any]


class DeleteChild(msgspec.Struct, frozen=True):
    """Forget a child that is down; answered with None."""

    id: str


class WhichChildren(msgspec.Struct, frozen=True):
    """Answered with a list of `children.ChildInfo` in start order."""


class CountChildren(msgspec.Struct, frozen=True):
    """Answered with a `children.ChildCounts`."""


class Tree(msgspec.Struct, frozen=True):
    """Answered with nested plain dicts.

    Keys: id kind actor state restarts pid mailbox last_error last_error_at up_since info quota children facts. `quota` of a
    supervisor is a dict of left, intensity and period_s, else None; times are Unix seconds.
    """

    timeout_s: float = 1.0


class ProviderDown(msgspec.Struct, frozen=True):
    """Told to a child that rebinds to `id` (its name, if it has one): it is down for now. Only where `on_provider_down` is."""

    id: str


class ProviderUp(msgspec.Struct, frozen=True):
    """Told to a child that rebinds to `id` (its name, if it has one): it is up as `ref`. Only where `on_provider_up` is."""

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


class ChildWaiting(ChildRestarting):
    """The child can't be up before `on` is."""

    def __init__(self, id: str, on: str) -> None:
        self.id, self.on = id, on
        Refusal.__init__(self, f"child {id!r} can't start without {on!r}, which isn't up; restart {on!r} first")


class ChildTemporary(Refusal):
    """The child is temporary: its arguments aren't kept, so it can't be started again."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"child {id!r} is temporary and can't be started again; terminate it and start a new one")


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
