"""Which module has which verb, and what the list of verbs says of it."""

from __future__ import annotations

from typing import Final

__all__ = ["VERBS"]

VERBS: Final = {
    "call": ("actorq.cli.tasks", "call", "Send a task and print its result."),
    "control": ("actorq.cli.control", "control", "Restart, stop, start components; orders for nodes."),
    "dead": ("actorq.cli.dead", "dead", "List, show, requeue and purge tasks that were given up."),
    "graph": ("actorq.cli.graph", "graph", "Draw what a node is made of."),
    "health": ("actorq.cli.watch", "health", "Say whether a node answers; for probes."),
    "inspect": ("actorq.cli.asking", "inspect", "Ask every node: ping, active, reserved, stats, conf and more."),
    "node": ("actorq.cli.node", "node", "Start a node that runs tasks."),
    "plugins": ("actorq.cli.plugins", "plugins", "List plugins, what they add, and which can't be used."),
    "queue": ("actorq.cli.queue", "queue", "List queues, look into them; pause, resume, purge, move them."),
    "report": ("actorq.cli.watch", "report", "Print versions, paths and settings, for bug reports."),
    "result": ("actorq.cli.tasks", "result", "Print the result of a task, by its id."),
    "status": ("actorq.cli.watch", "status", "Show nodes, slots and queues of a home."),
    "task": ("actorq.cli.task", "task", "Show single tasks, say why they wait, cancel or retry them."),
    "tree": ("actorq.cli.tree", "tree", "Show the live supervision tree."),
}
