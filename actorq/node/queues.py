"""Carries out what people want of queues: list, peek, pause, resume, purge, move. A part of the broker, in its loop.

What waits of a queue is in three places: a window of the hub, the hands of slots, and the store. Whoever changes a queue as a
whole first has it in one:

1. the queue is held: nothing more of it is given out, what is in its windows goes to the store;
2. slots are fenced and give back what they haven't begun (`Balancer.withdraw`), which goes to the store, too;
3. once that is written, whatever of the queue isn't running is in the store, and nobody has it leased.

A kill in between costs nothing: a pause is in the store before it is answered; a purge or a move is a row of transactions,
each of which has happened or not, for each task. Invariant: one change at a time, so a queue is held by one of them.
"""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from actorq.actors import Outcome
from actorq.actors.signals import Invoke
from actorq.codec import encode_failure
from actorq.config import suggest
from actorq.engine.protocol import Change, Settlement, StoredTask, Transaction
from actorq.errors import ActorqError, TaskRevoked
from actorq.log import get_logger
from actorq.messages.states import NUMBERS, REVOKED
from actorq.messages.task import ResultRecord
from actorq.messages.wire import Answer, Ask
from actorq.node.messages import EngineCall, Woken
from actorq.node.queue_questions import MAX_PEEK, describe_queues, describe_waiting, read_question

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from actorq.actors import Actor, NameRef
    from actorq.engine.protocol import LaneStats, Receipt
    from actorq.node.balancer import Balancer
    from actorq.node.committer import Committer
    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer
    from actorq.node.queue_questions import QueueQuestion

__all__ = ["Queues"]

log = get_logger(__name__)

STORE_DEADLINE_S: Final = 30.0
MOMENT_S: Final = 0.005  # until a read of the store that is under way is looked for again
CHUNK: Final = 2_000  # tasks in one transaction: bounds how long the store keeps others waiting
AT_ONCE: Final = 20_000  # tasks that one question may purge or move; whoever wants more asks again
MAX_CHANGES: Final = 100  # changes that wait for the one under way; more are turned away

_Step: TypeAlias = "Callable[[Callable[[Outcome], None]], object]"
_Steps: TypeAlias = "Generator[_Step, Any, Any]"


@dataclass(slots=True, eq=False)
class _Job:
    """A question under way."""

    steps: _Steps
    reply: Callable[[Answer], object]
    request: int
    verb: str


