"""Which nodes a question is for, and what the hub alone can say of each of them. Pure.

The broker knows what every slot of the home runs and holds, so these answers come from its memory, whatever the slots do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.config import suggest
from actorq.messages.queues import QueueChoice, takes_queue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["UnknownNode", "choose_nodes", "list_active", "list_queues", "list_reserved"]


class UnknownNode(ValueError):
    """A node was named that the home hasn't got."""


def choose_nodes(known: Collection[str], arguments: dict[str, Any]) -> set[str]:
    """Take `node` (a name) or `destination` (names) out of `arguments` and return the nodes meant; without either, all.

    What stands before the `@` is enough where only one node begins with it.

    Raises:
        UnknownNode: there is no such node.
        TypeError: these are no names.
    """
    only, names = arguments.pop("node", None), arguments.pop("destination", None)
    wanted = [only] if only is not None else names
    if wanted is None:
        return set(known)
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise TypeError(f"expected destination to be a list of names of nodes, got {wanted!r}")
    return {_choose_node(known, name) for name in wanted}


def _choose_node(known: Collection[str], name: str) -> str:
    if name in known:
        return name
    short = [each for each in known if each.partition("@")[0] == name]
    if len(short) == 1:
        return short[0]
    hint = suggest(name, known)
    raise UnknownNode(f"expected one of the nodes {', '.join(sorted(known))}, got {name!r}{hint}")


def list_active(snapshot: Mapping[str, Any], nodes: Collection[str]) -> dict[str, Any]:
    """Return what runs now, by node."""
    return _by_node(snapshot, nodes, lambda slot: slot["all_active"])


def list_reserved(snapshot: Mapping[str, Any], nodes: Collection[str]) -> dict[str, Any]:
    """Return what slots hold and haven't started, by node."""
    return _by_node(snapshot, nodes, lambda slot: slot["reserved"])


def _by_node(snapshot: Mapping[str, Any], nodes: Collection[str], find: Any) -> dict[str, Any]:
    found: dict[str, Any] = {name: [] for name in sorted(nodes)}
    for slot in snapshot["slots"]:
        # A slot that runs something since before this hub has no node yet.
        if slot["node"] in nodes or not slot["node"]:
            found.setdefault(slot["node"], []).extend({**task, "slot": slot["slot"]} for task in find(slot))
    return {name: tasks for name, tasks in found.items() if name or tasks}


def list_queues(snapshot: Mapping[str, Any], nodes: Collection[str]) -> dict[str, Any]:
    """Return the queues that each node's slots take: those it was told, and of all others those that have been used."""
    choices: dict[str, list[QueueChoice | None]] = {}
    for slot in snapshot["slots"]:
        choices.setdefault(slot["node"], []).append(QueueChoice(**slot["takes"]) if slot["takes"] else None)
    waiting: Mapping[str, int] = snapshot["queues"]
    found = {}
    for node in sorted(nodes):
        several = choices.get(node, [None])
        chosen = (name for choice in several if choice is not None for name in choice.only)
        names = dict.fromkeys((*chosen, *(name for name in waiting if takes_queue(several, name))))
        found[node] = [{"name": name, "waiting": waiting.get(name, 0)} for name in names]
    return found
