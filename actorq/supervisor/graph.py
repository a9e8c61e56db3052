"""From components that say what they provide and need to a list of children in start order.

Edges name capabilities, not classes; a component provides its own id, too. Order of work (G1): apply replacements →
evaluate `enabled` → a missing requirement is an error that names who wants what, a missing want is dropped → a cycle is an
error with its path → stable topological order, the id as tie-break. Nobody shares a namespace (G2): an actor's `init` gets
its own keyword arguments and one name ref for each capability it declared.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from actorq.supervisor.component import Component, Named
from actorq.supervisor.graph_errors import (
    BadCapability,
    BadComponent,
    BadReplacement,
    Cycle,
    DuplicateComponent,
    MissingRequirement,
    TwoProviders,
    UnknownReplacement,
)
from actorq.supervisor.spec import ChildSpec, SpecError, check_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Edge", "Graph", "find_missing_methods", "plan_graph", "resolve_graph", "sort_graph"]


@dataclass(frozen=True, slots=True)
class Edge:
    """`dependent` gets a ref of `provider` as `capability`; `rebind`: by itself, this edge doesn't spread a restart."""

    dependent: str
    provider: str
    capability: str
    kind: Literal["requires", "wants"]
    rebind: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """Components that fit together.

    `components` are in start order, after replacement and condition: one that replaces has the `provides` of those whose
    place it takes, and `replaces` is the first of them, whose name it bears. `edges` are in the order of their dependents.
    `dropped` are (component id, capability) of the wants that nobody provides.
    """

    components: tuple[Component, ...]
    edges: tuple[Edge, ...]
    dropped: tuple[tuple[str, str], ...] = ()


def plan_graph(components: Iterable[Component], settings: Any = None) -> list[ChildSpec]:
    """Return the children in start order.

    Raises:
        GraphError: one of its subclasses, naming the components at fault.
    """
    graph = resolve_graph(components, settings)
    names = {one.id: one.name for one in graph.components}
    edges: dict[str, list[Edge]] = {id: [] for id in names}
    for edge in graph.edges:
        edges[edge.dependent].append(edge)
    return [_spec(one, edges[one.id], names) for one in graph.components]


def resolve_graph(components: Iterable[Component], settings: Any = None) -> Graph:
    """Return the graph that these components make.

    Raises:
        GraphError: one of its subclasses, naming the components at fault.
    """
    present = _enabled(_replaced(list(components)), settings)
    for one in present:
        _check_alone(one)
    by_id = {one.id: one for one in present}
    providers = _providers(present)
    _check_requirements(present, providers)
    needs = {one.id: [providers[c].id for c in (*one.requires, *one.wants) if c in providers] for one in present}
    try:
        order = [by_id[id] for id in sort_graph(needs)]
    except Cycle as ring:
        raise Cycle(ring.path, by_id) from None
    return Graph(
        components=tuple(order),
        edges=tuple(edge for one in order for edge in _edges(one, providers)),
        dropped=tuple((one.id, wanted) for one in order for wanted in one.wants if wanted not in providers),
    )


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


def find_missing_methods(actor: type, protocol: type) -> list[str]:
    """Return the public methods of `protocol` that `actor` hasn't, sorted."""
    bases = [base for base in protocol.__mro__ if base.__module__ not in ("typing", "builtins")]
    wanted = {
        name
        for base in bases
        for name, value in vars(base).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, classmethod | staticmethod))
    }
    return sorted(name for name in wanted if not callable(getattr(actor, name, None)))


def _find_cycle(blockers: Mapping[str, set[str]]) -> list[str]:
    """Return one ring. Every id here is blocked by another one here, so walking on must come round."""
    path = [min(blockers)]
    while path[-1] not in path[:-1]:
        path.append(min(id for id in blockers[path[-1]] if id in blockers))
    return path[path.index(path[-1]) :]


def _replaced(components: list[Component]) -> list[Component]:
    """Return the components without those that are replaced."""
    by_id: dict[str, Component] = {}
    for one in components:
        if one.id in by_id:
            raise DuplicateComponent(by_id[one.id], one)
        by_id[one.id] = one
    replacing: dict[str, Component] = {}
    for one in components:
        if one.replaces is None:
            continue
        if one.replaces not in by_id or one.replaces == one.id or one.replaces in replacing:
            raise UnknownReplacement(one, sorted(by_id), replacing.get(one.replaces))
        replacing[one.replaces] = one
    left = [_in_place(one, by_id) for one in components if one.id not in replacing]
    _refuse_rings(replacing, by_id, left)
    return left


