"""Answers of the broker: results for those who wait, states of tasks, a snapshot for the control component.

Everything here is asked for by people or by a caller who waits; nothing is on the way of a task. Invariant: a question
that goes wrong is answered with an error and ends nobody; the tasks of the whole home are worth more than its answer.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from actorq.log import get_logger
from actorq.messages import wire
from actorq.messages.ids import NUMBER_BITS, make_key, parse_task_id
from actorq.messages.states import UNKNOWN
from actorq.node.dead_letters import read_question
from actorq.node.messages import AskDead, Fetch, Fetched, LookedUp, LookUp, NodeAnswer, Request
from actorq.node.peers import NodePeer
from actorq.node.questions import describe_record, describe_slot, describe_stored, describe_task
from actorq.node.subscriptions import Subscriptions, split_results
from actorq.node.task_facts import gather_facts
from actorq.node.updates import LiveUpdates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from actorq.actors import Actor, NameRef
    from actorq.messages.task import ResultRecord
    from actorq.node.ledger import Ledger
    from actorq.node.peers import ClientPeer, SlotPeer
    from actorq.node.queues import Queues
    from actorq.node.switchboard import Switchboard

__all__ = ["Inquiries"]

log = get_logger(__name__)


class Inquiries:
    """What clients wait for and ask; `owner` is where the store's answers go."""

    queues: Queues  # set once, by the broker

    def __init__(
        self,
        ledger: Ledger,
        slots: Mapping[str, SlotPeer],
        store: NameRef,
        owner: Actor,
        switchboard: Switchboard,
    ) -> None:
        self._ledger, self._slots, self._store, self._switchboard = ledger, slots, store, switchboard
        self._me, self._send, self._control = owner.self_ref, switchboard.send, owner.system.ref("control")
        self._subscriptions = Subscriptions()
        self.updates = LiveUpdates(ledger, self.reply)
        self._others: dict[str, Callable[[ClientPeer, wire.Ask], None]] = {
            "follow": self.updates.follow,
            "unfollow": self.updates.unfollow,
        }

    def add(self, command: str, answer: Callable[[ClientPeer, wire.Ask], None]) -> None:
        """Have another part of the broker answer a question; what it raises is the answer, too."""
        self._others[command] = answer

    def watch(self, peer: ClientPeer, watch: wire.Watch) -> None:
        """Push these results: those that exist after a look into the store, the others when they come."""
        desk = peer.desk
        if desk is not None and watch.low <= watch.high:
            self._subscriptions.watch(desk.no, peer.routing_id, watch.low, watch.high)
            last = min(watch.high, desk.finished)
            if watch.low <= last:
                base = desk.no << NUMBER_BITS
                self._store.tell(Fetch(peer.routing_id, self._me, base | watch.low, base | last))
        if watch.ids:
            self._store.tell(LookUp(watch.ids, (peer.routing_id, None), self._me))

    def push(self, records: Iterable[ResultRecord]) -> None:
        """Send results that were just committed to those who wait."""
        for routing_id, results in self._subscriptions.match(records):
            self._send(routing_id, wire.RESULTS, results)

    def drop(self, peer: ClientPeer) -> None:
        """Forget what a client that has gone waited for."""
        self.updates.drop(peer.routing_id)
        self._subscriptions.drop(peer.routing_id, peer.desk.no if peer.desk else None)

    def fetched(self, message: Fetched) -> None:
        """Send stored results to a client that came to ask after they were there."""
        for part in split_results(message.records):
            self._send(message.context, wire.RESULTS, wire.Results(part))

    # -- questions -----------------------------------------------------------------------------------------------------

    def ask(self, peer: ClientPeer, ask: wire.Ask) -> None:
        """Answer a client's question, or have the control component answer it."""
        try:
            if ask.command == "task_state":
                self._tell_states(peer, ask)
            elif ask.command == "task_facts":
                self._tell_facts(peer, ask)
            elif ask.command == "forget":
                self._forget(peer, ask)
            elif ask.command in self._others:
                self._others[ask.command](peer, ask)
            elif ask.command == "dead":
                question = read_question(ask.arguments)
                self._store.tell(AskDead(question, ask.request, peer.routing_id, self._me))
            elif ask.command == "queue":
                self.queues.ask(ask, functools.partial(self.reply, peer.routing_id))
            else:
                self._control.tell(Request(peer.routing_id, ask.request, ask.command, ask.arguments))
        except (KeyError, TypeError, ValueError) as error:
            self.reply(peer.routing_id, wire.Answer(ask.request, error=f"bad arguments for {ask.command!r}: {error!r}"))
        except Exception as error:
            log.exception("question_failed", command=ask.command)
            self.reply(peer.routing_id, wire.Answer(ask.request, error=f"{ask.command!r} can't be answered: {error!r}"))

    def reply(self, routing_id: bytes, answer: wire.Answer) -> None:
        """Carry an answer to whoever asked; one that can't be sent is replaced by an error."""
        try:
            self._send(routing_id, wire.ANSWER, answer)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:  # from plugins comes anything
            log.warning("answer_not_sendable", why=str(error))
            failed = wire.Answer(answer.request, error=f"the answer can't be sent: {error}")
            self._send(routing_id, wire.ANSWER, failed)

    def forward(self, nodes: Collection[str], ask: wire.Ask) -> None:
        """Carry a question of the control component to these nodes."""
        for peer in self._switchboard:
            if isinstance(peer, NodePeer) and peer.name in nodes:
                self._send(peer.routing_id, wire.ASK, ask)

    def answered(self, peer: NodePeer, answer: wire.Answer) -> None:
        """Carry a node's answer to the control component."""
        self._control.tell(NodeAnswer(peer.name, answer))

    def _forget(self, peer: ClientPeer, ask: wire.Ask) -> None:
        """Drop results, and answer how many ids were known."""
        keys = [key for task_id in ask.arguments["ids"] if (key := self._find_key(task_id)) is not None]
        self._ledger.forget(keys)
        self.reply(peer.routing_id, wire.Answer(ask.request, len(keys)))

    def _tell_facts(self, peer: ClientPeer, ask: wire.Ask) -> None:
        """Answer everything about one task; with `body` its arguments, too."""
        task_id, body = ask.arguments["id"], bool(ask.arguments.get("body"))
        if not isinstance(task_id, str):
            raise TypeError(f"expected an id as text, got {task_id!r}")

        def tell(message: LookedUp) -> None:
            try:
                facts = gather_facts(self._ledger, self._slots, task_id, message.found[task_id], body=body)
            except Exception as error:  # one who asks mustn't end the broker
                log.exception("question_failed", command=ask.command)
                self.reply(peer.routing_id, wire.Answer(ask.request, error=f"the task can't be described: {error!r}"))
            else:
                self.reply(peer.routing_id, wire.Answer(ask.request, facts))

        self._store.tell(LookUp([task_id], tell, self._me, with_dead=True))

    def _tell_states(self, peer: ClientPeer, ask: wire.Ask) -> None:
        """Answer `{task_id: state}`, after a look into the store for what isn't in memory."""
        states: dict[str, Any] = {}
        for task_id in ask.arguments["ids"]:
            key = self._find_key(task_id)
            states[task_id] = None if key is None else describe_task(self._ledger, self._slots, key)
        missing = [task_id for task_id, state in states.items() if state is None]
        if missing:
            self._store.tell(LookUp(missing, (peer.routing_id, (ask.request, states)), self._me))
        else:
            self.reply(peer.routing_id, wire.Answer(ask.request, states))

    def looked_up(self, message: LookedUp) -> None:
        """Go on with what the store knows."""
        if callable(message.context):
            message.context(message)
            return
        routing_id, question = message.context
        if question is None:
            self._watch_found(routing_id, message)
            return
        request, states = question
        try:
            self._add_found(states, message)
        except Exception as error:
            log.exception("question_failed", command="task_state")
            self.reply(routing_id, wire.Answer(request, error=f"the states can't be told: {error!r}"))
        else:
            self.reply(routing_id, wire.Answer(request, states))

    def _add_found(self, states: dict[str, Any], message: LookedUp) -> None:
        for task_id, found in message.found.items():
            if found.record is not None:
                states[task_id] = describe_record(found.record)
            elif found.task is not None:
                known = describe_task(self._ledger, self._slots, found.task.key)
                states[task_id] = known or describe_stored(found.task)
            else:
                states[task_id] = {"state": UNKNOWN}

    def snapshot(self) -> dict[str, Any]:
        """Return slots, queues and counts as plain data."""
        ledger = self._ledger
        return {
            "slots": [describe_slot(ledger, peer) for peer in self._slots.values()],
            "queues": ledger.lanes.lengths(),
            "accepted": ledger.accepted,
            "finished": ledger.finished,
            "unfinished": ledger.unfinished,
        }

    def _watch_found(self, routing_id: bytes, message: LookedUp) -> None:
        records = []
        for task_id, found in message.found.items():
            if found.record is not None:
                records.append((task_id, found.record))
            elif found.key is not None:
                self._subscriptions.watch_foreign(found.key, routing_id, task_id)
        if records:
            self._send(routing_id, wire.RESULTS, wire.Results([], records))

    def _find_key(self, task_id: str) -> int | None:
        parsed = parse_task_id(task_id)
        outbox = self._ledger.outboxes.get(parsed[0]) if parsed else None
        return make_key(outbox.no, parsed[1]) if outbox and parsed else None