class Queues:
    """Belongs to the broker `owner`; see the module."""

    def __init__(
        self,
        owner: Actor,
        *,
        ledger: Ledger,
        slots: Mapping[str, SlotPeer],
        store: NameRef,
        balancer: Balancer,
        committer: Committer,
        push: Callable[[Sequence[ResultRecord]], object],
    ) -> None:
        self._owner, self._ledger, self._slots, self._store = owner, ledger, slots, store
        self._balancer, self._committer, self._push = balancer, committer, push
        self._changes: deque[_Job] = deque()  # the first is under way

    def ask(self, ask: Ask, reply: Callable[[Answer], object]) -> None:
        """Answer a question, at once or when it is done.

        Raises:
            ValueError: it isn't one.
        """
        question = read_question(ask.arguments)
        job = _Job(getattr(self, f"_{question.verb}")(question), reply, ask.request, question.verb)
        if question.verb in ("ls", "peek"):
            self._go_on(job, Outcome())
        elif len(self._changes) >= MAX_CHANGES:
            reply(Answer(ask.request, error="too many changes of queues at once; ask again"))
        else:
            self._changes.append(job)
            if len(self._changes) == 1:
                self._go_on(job, Outcome())

    def _go_on(self, job: _Job, outcome: Outcome) -> None:
        try:
            step = job.steps.send(outcome.value) if outcome.error is None else job.steps.throw(outcome.error)
        except StopIteration as end:
            answer = Answer(job.request, end.value)
        except ActorqError as error:
            answer = Answer(job.request, error=str(error))
        except Exception as error:  # one who asks mustn't end the broker
            log.exception("question_failed", command=f"queue {job.verb}")
            answer = Answer(job.request, error=f"queue {job.verb} failed: {error!r}")
        else:
            step(functools.partial(self._go_on, job))
            return
        job.reply(answer)
        if self._changes and self._changes[0] is job:
            self._changes.popleft()
            if self._changes:
                self._owner.timers.after(0.0, Invoke(self._go_on, self._changes[0], Outcome()))

    # -- looking -------------------------------------------------------------------------------------------------------

    def _ls(self, _: QueueQuestion) -> _Steps:
        stored: list[LaneStats] = yield self._call("lanes")
        ledger = self._ledger
        slots = [peer.desk for peer in self._slots.values()]
        running = {key for peer in self._slots.values() for key in peer.line.running_keys()}
        known = self._known(stored)
        lanes = ledger.lanes
        queues = describe_queues(
            known, stored=stored, in_memory=lanes.in_memory(), slots=slots, running=running, paused=lanes.paused
        )
        for queue in queues:
            first = (next(iter(window), None) for _, window in lanes.windows(queue["queue"]))
            sent = [each.message.sent_at for each in first if each is not None and each.message.sent_at]
            queue["oldest_at"] = min((*sent, *filter(None, [queue["oldest_at"]])), default=None)
        return {"queues": queues}

    def _peek(self, question: QueueQuestion) -> _Steps:
        name, limit = question.queue, min(question.limit or MAX_PEEK, MAX_PEEK)
        yield from self._check_known(name)
        stored: list[StoredTask] = yield self._call("peek", name, limit)
        found = [
            StoredTask(each.key, 0, each.deliveries, each.outbox_id, each.message)
            for _, window in self._ledger.lanes.windows(name)
            for each in list(window)[:limit]
        ]
        ready = found + [task for task in stored if task.due_at is None]
        ready.sort(
            key=lambda task: -task.message.priority
        )  # stable: a window is ahead of what the store has of its lane
        waiting = (ready + [task for task in stored if task.due_at is not None])[:limit]
        return {"tasks": [describe_waiting(task, body=question.bodies) for task in waiting]}

    # -- changing ------------------------------------------------------------------------------------------------------

    def _pause(self, question: QueueQuestion) -> _Steps:
        queue, lanes = question.queue, self._ledger.lanes
        lanes.hold(queue)  # before the store is told: a read that comes after that finds nothing, and would be believed
        try:
            yield self._call("pause", queue)
            lanes.pause(queue)
        finally:
            lanes.free(queue)
        log.info("queue_paused", queue=queue)
        yield functools.partial(self._withdraw, queue)
        running = sum(
            1
            for held, keys in [(peer.desk.held, peer.line.running_keys()) for peer in self._slots.values()]
            for key in keys & held.keys()
            if held[key].message.queue == queue
        )
        return {"paused": True, "running": running}

    def _resume(self, question: QueueQuestion) -> _Steps:
        yield self._call("resume", question.queue)
        was_paused = question.queue in self._ledger.lanes.paused
        self._ledger.lanes.resume(question.queue)
        if was_paused:
            log.info("queue_resumed", queue=question.queue)
        return {"paused": False, "was_paused": was_paused}

    def _purge(self, question: QueueQuestion) -> _Steps:
        queue, ledger, count = question.queue, self._ledger, 0
        yield from self._check_known(queue)
        revoked = TaskRevoked(f"purged with all that waited in queue {queue!r}")
        payload = encode_failure(revoked, "")
        try:
            yield from self._hold(queue)
            while count < AT_ONCE:
                tasks: list[StoredTask] = yield self._call("peek", queue, CHUNK)
                token, now = next(ledger.tokens), self._owner.clock.now()
                records = [ResultRecord(task.key, NUMBERS[REVOKED], payload, 0, now) for task in tasks]
                settled = [Settlement(record.key, token, record) for record in records]
                receipt: Receipt = yield self._call("commit", Transaction(settled=settled))
                refused = set(receipt.refused)
                ledger.ended_in_store(task for task in tasks if task.key not in refused)
                self._push([record for record in records if record.key not in refused])
                count += len(tasks) - len(refused)
                if len(tasks) < CHUNK:
                    break
        finally:
            ledger.lanes.free(queue)
        if count:
            log.info("queue_purged", queue=queue, tasks=count)
        return {"count": count, "more": count >= AT_ONCE}

    def _move(self, question: QueueQuestion) -> _Steps:
        queue, to, ledger, count = question.queue, question.to, self._ledger, 0
        yield from self._check_known(queue)
        limit = min(AT_ONCE, question.limit or AT_ONCE)
        try:
            yield from self._hold(queue)
            while count < limit:
                wanted = min(CHUNK, limit - count)
                tasks: list[StoredTask] = yield self._call("peek", queue, wanted)
                token = next(ledger.tokens)
                changed = [
                    Change(task.key, token, message=msgspec.structs.replace(task.message, queue=to), keep_lease=True)
                    for task in tasks
                ]
                receipt: Receipt = yield self._call("commit", Transaction(changed=changed))
                refused = set(receipt.refused)
                ready = [task for task in tasks if task.due_at is None and task.key not in refused]
                for task in ready:
                    ledger.lanes.left_lane(queue, task.message.priority)
                if ready:
                    # Through the mailbox: a read of that queue which the store did before must be heard of first.
                    self._owner.self_ref.tell(Woken({to: len(ready)}))
                count += len(tasks) - len(refused)
                if len(tasks) < wanted:
                    break
        finally:
            ledger.lanes.free(queue)
        if count:
            log.info("queue_moved", queue=queue, to=to, tasks=count)
        return {"count": count, "more": count >= AT_ONCE}

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _hold(self, queue: str) -> _Steps:
        """Have everything of a queue that doesn't run in the store, and nobody there has it leased."""
        lanes = self._ledger.lanes
        lanes.hold(queue)
        self._ledger.release_held()
        yield functools.partial(self._withdraw, queue)
        while lanes.is_refilling(queue):
            yield self._wait
        self._ledger.release_held()
        yield self._write

    def _check_known(self, queue: str) -> _Steps:
        """Refuse a queue that nobody has heard of.

        Raises:
            ActorqError: it is one.
        """
        known = self._known((yield self._call("lanes")))
        if queue not in known:
            names = ", ".join(sorted(known))
            raise ActorqError(f"expected one of the queues {names}, got {queue!r}{suggest(queue, known)}")

    def _known(self, stored: Sequence[LaneStats]) -> set[str]:
        lanes = self._ledger.lanes
        chosen = {name for peer in self._slots.values() if peer.desk.takes is not None for name in peer.desk.takes.only}
        return {*(lane.queue for lane in stored), *lanes.names, *lanes.paused, *chosen}

    def _call(self, method: str, *arguments: Any) -> _Step:
        return functools.partial(self._owner.ask_then, self._store, EngineCall(method, arguments), STORE_DEADLINE_S)

    def _withdraw(self, queue: str, go_on: Callable[[Outcome], None]) -> None:
        self._balancer.withdraw(queue, functools.partial(go_on, Outcome()))

    def _write(self, go_on: Callable[[Outcome], None]) -> None:
        self._committer.when_written(functools.partial(go_on, Outcome()))

    def _wait(self, go_on: Callable[[Outcome], None]) -> None:
        self._owner.timers.after(MOMENT_S, Invoke(go_on, Outcome()))
