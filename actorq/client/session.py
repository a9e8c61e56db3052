"""One process's dealings with one home: its outbox, its inbox and the link between them and the broker.

An application makes one lazily and drops it when it is closed or forked. Invariant: a session belongs to the process that
made it; after a fork the child abandons it and what it had sent is looked up by id.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from actorq.client.callbacks import Callbacks
from actorq.client.inbox import Inbox, Waiter
from actorq.client.link import Link
from actorq.client.orphans import find_outbox
from actorq.client.outbox import Outbox, holds
from actorq.client.why import explain
from actorq.codec import plan_acceptance
from actorq.errors import ActorqError, BrokerUnavailable, QueueFull, ResultTimeout, ResultUnknown
from actorq.messages.ids import format_task_id, parse_task_id
from actorq.messages.states import NUMBERS, PENDING, UNKNOWN

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from actorq.client.inbox import Arrivals
    from actorq.config import Settings
    from actorq.messages.task import ResultRecord
    from actorq.queue_rules import QueueRule
    from actorq.transport.paths import Home

__all__ = ["CONFIRM_S", "Session"]

CONFIRM_S: Final = 5.0  # how long callers wait for a commit, or for an order to be carried out
STATE_S: Final = 5.0  # how long a question for a state may take: longer than a hub's hand-over
LAST_WORD_S: Final = 0.25  # how long a timed-out get() may take on top, to say what is known
IDS: Final = 1_000  # task ids in one question
_UNKNOWN: Final = NUMBERS[UNKNOWN]


class Session:
    """Safe to use from any thread."""

    def __init__(self, home: Home, conf: Settings, command: str, carries: str = "") -> None:
        self.home = home
        self.accept = plan_acceptance(conf)  # what results are decoded from
        bounds = {"max_tasks": conf.outbox_max_tasks, "max_bytes": conf.outbox_max_bytes}
        self.outbox = Outbox(home, wake=self._wake, carries=carries, **bounds)
        self.inbox = Inbox(self._hurry, lambda: self.outbox.last)
        self.link = Link(home, self.outbox, self.inbox, command)
        self.callbacks = Callbacks()
        self.outbox_id = self.outbox.outbox_id
        self.successor: Callable[[], Session] | None = None  # set once this one is over

    def _wake(self) -> None:
        self.link.wake()

    def _hurry(self) -> None:
        self.link.hurry()

    def find_key(self, task_id: str) -> int | str:
        """Return the number of one of our own tasks, else the id."""
        parsed = parse_task_id(task_id)
        if parsed is not None and parsed[0] == self.outbox_id and 0 < parsed[1] <= self.outbox.last:
            return parsed[1]
        return task_id

    def find_id(self, key: int | str) -> str:
        """Return the id by which the broker knows the task."""
        return key if isinstance(key, str) else format_task_id(self.outbox_id, key)

    # -- results ------------------------------------------------------------------------------------------------------

    def wait(self, key: int | str, timeout_s: float | None) -> ResultRecord:
        """Return the result of a task as soon as it is there.

        Raises:
            ResultTimeout: it isn't within `timeout_s`. ResultUnknown: there is no such task.
        """
        found = self.inbox.take(key) or self.inbox.enlist(key)
        if not isinstance(found, Waiter):
            return found
        try:
            self.link.ensure()
            found.lock.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))
        finally:
            self.inbox.withdraw(found)
        if found.record is None:
            assert timeout_s is not None
            raise self.make_timeout(key, timeout_s)
        return self.check_known(key, found.record)

    async def wait_async(self, key: int | str, loop: asyncio.AbstractEventLoop) -> ResultRecord:
        """Return the result as soon as it is there, without blocking `loop`.

        Raises:
            ResultUnknown: there is no such task.
        """
        found = self.inbox.take(key) or self.inbox.enlist(key, loop)
        if not isinstance(found, Waiter):
            return found
        self.link.ensure()
        assert found.future is not None
        try:
            await found.future
        finally:
            self.inbox.withdraw(found)
        assert found.record is not None
        return self.check_known(key, found.record)

    def enlist(self, key: int | str, arrivals: Arrivals) -> Waiter | ResultRecord:
        """Return the result, or somebody who is put into `arrivals` when it is there; `withdraw` whom you don't want."""
        found = self.inbox.take(key) or self.inbox.enlist(key, arrivals=arrivals)
        if isinstance(found, Waiter):
            self.link.ensure()
        return found

    def make_timeout(self, key: int | str, timeout_s: float, among: str = "") -> ResultTimeout:
        """Return the error for a wait that was too long; `among` says of how many it was one."""
        return ResultTimeout(self.find_id(key), timeout_s, among + self._tell_known(key, timeout_s))

    def check_known(self, key: int | str, record: ResultRecord) -> ResultRecord:
        """Return the record of a task that has ended.

        Raises:
            ResultUnknown: it says that there is no such task.
        """
        if record.state == _UNKNOWN:
            raise ResultUnknown(self.find_id(key))
        return record

    # -- states -------------------------------------------------------------------------------------------------------

    def get_facts(self, key: int | str, timeout_s: float = STATE_S) -> dict[str, Any]:
        """Return what the broker says about a task: `state` and, as far as it knows, `queue`, `started_at` and others.

        Raises:
            BrokerUnavailable: nobody answers, and the task isn't in an outbox of this home either.
        """
        return self.get_facts_of([key], timeout_s)[key]

    def get_facts_of(self, keys: Sequence[int | str], timeout_s: float = STATE_S) -> dict[int | str, dict[str, Any]]:
        """Return the same for many tasks, with one question for each `IDS` of them; `timeout_s` is for each question.

        Raises:
            BrokerUnavailable: nobody answers, and one of them isn't in an outbox of this home either.
        """
        known: dict[int | str, dict[str, Any]] = {}
        if not self.link.is_connected:
            confirmed = self.outbox.confirmed
            known = {key: {"state": PENDING} for key in keys if isinstance(key, int) and key > confirmed}
        asked = [key for key in keys if key not in known]
        for start in range(0, len(asked), IDS):
            known.update(self._ask_facts(asked[start : start + IDS], timeout_s))
        return known

    def _ask_facts(self, keys: Sequence[int | str], timeout_s: float) -> dict[int | str, dict[str, Any]]:
        ids = [self.find_id(key) for key in keys]
        try:
            answer = self.link.ask("task_state", {"ids": ids}, timeout_s, repeat=True) or {}
        except BrokerUnavailable:
            if not all(self._is_accepted(key) for key in keys):
                raise
            return {key: {"state": PENDING} for key in keys}
        known: dict[int | str, dict[str, Any]] = {}
        for key, task_id in zip(keys, ids, strict=True):
            facts = answer.get(task_id) or {"state": UNKNOWN}
            is_on_its_way = facts.get("state") == UNKNOWN and self._is_accepted(key)
            known[key] = {**facts, "state": PENDING} if is_on_its_way else facts
        return known

    def _is_accepted(self, key: int | str) -> bool:
        """Return whether the task waits in an outbox of this home."""
        if isinstance(key, int):
            return key > self.outbox.confirmed
        parsed = parse_task_id(key)
        return parsed is not None and holds(self.home, *parsed)

    def _tell_known(self, key: int | str, timeout_s: float) -> str:
        """Return one line for somebody whose get() timed out."""
        if not self.link.is_connected:
            lost = "it was not confirmed, and " if self._is_accepted(key) else ""
            kept = "; it is kept in the outbox" if lost and not self.outbox.is_in_memory else ""
            how = self.link.unavailable(timeout_s).hint
            return f"{lost}nobody answers at {self.home.path}{kept}; {how}"
        if isinstance(key, int) and key > self.outbox.confirmed:
            return f"the node at {self.home.path} has not confirmed it yet"
        try:
            facts = self.link.ask("task_facts", {"id": self.find_id(key)}, LAST_WORD_S, repeat=True) or {}
        except ActorqError as error:
            return f"it was confirmed, and the node says nothing more about it: {error}"
        if facts.get("where") == "nowhere" and isinstance(key, str):
            facts["outbox"] = find_outbox(self.home, key)
        return "; ".join(explain(facts, time.time()))

    # -- a queue at its bound ------------------------------------------------------------------------------------------

    def admit(self, rule: QueueRule) -> None:
        """Let a send go on, wait or raise, where the broker has refused what was sent before.

        Raises:
            QueueFull: there is no room, and the rule says to raise, or to wait no longer. Nothing was sent.
        """
        refusal = self.link.refusal
        if refusal is None or rule.on_full == "keep":
            return
        if rule.on_full == "wait":
            self.link.wait_admitted(rule.wait_s)
        elif isinstance(refusal[1], QueueFull):
            raise refusal[1]

    # -- the rest -----------------------------------------------------------------------------------------------------

    def confirm(self, key: int | str, timeout_s: float) -> None:
        """Wait until a task is committed.

        Raises:
            BrokerUnavailable: nobody did within `timeout_s`. ResultUnknown: there is no such task.
        """
        if isinstance(key, int):
            self.link.wait_confirmed(key, timeout_s)
            return
        answer = self.link.ask("task_state", {"ids": [key]}, timeout_s, repeat=True)
        if ((answer or {}).get(key) or {}).get("state", UNKNOWN) == UNKNOWN:
            raise ResultUnknown(key)

    def forget(self, keys: Sequence[int | str], timeout_s: float = STATE_S) -> None:
        """Have the broker drop results, with one question for each `IDS` of them.

        Raises:
            BrokerUnavailable: nobody answered.
        """
        for start in range(0, len(keys), IDS):
            part = keys[start : start + IDS]
            for key in part:
                self.inbox.take(key)
            self.link.ask("forget", {"ids": [self.find_id(key) for key in part]}, timeout_s, repeat=True)

    def let_go(self, task_id: str) -> None:
        """Drop a result that has come and that nobody has taken yet; whoever asks next gets it from the broker."""
        self.inbox.take(self.find_key(task_id))

    def close(self, timeout_s: float, successor: Callable[[], Session]) -> None:
        """Ship what is there within `timeout_s` and leave the rest in the outbox."""
        self.successor = successor
        self.callbacks.close()
        self.link.stop(timeout_s)
        self.outbox.close()

    def abandon(self, successor: Callable[[], Session]) -> None:
        """In a forked child: this session is the parent's."""
        self.successor = successor
        self.outbox.abandon()
        self.link.abandon()
