"""From components that say what they provide and need to a list of children in start order.

Edges name capabilities, not classes; a component provides its own id, too. Order of work (G1): apply replacements →
evaluate `enabled` → a missing requirement is an error that names who wants what, a missing want is dropped → a cycle is an
error with its path → stable topological order, the id as tie-break. Nobody shares a namespace (G2): an actor's `init` gets
its own keyword arguments and one name ref for each capability it declared.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from actorq.errors import ConfigError
from actorq.supervisor.backoff import Backoff
from actorq.supervisor.spec import ChildSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from actorq.actors import Actor

__all__ = [
    "BadCapability",
    "Component",
    "Cycle",
    "DuplicateComponent",
    "GraphError",
    "MissingRequirement",
    "Named",
    "TwoProviders",
    "UnknownReplacement",
    "plan_graph",
    "sort_graph",
]


@dataclass(frozen=True, slots=True)
class Named:
    """Stands for the ref of a name until there is a system to look it up in."""

    name: str


@dataclass(frozen=True, slots=True)
class Component:
    """One node of the graph.

    `rebind` names those of `requires` and `wants` whose restart this component survives. `enabled` is a bool or a function
    of the settings. `replaces` is the id of a component whose place (and capabilities' name) this one takes.
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

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Return what it provides, its own id and the id it replaces included, without repetition."""
        replaced = () if self.replaces is None else (self.replaces,)
        return tuple(dict.fromkeys((self.id, *replaced, *self.provides)))


class GraphError(ConfigError):
    """The components can't be put together."""


class DuplicateComponent(GraphError):
    """Two components of the same id."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"expected one component of id {id!r}, got two; to take its place use replaces={id!r}")


class UnknownReplacement(GraphError):
    """A component wants to replace one that isn't there, or that another one replaces as well."""

    def __init__(self, id: str, replaces: str, known: Sequence[str], other: str | None = None) -> None:
        self.id, self.replaces = id, replaces
        got = f"components are {', '.join(known) or 'none'}" if other is None else f"{other!r} replaces it already"
        super().__init__(f"component {id!r}: expected replaces to name a component, got {replaces!r}; {got}")


class TwoProviders(GraphError):
    """Two components provide the same capability and neither replaces the other."""

    def __init__(self, capability: str, providers: Sequence[str]) -> None:
        self.capability, self.providers = capability, tuple(providers)
        names = " and ".join(repr(name) for name in providers)
        super().__init__(
            f"expected one provider of {capability!r}, got {names}; let one say replaces=, or disable the other"
        )


class MissingRequirement(GraphError):
    """Nobody provides what components require; all of them are named."""

    def __init__(self, missing: Sequence[tuple[str, str]], known: Sequence[str]) -> None:
        self.missing = tuple(missing)
        wants = "; ".join(f"{component!r} requires {capability!r}" for component, capability in missing)
        super().__init__(f"{wants}, which nobody provides; provided here: {', '.join(known) or 'nothing'}")


class Cycle(GraphError):
    """Components require each other in a ring; `path` begins and ends with the same one."""

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(f"components need each other in a ring: {' → '.join(path)}; one of these must let go")


class BadCapability(GraphError):
    """A capability that can't be the keyword of an `init`, or a rebind that isn't needed, or a taken keyword."""


def plan_graph(components: Iterable[Component], settings: Any = None) -> list[ChildSpec]:
    """Return the children in start order.

    Raises:
        GraphError: one of its subclasses, naming the components at fault.
    """
    present = _enabled(_replaced(list(components)), settings)
    providers = _providers(present)
    _check(present, providers)
    needs = {one.id: _needed_ids(one, providers) for one in present}
    by_id = {one.id: one for one in present}
    return [_spec(by_id[id], providers, needs[id]) for id in sort_graph(needs)]


def sort_graph(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the keys so that each comes after all it needs; among those that could be next, the least id.

    Raises:
        Cycle: there is no such order.
    """
    blockers = {id: set(needed) for id, needed in needs.items()}
    dependents: dict[str, list[str]] = {id: [] for id in needs}
    for id, needed in blockers.items():
        for other in needed:
            dependents[other].append(id)
    free = [id for id, needed in blockers.items() if not needed]
    heapq.heapify(free)
    order: list[str] = []
    while free:
        id = heapq.heappop(free)
        order.append(id)
        for dependent in dependents[id]:
            blockers[dependent].discard(id)
            if not blockers[dependent]:
                heapq.heappush(free, dependent)
    if len(order) < len(blockers):
        raise Cycle(_find_cycle({id: needed for id, needed in blockers.items() if needed}))
    return order


def _find_cycle(blockers: Mapping[str, set[str]]) -> list[str]:
    """Return one ring. Every id here is blocked by another one here, so walking on must come round."""
    path = [min(blockers)]
    while path[-1] not in path[:-1]:
        path.append(min(id for id in blockers[path[-1]] if id in blockers))
    return path[path.index(path[-1]) :]


def _replaced(components: list[Component]) -> list[Component]:
    ids = [one.id for one in components]
    for id in ids:
        if ids.count(id) > 1:
            raise DuplicateComponent(id)
    replacing: dict[str, str] = {}
    for one in components:
        if one.replaces is None:
            continue
        if one.replaces not in ids or one.replaces == one.id or one.replaces in replacing:
            raise UnknownReplacement(one.id, one.replaces, sorted(ids), replacing.get(one.replaces))
        replacing[one.replaces] = one.id
    return [one for one in components if one.id not in replacing]


def _enabled(components: list[Component], settings: Any) -> list[Component]:
    return [one for one in components if (one.enabled(settings) if callable(one.enabled) else one.enabled)]


def _providers(components: list[Component]) -> dict[str, str]:
    providers: dict[str, str] = {}
    for one in components:
        for capability in one.capabilities:
            if capability in providers:
                raise TwoProviders(capability, (providers[capability], one.id))
            providers[capability] = one.id
    return providers


def _check(components: list[Component], providers: Mapping[str, str]) -> None:
    missing = [(one.id, wanted) for one in components for wanted in one.requires if wanted not in providers]
    if missing:
        raise MissingRequirement(missing, sorted(providers))
    for one in components:
        for capability in (*one.requires, *one.wants):
            if not capability.isidentifier():
                raise BadCapability(
                    f"component {one.id!r}: expected a capability to be an identifier, got {capability!r}"
                )
            if capability in one.kwargs:
                raise BadCapability(
                    f"component {one.id!r}: expected {capability!r} once, got it as a keyword argument, too"
                )
        for rebound in one.rebind:
            if rebound not in (*one.requires, *one.wants):
                raise BadCapability(
                    f"component {one.id!r}: expected rebind to be among requires or wants, got {rebound!r}"
                )


def _needed_ids(one: Component, providers: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(providers[wanted] for wanted in (*one.requires, *one.wants) if wanted in providers))


def _spec(one: Component, providers: Mapping[str, str], needs: tuple[str, ...]) -> ChildSpec:
    refs = {
        capability: Named(providers[capability]) if capability in providers else None
        for capability in (*one.requires, *one.wants)
    }
    # Two capabilities of one provider, one of them not rebound: the stronger tie wins.
    hard = {providers[c] for c in (*one.requires, *one.wants) if c in providers and c not in one.rebind}
    return ChildSpec(
        id=one.id,
        actor=one.actor,
        kwargs={**one.kwargs, **refs},
        restart=one.restart,
        shutdown=one.shutdown,
        type=one.type,
        name=one.id,
        requires=needs,
        rebind=tuple(id for id in needs if id not in hard),
        backoff=one.backoff,
        exhausted=one.exhausted,
    )
