"""What a node shows on USR1: where every thread and slot is, and who looks after whom.

The node's own stacks are on standard error before this runs, by a handler that needs no interpreter. Slots write theirs to the
same place. The tree goes to the log, as one event.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import ActorqError
from actorq.log import get_logger
from actorq.supervisor import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actorq.node.node import Node

__all__ = ["draw_entries", "show_node"]

log = get_logger(__name__)

TREE_S: Final = 0.8
DEADLINE_S: Final = 2.0  # a signal may come just because something is stuck: then the tree is left out


def show_node(node: Node) -> None:
    """Have the slots write their stacks, and log the tree; waits for it, but not long."""
    for process in node.roster.everyone():
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(process.pidfd, signal.SIGUSR1)
    try:
        tree = node.system.ref("node").ask(Tree(TREE_S), timeout=DEADLINE_S)
    except ActorqError as error:
        log.warning("tree_not_shown", node=node.name, why=str(error))
    else:
        log.info("tree_shown", node=node.name, tree="\n" + "\n".join(draw_entries(tree)))


def draw_entries(entry: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a line for the entry and each below it, indented."""
    facts = "".join(f" {key}={value}" for key, value in entry["facts"].items())
    error = f" last_error={entry['last_error']!r}" if entry["last_error"] else ""
    yield f"{'  ' * depth}{entry['id']} {entry['state']} restarts={entry['restarts']}{facts}{error}"
    for child in entry["children"]:
        yield from draw_entries(child, depth + 1)
