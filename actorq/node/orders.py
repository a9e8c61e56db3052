"""Which orders of people a node takes, and what they ask of a supervisor. Pure.

An order names a component and the incarnation that was seen when it was given: an order that comes twice, or late, is carried
out once. What would leave nobody to carry out the next order is refused with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VERBS", "Order", "OrderVerb", "refuse_order"]

OrderVerb = Literal["restart", "stop", "start"]
VERBS: Final[tuple[str, ...]] = get_args(OrderVerb)

EARS: Final = {
    "control": "it carries out orders, so nobody could start it again",
    "link": "this node hears orders through it, so nobody could start it again",
}
VOICES: Final = ("broker", "store")  # without them no node of the home can be asked


class Order(msgspec.Struct):
    """One order; `id` is chosen by who gives it. `incarnation` is the actor's number that was seen, None: it wasn't up."""

    id: str
    verb: OrderVerb
    path: str
    incarnation: int | None = None
    force: bool = False


def refuse_order(
    order: Order, entry: Mapping[str, Any], parent: Mapping[str, Any], names: Mapping[str, int | None]
) -> str:
    """Return why an order can't be taken, or an empty text.

    `parent` is the entry of its supervisor; `names` says which incarnation bears a name now, for those that matter here:
    a replacement goes by an id of its own, but bears the name of what it replaces.
    """
    if not order.path:
        return "it is the root: end the node (SIGTERM) and start it again"
    state = entry["state"]
    if state == "ignored" and order.verb != "stop":
        return "it has nothing to do on this node: only the hub of a home runs it"
    if order.verb == "restart":
        return ""
    if (parent.get("facts") or {}).get("strategy") == "dynamic":
        return _refuse_dynamic(order, state)
    if order.verb == "stop":
        return _refuse_stop(order, entry, names)
    return ""


def _refuse_dynamic(order: Order, state: str) -> str:
    """A dynamic supervisor forgets a child that ends, and starts one only for whoever wanted it in the first place."""
    if order.verb == "stop":
        return "its supervisor forgets what is stopped, so it couldn't be started again; restart it, or stop its supervisor"
    return "" if state == "up" else "its supervisor starts it again by itself; restart it to have that now"


def _refuse_stop(order: Order, entry: Mapping[str, Any], names: Mapping[str, int | None]) -> str:
    def is_named(name: str) -> bool:
        own = entry.get("pid")
        return order.path == name or (own is not None and names.get(name) == own)

    for name, why in EARS.items():
        if is_named(name):
            return f"{why}; restart it instead"
    if not order.force and any(is_named(name) for name in VOICES):
        return (
            "no node of this home answers without it, not even to start it again: that takes ending the node and starting "
            "it anew; tasks sent meanwhile wait in their outboxes. Restart it instead, or stop it all the same with --force"
        )
    return ""
