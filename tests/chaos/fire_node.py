"""A node that can be set on fire: the real command line, and a socket through which a test crashes its actors from inside.

Usage: python -m tests.chaos.fire_node node -A … ; CHAOS_FIRE is the path of the socket. Each line is one order as JSON.

    crash NAME HOW   an exception in the loop of that actor: while it handles a message, a signal or a timer
    tree             the supervision tree, as the root tells it
    resources        threads, descriptors by what they lead to, resident memory

Nothing in actorq knows of this: the thread reaches into the node of its own process. Supervisors put up with any number
of crashes, since what is tested is each of them, not how many are too many.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import psutil

from actorq.actors.signals import Call, Invoke
from actorq.cli.main import main
from actorq.node import components
from actorq.node import node as node_module
from actorq.node.node import Node
from actorq.supervisor import Tree
from actorq.supervisor.backoff import NO_BACKOFF

if TYPE_CHECKING:
    from actorq.actors import Actor

ENDLESS: Final = 10**6
TREE_S: Final = 0.03  # who dies while the tree is drawn keeps it waiting that long


class InjectedError(Exception):
    """A bug that a component might have."""


def boom() -> None:
    raise InjectedError("for a test")


def set_off(actor: Actor) -> None:
    actor.timers.after(0.0, Invoke(boom))


def crash(node: Node, name: str, how: str) -> bool:
    """Let an actor's own loop run into an exception; False where nobody bears the name just now."""
    ref = node.system.whereis(name)
    if ref is None:
        return False
    cell = ref.cell
    match how:
        case "message":
            ref.tell(Invoke(boom))
        case "signal":
            cell.loop.post_signal(cell, Call(boom))
        case "timer":
            cell.loop.post_signal(cell, Call(set_off, (cell.actor,)))
        case _:
            raise ValueError(f"expected message, signal or timer, got {how!r}")
    return True


def count_resources(node: Node) -> dict[str, Any]:
    gc.collect()
    me = psutil.Process()
    descriptors: Counter[str] = Counter()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            descriptors[re.sub(r"\d+|/.*/|.*-(?=.*line)|[0-9a-f]{2,}", "", os.readlink(f"/proc/self/fd/{fd}"))] += 1
    return {
        "threads": me.num_threads(),
        "children": len(me.children(recursive=True)),
        "actors": len(node.system.actors()),
        "descriptors": dict(descriptors),
        "rss_bytes": me.memory_info().rss,
        "cpu_s": sum(me.cpu_times()[:2]),
    }


def answer(node: Node, order: list[str]) -> Any:
    match order:
        case ["crash", name, how]:
            return crash(node, name, how)
        case ["tree"]:
            return node.system.ref("node").ask(Tree(TREE_S), timeout=5.0)
        case ["resources"]:
            return count_resources(node)
    raise ValueError(f"unknown order {order!r}")


def serve(node: Node, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        peer, _ = listener.accept()
        with peer, peer.makefile("rw") as lines:
            for line in lines:
                try:
                    reply = {"ok": answer(node, json.loads(line))}
                except Exception as error:
                    reply = {"error": repr(error)}
                lines.write(json.dumps(reply, default=str) + "\n")
                lines.flush()


def light(path: str) -> None:
    """Patch what a node starts with."""
    for module in (components, node_module):
        for name in ("ROOT_INTENSITY", "POOL_INTENSITY"):
            if hasattr(module, name):
                setattr(module, name, ENDLESS)
    components.ZYGOTE_BACKOFF = NO_BACKOFF  # type: ignore[misc]
    start = Node.start

    def start_and_serve(self: Node) -> None:
        start(self)
        threading.Thread(target=serve, args=(self, path), daemon=True).start()

    Node.start = start_and_serve  # type: ignore[method-assign]


if __name__ == "__main__":
    light(os.environ["CHAOS_FIRE"])
    main()
