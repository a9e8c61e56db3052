"""Answers questions about nodes: `actorq inspect`, `status`, `tree`.

Light; permanent. It answers while every slot is busy and while the store is stuck, because it asks the one and is not
the other. On the hub it takes the question (`Request`), sends it to every node over their links, the hub's own included
(`Forward`), gathers what comes back within the deadline, and replies `{node: payload}`. On every node it answers the
question itself (`NodeQuestion`). Questions about slots and queues are the broker's to answer, from memory.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from actorq.actors import Actor
from actorq.config import suggest
from actorq.log import get_logger
from actorq.messages.wire import Answer, Ask
from actorq.node.condition import find_unwell
from actorq.node.messages import Forward, NodeAnswer, NodeQuestion, NodeReply, Reply, Request, Snapshot
from actorq.supervisor import Tree
from actorq.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import NameRef, Outcome, Timer
    from actorq.node.roster import Roster
    from actorq.slot.orders import AppInfo
    from actorq.transport.paths import Home

__all__ = ["HUB_COMMANDS", "NODE_COMMANDS", "Control"]

log = get_logger(__name__)

GATHER_S: Final = 1.0  # a node that hasn't answered by then is left out
BROKER_DEADLINE_S: Final = 2.0
MAX_GATHERINGS: Final = 1_000  # questions under way at once; more are turned away

HUB_COMMANDS: Final = ("active", "reserved", "status")
NODE_COMMANDS: Final = ("ping", "registered", "report", "stats", "tree")


@dataclass(slots=True)
class _Gathering:
    """A question that went to several nodes."""

    request: Request
    missing: set[str]
    found: dict[str, Any]
    timer: Timer


@dataclass(frozen=True, slots=True)
class _TimeUp:
    """Timer: reply with what has come."""

    number: int


class Control(Actor):
    """Knows who can answer what; see the module."""

    def init(self, *, broker: NameRef, home: Home, node: str, info: AppInfo, roster: Roster, settings: Any) -> None:
        """Remember who we are."""
        self.broker, self.home, self.node, self.info, self.roster = broker, home, node, info, roster
        self.settings = settings
        self._started_at = time.time()
        self._numbers = itertools.count(1)
        self._gatherings: dict[int, _Gathering] = {}
        self._own: dict[str, Callable[[NodeQuestion], Any]] = {
            "ping": lambda _: {"ok": "pong"},
            "registered": lambda _: sorted(self.info.tasks),
            "stats": self._stats,
            "report": self._report,
        }

    # -- for the whole home, on the hub --------------------------------------------------------------------------------

    def on_request(self, request: Request) -> None:
        """Answer from the broker's memory, or ask every node."""
        if request.command in HUB_COMMANDS:
            self.ask_then(self.broker, Snapshot(), BROKER_DEADLINE_S, lambda outcome: self._from_hub(request, outcome))
        elif request.command in NODE_COMMANDS and len(self._gatherings) < MAX_GATHERINGS:
            self.ask_then(self.broker, Snapshot(), BROKER_DEADLINE_S, lambda outcome: self._gather(request, outcome))
        elif request.command in NODE_COMMANDS:
            self._reply(request, error="too many questions at once; ask again")
        else:
            known = (*HUB_COMMANDS, *NODE_COMMANDS)
            hint = suggest(request.command, known) or f"; known: {', '.join(known)}"
            self._reply(request, error=f"unknown command {request.command!r}{hint}")

    def _reply(self, request: Request, data: Any = None, error: str = "") -> None:
        self.broker.tell(Reply(request.peer, Answer(request.request, data, error)))

    def _from_hub(self, request: Request, outcome: Outcome) -> None:
        if not outcome.ok:
            self._reply(request, error=f"the broker did not answer: {outcome.error}")
            return
        snapshot = outcome.value
        if request.command == "status":
            status = {"hub": self.node, "home": str(self.home.path), **snapshot}
            self.ask_then(
                self.system.ref("node"), Tree(), GATHER_S, lambda tree: self._tell_status(request, status, tree)
            )
            return
        nodes: dict[str, list[Any]] = {name: [] for name in snapshot["nodes"]}
        for slot in snapshot["slots"]:
            found = [slot["active"]] if request.command == "active" else slot["reserved"]
            nodes.setdefault(slot["node"], []).extend({**task, "slot": slot["slot"]} for task in found if task)
        self._reply(request, nodes)

    def _tell_status(self, request: Request, status: dict[str, Any], tree: Outcome) -> None:
        degraded = find_unwell(tree.value) if tree.ok else {"node": f"silent: {tree.error}"}
        self._reply(request, {**status, "degraded": degraded})

    def _gather(self, request: Request, outcome: Outcome) -> None:
        nodes = set(outcome.value["nodes"]) if outcome.ok else set()
        if not nodes:
            self._reply(request, {} if outcome.ok else None, "" if outcome.ok else f"no broker: {outcome.error}")
            return
        number = next(self._numbers)
        timer = self.timers.after(GATHER_S, _TimeUp(number))
        self._gatherings[number] = _Gathering(request, nodes, {}, timer)
        self.broker.tell(Forward(frozenset(nodes), Ask(number, request.command, request.arguments)))

    def on_node_answer(self, message: NodeAnswer) -> None:
        """Note one node's answer; reply when all are there."""
        gathering = self._gatherings.get(message.answer.request)
        if gathering is None or message.node not in gathering.missing:
            return
        gathering.missing.discard(message.node)
        answer = message.answer
        gathering.found[message.node] = {"error": answer.error} if answer.error else answer.data
        if not gathering.missing:
            self._finish(message.answer.request)

    def on_time_up(self, message: _TimeUp) -> None:
        """Reply without those that were too slow."""
        if message.number in self._gatherings:
            self._finish(message.number)

    def _finish(self, number: int) -> None:
        gathering = self._gatherings.pop(number)
        gathering.timer.cancel()
        for name in gathering.missing:
            gathering.found[name] = {"error": f"no answer within {GATHER_S:g} s"}
        self._reply(gathering.request, dict(sorted(gathering.found.items())))

    # -- for this node -------------------------------------------------------------------------------------------------

    def on_node_question(self, question: NodeQuestion) -> None:
        """Answer for this node."""
        if question.command == "tree":
            root = self.system.ref("node")
            self.ask_then(root, Tree(), GATHER_S, lambda outcome: self._answer_tree(question, outcome))
            return
        own = self._own.get(question.command)
        if own is None:
            self._answer(question, error=f"unknown command {question.command!r}")
        else:
            self._answer(question, own(question))

    def _answer_tree(self, question: NodeQuestion, outcome: Outcome) -> None:
        self._answer(question, outcome.value, "" if outcome.ok else str(outcome.error))

    def _answer(self, question: NodeQuestion, data: Any = None, error: str = "") -> None:
        self.system.ref("link").tell(NodeReply(Answer(question.request, data, error)))

    def _stats(self, _: NodeQuestion) -> dict[str, Any]:
        process = psutil.Process()
        return {
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self._started_at, 3),
            "rss_bytes": process.memory_info().rss,
            "cpu_s": sum(process.cpu_times()[:2]),
            "threads": process.num_threads(),
            "descriptors": process.num_fds(),
            "slots": {each.name: each.pid for each in self.roster.processes.values()},
            "dead_letters": self.system.dead_letters.count,
        }

    def _report(self, _: NodeQuestion) -> dict[str, Any]:
        return {
            "actorq": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "app": self.info.name,
            "home": str(self.home.path),
            "runtime": str(self.home.runtime),
            "settings": self.settings.as_dict(),
            "tasks": len(self.info.tasks),
        }
