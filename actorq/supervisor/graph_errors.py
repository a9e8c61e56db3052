"""What can be wrong with a graph of components. Each error names the components at fault and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actorq.supervisor.component import Component

__all__ = [
    "BadCapability",
    "BadComponent",
    "BadReplacement",
    "Cycle",
    "DuplicateComponent",
    "GraphError",
    "MissingRequirement",
    "TwoProviders",
    "UnknownReplacement",
]


class GraphError(ConfigError):
    """The components can't be put together."""


class DuplicateComponent(GraphError):
    """Two components of the same id."""

    def __init__(self, one: Component, other: Component) -> None:
        self.id = one.id
        got = "two" if one.origin == other.origin else f"two, of {one.origin} and of {other.origin}"
        super().__init__(
            f"expected one component of id {one.id!r}, got {got}; to take its place use replaces={one.id!r}"
        )


class UnknownReplacement(GraphError):
    """A component wants to replace one that isn't there, or that another one replaces as well, or itself."""

    def __init__(self, one: Component, known: Sequence[str], other: Component | None = None) -> None:
        self.id, self.replaces = one.id, one.replaces
        got = f"components are {', '.join(known) or 'none'}" if other is None else f"{other} replaces it already"
        super().__init__(f"component {one}: expected replaces to name a component, got {one.replaces!r}; {got}")


class BadReplacement(GraphError):
    """A component lacks methods of the place it takes; all of them are named."""

    def __init__(self, one: Component, place: Component, missing: Sequence[str]) -> None:
        self.id, self.origin, self.place, self.missing = one.id, one.origin, place.id, tuple(missing)
        does = f"has protocol {_protocol(place)}" if one.id == place.id else f"replaces {place}"
        whose = "" if one.id == place.id else f" ({_protocol(place)})"
        super().__init__(
            f"component {one} {does}, but its actor {_actor(one)} has no {', '.join(missing)}; "
            f"expected every public method of the protocol{whose}"
        )


class TwoProviders(GraphError):
    """Two components provide the same capability and neither replaces the other."""

    def __init__(self, capability: str, providers: Sequence[Component]) -> None:
        self.capability, self.providers = capability, tuple(one.id for one in providers)
        names = " and ".join(str(one) for one in providers)
        super().__init__(
            f"expected one provider of {capability!r}, got {names}; let one say replaces=, or disable the other"
        )


class MissingRequirement(GraphError):
    """Nobody provides what components require; all of them are named."""

    def __init__(self, missing: Sequence[tuple[Component, str]], known: Sequence[str]) -> None:
        self.missing = tuple((one.id, capability) for one, capability in missing)
        wants = "; ".join(f"{one} requires {capability!r}" for one, capability in missing)
        super().__init__(f"{wants}, which nobody provides; provided here: {', '.join(known) or 'nothing'}")


class Cycle(GraphError):
    """Components require each other in a ring; `path` begins and ends with the same one."""

    def __init__(self, path: Sequence[str], components: Mapping[str, Component] | None = None) -> None:
        self.path = tuple(path)
        ring = " → ".join(id if components is None else str(components[id]).replace("'", "") for id in path)
        super().__init__(f"components need each other in a ring: {ring}; one of these must let go")


class BadCapability(GraphError):
    """A capability that can't be the keyword of an `init`, or a rebind that isn't needed, or a taken keyword."""

    def __init__(self, one: Component, expected: str) -> None:
        self.id, self.origin = one.id, one.origin
        super().__init__(f"component {one}: expected {expected}")


class BadComponent(GraphError):
    """A component that can't become a child, or whose condition fails; `__cause__` is the exception."""

    def __init__(self, one: Component, what: str) -> None:
        self.id, self.origin = one.id, one.origin
        super().__init__(f"component {one}: {what}")


def _protocol(place: Component) -> str:
    return "unknown" if place.protocol is None else place.protocol.__name__


def _actor(one: Component) -> str:
    return getattr(one.actor, "__qualname__", repr(one.actor))
