"""Carries out people's orders on the components of this node: restart, stop, start.

A part of the control component. An order is answered before it is carried out, and whoever gave it looks at the component
until it is as wanted: so the same steps restart a limiter, the broker over which the answer travels, and control itself.

1. The order is weighed against the tree as it is: refused with a reason, or taken down under its id and answered.
2. A moment later, when the answer is on its way, the component's supervisor is asked; nothing here waits or blocks.
3. What came of it is kept by the order's id for whoever looks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actorq.actors import Outcome
from actorq.log import get_logger
from actorq.node.orders import Order, refuse_order
from actorq.node.tree_walk import find_entry
from actorq.supervisor import Recycle, RestartChild, TerminateChild, WhichChildren

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actorq.actors import Actor, ActorRef, NameRef
    from actorq.supervisor import ChildInfo

__all__ = ["CarryOut", "OrderState", "Steering"]

log = get_logger(__name__)

ANSWER_FIRST_S: Final = 0.05  # between the answer and the deed, which may cut the line the answer travels on
LOOK_DEADLINE_S: Final = 2.0
KEPT: Final = 64  # orders whose end is remembered
NAMES: Final = ("control", "link", "broker", "store")  # see `refuse_order`


class CarryOut:
    """Timer: the answer has gone; do it."""

    __slots__ = ("order",)

    def __init__(self, order: Order) -> None:
        self.order = order


@dataclass(slots=True)
class OrderState:
    """How far an order has come; `error` says why it failed."""

    done: bool = False
    error: str = ""


class Steering:
    """Belongs to `actor`, in whose context everything here runs; `deadline_s` is how long a supervisor may take."""

    def __init__(self, actor: Actor, root: NameRef, deadline_s: float) -> None:
        self._actor, self._root, self._deadline_s = actor, root, deadline_s
        self._states: OrderedDict[str, OrderState] = OrderedDict()

    def state_of(self, order: str) -> OrderState | None:
        """Return how far an order has come; None: this incarnation hasn't heard of it."""
        return self._states.get(order)

    def take(self, order: Order, tree: Mapping[str, Any]) -> str:
        """Take an order, or return why not. One that was taken before, or whose component changed since, is done."""
        if order.id in self._states:
            return ""
        if order.path == tree["id"]:
            order.path = ""
        entry = find_entry(tree, order.path)
        if entry is None:
            return "it is gone"
        parent = find_entry(tree, order.path.rpartition("/")[0]) or {}
        names = {name: ref.id for name in NAMES if (ref := self._actor.system.whereis(name)) is not None}
        reason = refuse_order(order, entry, parent, names)
        if reason:
            return reason
        is_stale = order.verb == "restart" and entry.get("pid") != order.incarnation
        self._note(order, is_stale or (order.verb == "start" and entry["state"] == "up"))
        if not self._states[order.id].done:
            log.warning("order_taken", verb=order.verb, component=order.path, order=order.id)
            self._actor.timers.after(ANSWER_FIRST_S, CarryOut(order))
        return ""

    def carry_out(self, order: Order) -> None:
        """Find the component's supervisor from the root down, and ask it."""
        *above, id = order.path.split("/")
        self._descend(order, self._root, above, id)

    def _descend(self, order: Order, supervisor: NameRef | ActorRef[Any], above: Sequence[str], id: str) -> None:
        def found(child: ChildInfo | None) -> None:
            if child is None or (above and child.ref is None):
                self._finish(order, Outcome(error=LookupError(f"{above[0] if above else id} is gone")))
            elif above and child.ref is not None:
                self._descend(order, child.ref, above[1:], id)
            else:
                self._ask(order, supervisor, child)

        self._look(supervisor, above[0] if above else id, found)

    def _look(self, supervisor: NameRef | ActorRef[Any], id: str, found: Callable[[ChildInfo | None], None]) -> None:
        def listed(outcome: Outcome) -> None:
            found(next((child for child in outcome.value or () if child.id == id), None))

        self._actor.ask_then(supervisor, WhichChildren(), LOOK_DEADLINE_S, listed)

    def _ask(self, order: Order, supervisor: NameRef | ActorRef[Any], child: ChildInfo) -> None:
        wanted = child.id if child.ref is None else child.ref
        message: Any
        match order.verb:
            case "restart":
                message = Recycle(wanted)
            case "stop":
                message = TerminateChild(wanted)
            case "start":
                message = RestartChild(child.id)
        self._actor.ask_then(supervisor, message, self._deadline_s, lambda outcome: self._finish(order, outcome))

    def _note(self, order: Order, done: bool) -> None:
        self._states[order.id] = OrderState(done)
        if len(self._states) > KEPT:
            self._states.popitem(last=False)

    def _finish(self, order: Order, outcome: Outcome) -> None:
        error = "" if outcome.ok else str(outcome.error)
        self._states[order.id] = OrderState(True, error)
        if error:
            log.error("order_failed", verb=order.verb, component=order.path, order=order.id, why=error)
        else:
            log.info("order_carried_out", verb=order.verb, component=order.path, order=order.id)
