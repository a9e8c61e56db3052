"""The durable store as an actor: the one thread that calls the engine, and the one that may wait for a disk.

Pinned, permanent, first in the tree. A batch is one message in and one out; while one transaction is being written the
broker gathers the next, so the batches grow with the load by themselves (group commit). On a node that isn't the hub it
is ignored until the node takes over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from actorq.actors import IGNORE, Actor, Refusal
from actorq.engine.sqlite import SqliteEngine
from actorq.errors import StoreFull
from actorq.log import get_logger
from actorq.node.batch import without_new_tasks
from actorq.node.dead_letters import answer_question, find_key
from actorq.node.messages import (
    AskDead,
    BeginEpoch,
    Commit,
    CommitRefused,
    Committed,
    EngineCall,
    Fetch,
    Fetched,
    Found,
    Lease,
    Leased,
    LookedUp,
    LookUp,
    Register,
    Registered,
    RegisterRefused,
    Reply,
    TasksDue,
    TasksExpire,
    Woken,
)

if TYPE_CHECKING:
    from actorq.actors import Ignored
    from actorq.config import Settings
    from actorq.engine.protocol import Engine, Opened
    from actorq.node.hub_lock import HubLock
    from actorq.transport.paths import Home

__all__ = ["Store"]

log = get_logger(__name__)


class Store(Actor):
    """Owns the engine of the home. `due` is told when tasks wait for a later time."""

    pinned: ClassVar[bool] = True
    # Opening a store after a crash reads its log, and every commit waits for a disk. A restart of the node makes no disk
    # faster; nobody waits for this loop but through messages.
    patience_s: ClassVar[float] = 50.0
    engine: Engine

    def init(self, *, home: Home, settings: Settings, lock: HubLock) -> Ignored | None:
        """Open the engine, if this process is the hub.

        Raises:
            StoreError: the store can't be used; the node doesn't start.
        """
        if not lock.acquire():
            return IGNORE
        self.engine = SqliteEngine(
            home.store, durability=settings.durability, clock=self.clock, result_expires_s=settings.result_expires_s
        )
        self._opened: Opened | None = self.engine.open()
        self._next_due_at: float | None = None
        return None

    def terminate(self, reason: object) -> None:
        """Close the engine; what wasn't committed is still in its senders' outboxes."""
        if hasattr(self, "engine"):
            self.engine.close()

    def on_begin_epoch(self, _: BeginEpoch) -> Opened:
        """Answer with a fresh epoch; the one that opening began is used first."""
        opened = self._opened or self.engine.begin_epoch()
        self._opened = None
        return opened

    def on_engine_call(self, call: EngineCall) -> Any:
        """Answer what the engine answers.

        Raises:
            Refusal: there is no room; that is no fault of the engine's, whoever asked may try again.
        """
        try:
            return getattr(self.engine, call.method)(*call.arguments)
        except StoreFull as error:
            raise Refusal(str(error)) from error

    def on_commit(self, message: Commit) -> None:
        """Write one transaction. Without room, what ended is written and the new tasks are refused."""
        transaction = message.sealed.transaction
        try:
            receipt = self.engine.commit(transaction)
        except StoreFull as error:
            receipt = self.engine.commit(without_new_tasks(transaction))
            message.reply_to.tell(CommitRefused(message.sealed, receipt, str(error)))
        else:
            message.reply_to.tell(Committed(message.sealed, receipt))
        if receipt.next_due_at is not None and receipt.next_due_at != self._next_due_at:
            self._next_due_at = receipt.next_due_at
            self.system.ref("timers").tell(TasksDue(receipt.next_due_at))
        if receipt.expires_at is not None:
            self.system.ref("janitor").tell(TasksExpire(receipt.expires_at))

    def on_lease(self, message: Lease) -> None:
        """Read ready tasks for the hub."""
        tasks = self.engine.lease([message.queue], message.limit)
        message.reply_to.tell(Leased(message.queue, tasks, len(tasks) < message.limit))

    def on_register(self, message: Register) -> None:
        """Give an outbox its number."""
        try:
            no, taken = self.engine.register_outbox(message.outbox_id)
        except StoreFull as error:
            message.reply_to.tell(RegisterRefused(message.outbox_id, str(error)))
        else:
            message.reply_to.tell(Registered(message.outbox_id, no, taken))

    def on_fetch(self, message: Fetch) -> None:
        """Read results of a range of keys."""
        limit = message.high - message.low + 1
        message.reply_to.tell(Fetched(message.context, self.engine.results_between(message.low, message.high, limit)))

    def on_look_up(self, message: LookUp) -> None:
        """Find tasks by id."""
        found = {task_id: self._find(task_id, with_dead=message.with_dead) for task_id in message.ids}
        message.reply_to.tell(LookedUp(message.context, found))

    def _find(self, task_id: str, *, with_dead: bool) -> Found:
        key = find_key(self.engine, task_id)
        if key is None:
            return Found()
        records, tasks = self.engine.results([key]), self.engine.load([key])
        dead = self.engine.load_dead([key]) if with_dead else []
        found = Found(None, next(iter(records), None), next(iter(tasks), None), next(iter(dead), None))
        return msgspec.structs.replace(found, key=key) if records or tasks else found

    def on_ask_dead(self, message: AskDead) -> None:
        """List, requeue or purge dead letters. The broker hears of tasks that are back before their asker does."""
        answer, revived = answer_question(self.engine, message.question, message.request)
        if revived:
            message.reply_to.tell(Woken(revived, revived=True))
        message.reply_to.tell(Reply(message.peer, answer))

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        if not hasattr(self, "engine"):
            return {"role": "not the hub"}
        statistics = self.engine.stats()
        return {"commits": statistics.commits, "bytes": statistics.bytes}
