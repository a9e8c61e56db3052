"""One part of a graph: what it provides, what it needs, and how it is kept up. A value; `graph` puts them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from actorq.supervisor.backoff import Backoff

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Mapping

    from actorq.actors import Actor

__all__ = ["BUILT_IN", "Component", "Named"]

BUILT_IN: Final = "built-in"


class Named(msgspec.Struct, frozen=True):
    """Stands for the ref of a name until there is a system to look it up in."""

    name: str


@dataclass(frozen=True, slots=True)
class Component:
    """One node of the graph.

    `rebind` names those of `requires` and `wants` whose restart this component survives. `enabled` is a bool or a function
    of the settings. `replaces` is the id of a component whose place this one takes: its name and whatever it provides.
    `origin` is the plugin it comes from, told in every error. `protocol` is a Protocol class; its public methods are what
    the actor, and that of whoever takes this place, must have.
    """

    id: str
    actor: type[Actor]
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    rebind: tuple[str, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    shutdown: float | Literal["infinity", "brutal_kill"] | None = None
    exhausted: Literal["escalate", "park"] = "escalate"
    enabled: Callable[[Any], bool] | bool = True
    replaces: str | None = None
    type: Literal["worker", "supervisor"] = "worker"
    backoff: Backoff = field(default_factory=Backoff)
    origin: str = BUILT_IN
    protocol: builtins.type | None = None

    def __str__(self) -> str:
        """Return how errors name it: its id, and where it comes from unless that is here."""
        return repr(self.id) if self.origin == BUILT_IN else f"{self.id!r} (of {self.origin})"

    @property
    def name(self) -> str:
        """Return the name its actor is registered under: that of the place it takes."""
        return self.replaces or self.id

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Return what it provides, its own id and its name included, without repetition."""
        return tuple(dict.fromkeys((self.id, self.name, *self.provides)))
