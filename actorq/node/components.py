"""What a node is made of: the component graph, as values.

Nothing starts here. `plan_node` returns the child specs of the root supervisor in the order in which they start; the
root restarts what depends on a component together with it, and what merely wants it keeps its place. Built-in components
come first, those of plugins join them, and whatever doesn't fit is refused before anything of the node is started.

A component lives on the hub only if it is the store, or requires, without `rebind`, something of one that does. Elsewhere it
is ignored until the node takes over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from actorq.actors import IGNORE
from actorq.errors import PluginError
from actorq.node import protocols
from actorq.node.broker import Broker
from actorq.node.control import HUB_COMMANDS, NODE_COMMANDS, Control
from actorq.node.janitor import Janitor
from actorq.node.link import Link
from actorq.node.membership import Membership
from actorq.node.node_orders import NAMES as ORDER_NAMES
from actorq.node.orders import VERBS as ORDER_VERBS
from actorq.node.outboxes import Outboxes
from actorq.node.sizer import Sizer
from actorq.node.store import Store
from actorq.node.timers import Timers
from actorq.node.zygote import Zygote
from actorq.plugins.parts import collect_commands, collect_components
from actorq.plugins.values import NODE_PARTS, NodePart
from actorq.slot.wear import Wear
from actorq.supervisor import (
    Backoff,
    ChildSpec,
    Component,
    DynamicSupervisor,
    Graph,
    Named,
    Supervisor,
    plan_graph,
    resolve_graph,
)
from actorq.supervisor.component import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from actorq.actors import Actor
    from actorq.config import Settings
    from actorq.node.hub_lock import HubLock
    from actorq.node.live import LiveSettings
    from actorq.node.roster import Roster
    from actorq.node.seats import Seats
    from actorq.plugins import NodeCommand, Plugin
    from actorq.slot.orders import AppInfo
    from actorq.slot.zygote_process import ZygoteProcess
    from actorq.transport.paths import Home

__all__ = [
    "ROOT_INTENSITY",
    "ROOT_PERIOD_S",
    "NodeParts",
    "find_hub_components",
    "list_commands",
    "list_components",
    "plan_node",
]

# Restarts that fail come every 5 s after a while: a required component that can't start ends its node in a quarter of a
# minute. A hub that can't work mustn't keep the lock from a node that can.
ROOT_INTENSITY: Final = 10
ROOT_PERIOD_S: Final = 30.0
# A zygote comes up at once and ends when the application can't be imported: only one that has lived is well.
ZYGOTE_BACKOFF: Final = Backoff(min_s=0.1, max_s=5.0, reset_after_s=10.0)
POOL_INTENSITY: Final = 20
POOL_PERIOD_S: Final = 10.0

_STORE: Final = "store"
_BROKER_COMMANDS: Final = (
    "follow",
    "forget",
    "revoke",
    "revoked",
    "scheduled",
    "task_facts",
    "task_state",
    "unfollow",
)  # answered without the control actor
_TAKEN_NAMES: Final = ("node", "zygote", "slots", "sizer")  # of actors that aren't components
_TAKEN_PREFIX: Final = "slot-"


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What components are given: things of the process, not of any actor."""

    home: Home
    settings: Settings
    lock: HubLock
    roster: Roster
    info: AppInfo
    node: str
    seats: Seats
    start_zygote: Callable[[], ZygoteProcess]
    live: LiveSettings
    plugins: Sequence[Plugin] = ()
    commands: Mapping[str, Callable[[NodeCommand], Any]] = field(default_factory=dict)


def list_commands(plugins: Iterable[Plugin]) -> dict[str, Callable[[NodeCommand], Any]]:
    """Return the control commands of plugins.

    Raises:
        PluginError: a plugin's method can't be used, or a name is taken.
    """
    return collect_commands(plugins, (*ORDER_VERBS, *ORDER_NAMES, *HUB_COMMANDS, *NODE_COMMANDS, *_BROKER_COMMANDS))


def plan_node(parts: NodeParts) -> list[ChildSpec]:
    """Return the root's children in start order.

    Raises:
        PluginError: a plugin's components can't be used.
        ConfigError: the graph has a hole or a cycle.
    """
    components = list_components(parts, parts.plugins)
    hub = find_hub_components(resolve_graph(components, parts.settings))
    finished = [_finish(one, hub, parts.lock) for one in components]
    specs = plan_graph(finished, parts.settings)
    # The pool goes down first: its slots hand back over the link and to the broker what they don't finish.
    return [*(spec for spec in specs if spec.name != "pool"), *(spec for spec in specs if spec.name == "pool")]


def list_components(
    parts: NodeParts | None, plugins: Iterable[Plugin] = (), settings: Settings | None = None
) -> list[Component]:
    """Return built-in components and those of plugins, not resolved yet.

    Without `parts` they are for looking at: what they would be given is left out, and `settings` are those of no node.

    Raises:
        PluginError: a plugin's `components` can't be used.
    """
    if parts is None:
        from actorq.config import load_settings  # noqa: PLC0415

        settings = load_settings() if settings is None else settings
        nothing: Any = None
        parts = NodeParts(nothing, settings, nothing, nothing, nothing, "", nothing, nothing, nothing)
    found = _list_built_in(parts)
    for plugin, component in collect_components(plugins, parts.settings):
        found.append(_adopt(plugin, component, parts))
    return found


