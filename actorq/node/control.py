"""Answers questions about nodes and takes orders for their components: `actorq inspect`, `status`, `tree`, `control`.

Light; permanent. It answers while every slot is busy and while the store is stuck, because it asks the one and is not
the other. On the hub it takes the question (`Request`), sends it to the other nodes over their links (`Forward`), answers it
for its own, gathers what comes back within the deadline, and replies `{node: payload}`. On every node it answers the
question itself (`NodeQuestion`). Questions about slots and queues are the broker's to answer, from memory.

Among the arguments of a question may be `node`, the only one to be asked, or `destination`, those to be asked, and `within_s`,
how long nodes may take.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psutil

from actorq.actors import Actor
from actorq.config import suggest
from actorq.log import get_logger
from actorq.messages.wire import Answer, Ask
from actorq.node.condition import find_unwell
from actorq.node.messages import Forward, NodeAnswer, NodeQuestion, NodeReply, Reply, Request, Snapshot
from actorq.node.node_orders import NAMES, NodeOrders
from actorq.node.orders import Order
from actorq.node.overview import UnknownNode, choose_nodes, list_active, list_queues, list_reserved
from actorq.node.plugin_commands import PluginCommands
from actorq.node.seats import describe_pools
from actorq.node.steering import CarryOut, Steering
from actorq.node.tree_walk import find_entry, find_paths, name_path, near_paths
from actorq.supervisor import Tree
from actorq.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actorq.actors import NameRef, Outcome, Timer
    from actorq.node.live import LiveSettings
    from actorq.node.roster import Roster
    from actorq.plugins import NodeCommand
    from actorq.slot.orders import AppInfo
    from actorq.transport.paths import Home

__all__ = ["HUB_COMMANDS", "NODE_COMMANDS", "Control"]

log = get_logger(__name__)

GATHER_S: Final = 1.0  # a node that hasn't answered by then is left out
SHORTEST_GATHER_S: Final = 0.05
LONGEST_GATHER_S: Final = 600.0
TREE_S: Final = 0.8  # a little less: what hasn't answered by then is shown as busy
BROKER_DEADLINE_S: Final = 2.0
ORDER_MARGIN_S: Final = 30.0  # over the grace of the slots, for an order that ends and starts them
MAX_GATHERINGS: Final = 1_000  # questions under way at once; more are turned away

HUB_COMMANDS: Final = ("active", "active_queues", "reserved", "status")
NODE_COMMANDS: Final = (
    *("clock", "command", "component", "conf", "dead-letters", "order"),
    *("ping", "registered", "report", "stats", "tree"),
)
_FROM_SNAPSHOT: Final = {"active": list_active, "reserved": list_reserved, "active_queues": list_queues}


@dataclass(slots=True)
class _Gathering:
    """A question that went to several nodes."""

    request: Request
    within_s: float
    missing: set[str]
    found: dict[str, Any]
    timer: Timer


@dataclass(frozen=True, slots=True)
class _TimeUp:
    """Timer: reply with what has come."""

    number: int


class Control(Actor):
    """Knows who can answer what; see the module."""

    def init(
        self,
        *,
        broker: NameRef,
        home: Home,
        node: str,
        info: AppInfo,
        roster: Roster,
        settings: Any,
        live: LiveSettings,
        commands: Mapping[str, Callable[[NodeCommand], Any]] | None = None,
    ) -> None:
        """Remember who we are; `commands` are those of plugins."""
        self.broker, self.home, self.node, self.roster = broker, home, node, roster
        self._first_info, self.live = info, live
        self.settings = settings
        self._started_at = time.time()
        self._numbers = itertools.count(1)
        self._gatherings: dict[int, _Gathering] = {}
        self._root = self.system.ref("node")
        self._steering = Steering(self, self._root, settings.drain_timeout_s + ORDER_MARGIN_S)
        self._orders = NodeOrders(self, node, live, lambda: self.info.tasks)
        self._plugins = PluginCommands(self, commands or {}, node, settings)
        self._own: dict[str, Callable[[NodeQuestion], Any]] = {
            "ping": lambda _: {"ok": "pong"},
            "registered": lambda _: sorted(self.info.tasks),
            "stats": self._stats,
            "report": self._report,
            "conf": lambda _: self.settings.as_dict(),
            "clock": lambda _: {"clock": self.clock.now(), "monotonic_s": self.clock.monotonic()},
            "dead-letters": self._dead_letters,
        }
        self._of_tree: dict[str, Callable[[NodeQuestion, dict[str, Any]], Any]] = {
            # Like any component that looks after a process, the root says which.
            "tree": lambda _, tree: {**tree, "facts": {**tree["facts"], "pid": os.getpid()}},
            "component": self._show_component,
            "order": self._take_order,
        }

    @property
    def info(self) -> AppInfo:
        """What is known of the application."""
        return self.live.info or self._first_info

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
        known = {self.node, *snapshot["nodes"]}
        if request.command == "status":
            status = {"hub": self.node, "home": str(self.home.path), **snapshot, "nodes": sorted(known)}
            self.ask_then(self._root, Tree(TREE_S), GATHER_S, lambda tree: self._tell_status(request, status, tree))
            return
        try:
            nodes = choose_nodes(known, dict(request.arguments))
        except (UnknownNode, TypeError) as error:
            self._reply(request, error=str(error))
        else:
            self._reply(request, _FROM_SNAPSHOT[request.command](snapshot, nodes))

    def _tell_status(self, request: Request, status: dict[str, Any], tree: Outcome) -> None:
        degraded = find_unwell(tree.value) if tree.ok else {"node": f"silent: {tree.error}"}
        self._reply(request, {**status, "degraded": {**degraded, **status.pop("stuck")}})

    def _gather(self, request: Request, outcome: Outcome) -> None:
        if not outcome.ok:
            self._reply(request, error=f"no broker: {outcome.error}")
            return
        arguments = dict(request.arguments)
        # This node is one of them before its link has found the new broker, and where its link is down.
        nodes = {self.node, *outcome.value["nodes"]}
        try:
            asked = choose_nodes(nodes, arguments)
        except (UnknownNode, TypeError) as error:
            self._reply(request, error=str(error))
            return
        within_s = _limit(arguments.pop("within_s", None))
        number = next(self._numbers)
        timer = self.timers.after(within_s, _TimeUp(number))
        self._gatherings[number] = _Gathering(request, within_s, set(asked), {}, timer)
        others = asked - {self.node}
        if others:
            self.broker.tell(Forward(frozenset(others), Ask(number, request.command, arguments)))
        if self.node in asked:
            self.on_node_question(NodeQuestion(number, request.command, arguments, is_own=True))

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
            gathering.found[name] = {"error": f"no answer within {gathering.within_s:g} s"}
        self._reply(gathering.request, dict(sorted(gathering.found.items())))

    # -- for this node -------------------------------------------------------------------------------------------------

    def on_node_question(self, question: NodeQuestion) -> None:
        """Answer for this node."""
        if question.command in self._of_tree:
            self.ask_then(self._root, Tree(TREE_S), GATHER_S, lambda outcome: self._answer_from(question, outcome))
        elif question.command == "command":
            self._run_command(question)
        elif question.command in self._own:
            self._answer(question, self._own[question.command](question))
        else:
            self._answer(question, error=f"unknown command {question.command!r}; is this node of an older version?")

    def _answer_from(self, question: NodeQuestion, outcome: Outcome) -> None:
        if not outcome.ok:
            self._answer(question, error=str(outcome.error))
            return
        try:
            self._answer(question, self._of_tree[question.command](question, outcome.value))
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            self._answer(question, error=f"bad arguments for {question.command!r}: {error!r}")

    def _answer(self, question: NodeQuestion, data: Any = None, error: str = "") -> None:
        answer = Answer(question.request, data, error)
        if question.is_own:
            self.on_node_answer(NodeAnswer(self.node, answer))
        else:
            self.system.ref("link").tell(NodeReply(answer))

    def _run_command(self, question: NodeQuestion) -> None:
        name, arguments = question.arguments.get("name", ""), question.arguments.get("arguments") or {}

        def answer(data: Any, error: str) -> None:
            self._answer(question, data, error)

        if name in NAMES:
            self._orders.run(name, arguments, answer, is_hub=question.is_own)
        else:
            self._plugins.run(name, arguments, answer)

    # -- components ----------------------------------------------------------------------------------------------------

    def _show_component(self, question: NodeQuestion, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the entry of the component that is meant, without its children, and how far an order on it has come."""
        wanted = question.arguments["component"]
        paths = find_paths(tree, wanted)
        if not paths:
            return {"unknown": wanted, "near": near_paths(tree, wanted)}
        if len(paths) > 1:
            return {"ambiguous": [name_path(path) for path in paths]}
        entry = find_entry(tree, paths[0]) or {}
        state = self._steering.state_of(question.arguments.get("order", ""))
        facts = {key: value for key, value in entry.items() if key not in ("children", "id")}
        return {"component": paths[0] or tree["id"], **facts, "order": None if state is None else asdict(state)}

    def _take_order(self, question: NodeQuestion, tree: dict[str, Any]) -> dict[str, Any]:
        order = msgspec.convert(question.arguments, Order)
        return {"component": order.path, "refused": self._steering.take(order, tree)}

    def on_carry_out(self, message: CarryOut) -> None:
        """The answer to an order has had its time to leave."""
        self._steering.carry_out(message.order)

    # -- facts ---------------------------------------------------------------------------------------------------------

    def _dead_letters(self, _: NodeQuestion) -> list[dict[str, Any]]:
        return [asdict(letter) for letter in self.system.dead_letters.last()]

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
            "pools": describe_pools(self.settings),
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


def _limit(wanted: object) -> float:
    """Return how long nodes may take to answer."""
    return min(max(wanted, SHORTEST_GATHER_S), LONGEST_GATHER_S) if isinstance(wanted, int | float) else GATHER_S