def _refuse_rings(replacing: Mapping[str, Component], by_id: Mapping[str, Component], left: list[Component]) -> None:
    """Refuse components that replace each other in a ring: all of them would be gone without a word."""
    kept = {id for one in left for id in (one.id, *_places(by_id[one.id], by_id))}
    for one in by_id.values():
        if one.id not in kept:
            raise UnknownReplacement(one, sorted(by_id), replacing[one.id])


def _places(one: Component, by_id: Mapping[str, Component]) -> list[str]:
    """Return the ids of those whose place it takes, the nearest first: a replacement may itself be replaced."""
    places: list[str] = []
    while one.replaces is not None:
        places.append(one.replaces)
        one = by_id[one.replaces]
    return places


def _in_place(one: Component, by_id: Mapping[str, Component]) -> Component:
    """Return the component with what it takes over, having checked that it can."""
    places = [by_id[id] for id in _places(one, by_id)]
    for place in (one, *places):
        missing = [] if place.protocol is None else find_missing_methods(one.actor, place.protocol)
        if missing:
            raise BadReplacement(one, place, missing)
    if not places:
        return one
    provides = dict.fromkeys(
        (*one.provides, *(capability for place in places for capability in (place.id, *place.provides)))
    )
    return replace(one, replaces=places[-1].id, provides=tuple(provides))


def _enabled(components: list[Component], settings: Any) -> list[Component]:
    return [one for one in components if _is_enabled(one, settings)]


def _is_enabled(one: Component, settings: Any) -> bool:
    if not callable(one.enabled):
        return one.enabled
    try:
        return bool(one.enabled(settings))
    except Exception as error:
        raise BadComponent(one, f"its condition `enabled` raised {type(error).__name__}: {error}") from error


def _providers(components: list[Component]) -> dict[str, Component]:
    providers: dict[str, Component] = {}
    for one in components:
        for capability in one.capabilities:
            if capability in providers:
                raise TwoProviders(capability, (providers[capability], one))
            providers[capability] = one
    return providers


def _check_alone(one: Component) -> None:
    """Check what can be said of a component without the others."""
    try:
        check_spec(_spec(one, [], {}))
    except SpecError as error:
        raise BadComponent(one, f"expected {error.field} to be {error.expected}, got {error.value!r}") from error
    for capability in (*one.requires, *one.wants):
        if not capability.isidentifier():
            raise BadCapability(one, f"a capability to be an identifier, got {capability!r}")
        if capability in one.kwargs:
            raise BadCapability(one, f"{capability!r} once, got it as a keyword argument, too")
    for rebound in one.rebind:
        if rebound not in (*one.requires, *one.wants):
            raise BadCapability(one, f"rebind to be among requires or wants, got {rebound!r}")


def _check_requirements(components: list[Component], providers: Mapping[str, Component]) -> None:
    missing = [(one, wanted) for one in components for wanted in one.requires if wanted not in providers]
    if missing:
        raise MissingRequirement(missing, sorted(providers))


def _edges(one: Component, providers: Mapping[str, Component]) -> list[Edge]:
    required = [
        Edge(one.id, providers[wanted].id, wanted, "requires", wanted in one.rebind)
        for wanted in dict.fromkeys(one.requires)
    ]
    wanted = [
        Edge(one.id, providers[wanted].id, wanted, "wants", wanted in one.rebind)
        for wanted in dict.fromkeys(one.wants)
        if wanted in providers and wanted not in one.requires
    ]
    return required + wanted


def _spec(one: Component, edges: Sequence[Edge], names: Mapping[str, str]) -> ChildSpec:
    refs: dict[str, Named | None] = dict.fromkeys((*one.requires, *one.wants))
    refs.update({edge.capability: Named(names[edge.provider]) for edge in edges})
    needs = tuple(dict.fromkeys(edge.provider for edge in edges))
    # Two capabilities of one provider, one of them not rebound: the stronger tie wins.
    hard = {edge.provider for edge in edges if not edge.rebind}
    return ChildSpec(
        id=one.id,
        actor=one.actor,
        kwargs={**one.kwargs, **refs},
        restart=one.restart,
        shutdown=one.shutdown,
        type=one.type,
        name=one.name,
        requires=needs,
        rebind=tuple(id for id in needs if id not in hard),
        backoff=one.backoff,
        exhausted=one.exhausted,
    )