def find_hub_components(graph: Graph) -> tuple[str, ...]:
    """Return the ids of those that live on the hub only, in start order."""
    hub: list[str] = []
    for one in graph.components:
        ties = [
            edge for edge in graph.edges if edge.dependent == one.id and edge.kind == "requires" and not edge.rebind
        ]
        if one.name == _STORE or any(edge.provider in hub for edge in ties):
            hub.append(one.id)
    return tuple(hub)


def _list_built_in(parts: NodeParts) -> list[Component]:
    home, node, lock, settings = parts.home, parts.node, parts.lock, parts.settings
    hub = {"lock": lock}
    return [
        Component(
            _STORE,
            Store,
            provides=("store",),
            kwargs={"home": home, "settings": settings, **hub},
            shutdown=10.0,
            protocol=protocols.StoreProtocol,
        ),
        Component(
            "broker",
            Broker,
            provides=("broker",),
            requires=("store",),
            kwargs={"home": home, "settings": settings, "node": node, **hub},
            protocol=protocols.BrokerProtocol,
        ),
        Component("timers", Timers, requires=("store", "broker"), kwargs=hub, protocol=protocols.TimersProtocol),
        Component(
            "outboxes",
            Outboxes,
            requires=("broker",),
            kwargs={"home": home, **hub},
            protocol=protocols.OutboxesProtocol,
        ),
        # Results that stay longer than they should harm nobody: not worth a node.
        Component("janitor", Janitor, requires=("store",), kwargs=hub, exhausted="park"),
        Component(
            "link",
            Link,
            provides=("link",),
            kwargs={"home": home, "node": node, "live": parts.live},
            protocol=protocols.LinkProtocol,
        ),
        Component(
            "control",
            Control,
            wants=("broker",),
            rebind=("broker",),
            kwargs={
                "home": home,
                "node": node,
                "info": parts.info,
                "roster": parts.roster,
                "settings": settings,
                "live": parts.live,
                "commands": parts.commands,
            },
            protocol=protocols.ControlProtocol,
        ),
        Component("membership", Membership, kwargs={"hub_components": (), **hub}),
        Component(
            "pool",
            Supervisor,
            kwargs={
                "specs": _plan_pool(parts),
                "strategy": "dependents",
                "intensity": POOL_INTENSITY,
                "period_s": POOL_PERIOD_S,
            },
            type="supervisor",
            shutdown="infinity",
        ),
    ]


def _plan_pool(parts: NodeParts) -> list[ChildSpec]:
    """Return the pool's children. Slots don't restart with the zygote: they are processes of the node by then."""
    return [
        ChildSpec(
            "zygote",
            Zygote,
            kwargs={
                "start": parts.start_zygote,
                "live": parts.live,
                "home": parts.home,
                "node": parts.node,
                "roster": parts.roster,
                "seats": parts.seats,
                "limits": parts.settings.task_limits,
                "wear": Wear(parts.settings.max_tasks_per_child or 0, parts.settings.max_memory_per_child or 0),
            },
            name="zygote",
            backoff=ZYGOTE_BACKOFF,
        ),
        ChildSpec(
            "slots",
            DynamicSupervisor,
            kwargs={"intensity": POOL_INTENSITY, "period_s": POOL_PERIOD_S},
            type="supervisor",
            shutdown="infinity",
            name="slots",
        ),
        ChildSpec(
            "sizer",
            Sizer,
            kwargs={
                "live": parts.live,
                "seats": parts.seats,
                "drain_timeout_s": parts.settings.drain_timeout_s,
                "roster": parts.roster,
                "home": parts.home,
                "zygote": Named("zygote"),
                "slots": Named("slots"),
                "link": Named("link"),
            },
            requires=("slots",),
            name="sizer",
        ),
    ]


def _adopt(plugin: Plugin, component: Component, parts: NodeParts) -> Component:
    """Return a plugin's component with its origin and with what it wants of the node."""
    id = str(component.id)
    if id in _TAKEN_NAMES or id.startswith(_TAKEN_PREFIX):
        problem = f"expected a free id for its component, got {id!r}, which an actor of every node is named"
        raise PluginError(plugin.name, plugin.origin, problem)
    for key, value in component.kwargs.items():
        if isinstance(value, NodePart) and value.name not in NODE_PARTS:
            problem = f"expected NodePart of one of {', '.join(NODE_PARTS)}, got {value.name!r} for {key!r} of {id!r}"
            raise PluginError(plugin.name, plugin.origin, problem)
    kwargs = {
        key: getattr(parts, value.name) if isinstance(value, NodePart) else value
        for key, value in component.kwargs.items()
    }
    return replace(component, origin=plugin.name, kwargs=kwargs)


def _finish(one: Component, hub: Sequence[str], lock: HubLock) -> Component:
    """Return the component as this node needs it: told who lives on the hub, or ignored elsewhere."""
    if one.id == "membership":
        return replace(one, kwargs={**one.kwargs, "hub_components": hub})
    if one.id in hub and one.origin != BUILT_IN:  # built-in ones look at the lock themselves
        return replace(one, actor=_make_ignored_elsewhere(one.actor, lock))
    return one


def _make_ignored_elsewhere(actor: type[Actor], lock: HubLock) -> type[Actor]:
    """Return a subclass whose start is ignored where this process isn't the hub."""

    def init(self: Any, *args: Any, **kwargs: Any) -> Any:
        return super(made, self).init(*args, **kwargs) if lock.held else IGNORE

    names = {"init": init, "__module__": actor.__module__, "__qualname__": actor.__qualname__, "__doc__": actor.__doc__}
    made: Any = type(actor.__name__, (actor,), names)
    return cast("type[Actor]", made)
