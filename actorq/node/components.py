"""What a node is made of: the component graph, as values.

Nothing starts here. `plan_node` returns the child specs of the root supervisor in the order in which they start; the
root restarts what depends on a component together with it, and what merely wants it keeps its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actorq.node.broker import Broker
from actorq.node.control import Control
from actorq.node.janitor import Janitor
from actorq.node.link import Link
from actorq.node.membership import Membership
from actorq.node.outboxes import Outboxes
from actorq.node.sizer import Sizer
from actorq.node.store import Store
from actorq.node.timers import Timers
from actorq.node.zygote import Zygote
from actorq.supervisor import ChildSpec, Component, DynamicSupervisor, Supervisor, plan_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import System
    from actorq.config import Settings
    from actorq.node.hub_lock import HubLock
    from actorq.node.roster import Roster
    from actorq.slot.orders import AppInfo
    from actorq.slot.zygote_process import ZygoteProcess
    from actorq.transport.paths import Home

__all__ = ["HUB_COMPONENTS", "ROOT_INTENSITY", "ROOT_PERIOD_S", "NodeParts", "plan_node"]

HUB_COMPONENTS: Final = ("store", "broker", "timers", "outboxes", "janitor")  # in start order; ignored elsewhere
ROOT_INTENSITY: Final = 20
ROOT_PERIOD_S: Final = 10.0
POOL_INTENSITY: Final = 20
POOL_PERIOD_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What components are given: things of the process, not of any actor."""

    system: System
    home: Home
    settings: Settings
    lock: HubLock
    roster: Roster
    info: AppInfo
    node: str
    slots: int
    start_zygote: Callable[[], ZygoteProcess]


def plan_node(parts: NodeParts) -> list[ChildSpec]:
    """Return the root's children in start order.

    Raises:
        ConfigError: the graph has a hole or a cycle.
    """
    home, node, lock, settings = parts.home, parts.node, parts.lock, parts.settings
    hub = {"lock": lock}
    components = [
        Component(
            "store", Store, provides=("store",), kwargs={"home": home, "settings": settings, **hub}, shutdown=10.0
        ),
        Component(
            "broker",
            Broker,
            provides=("broker",),
            requires=("store",),
            kwargs={"home": home, "settings": settings, "node": node, **hub},
        ),
        Component("timers", Timers, requires=("store", "broker"), kwargs=hub),
        Component("outboxes", Outboxes, requires=("broker",), kwargs={"home": home, **hub}),
        Component("janitor", Janitor, requires=("store",), kwargs=hub),
        Component("link", Link, provides=("link",), kwargs={"home": home, "node": node}),
        Component(
            "control",
            Control,
            wants=("broker",),
            rebind=("broker",),
            kwargs={"home": home, "node": node, "info": parts.info, "roster": parts.roster, "settings": settings},
        ),
        Component("membership", Membership, kwargs={"hub_components": HUB_COMPONENTS, **hub}),
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
    specs = plan_graph(components)
    # The pool goes down first: its slots hand back over the link and to the broker what they don't finish.
    return [*(spec for spec in specs if spec.id != "pool"), *(spec for spec in specs if spec.id == "pool")]


def _plan_pool(parts: NodeParts) -> list[ChildSpec]:
    """Return the pool's children. Slots don't restart with the zygote: they are processes of the node by then."""
    ref = parts.system.ref
    return [
        ChildSpec(
            "zygote",
            Zygote,
            kwargs={"start": parts.start_zygote, "home": parts.home, "node": parts.node, "roster": parts.roster},
            name="zygote",
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
                "size": parts.slots,
                "drain_timeout_s": parts.settings.drain_timeout_s,
                "roster": parts.roster,
                "home": parts.home,
                "zygote": ref("zygote"),
                "slots": ref("slots"),
                "link": ref("link"),
            },
            requires=("slots",),
            name="sizer",
        ),
    ]
