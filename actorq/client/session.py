"""One process's dealings with one home: its outbox, its inbox and the link between them and the broker.

An application makes one lazily and drops it when it is closed or forked. Invariant: a session belongs to the process that
made it; after a fork the child abandons it and what it had sent is looked up by id.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from actorq.client.inbox import Inbox, Waiter
from actorq.client.link import Link
from actorq.client.outbox import Outbox, holds
from actorq.errors import ActorqError, BrokerUnavailable, ResultTimeout, ResultUnknown
from actorq.messages.ids import format_task_id, parse_task_id
from actorq.messages.states import NUMBERS, PENDING, UNKNOWN

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from actorq.config import Settings
    from actorq.messages.task import ResultRecord
    from actorq.transport.paths import Home

__all__ = ["Session"]

STATE_S: Final = 5.0  # how long a question for a state may take: longer than a hub's hand-over
LAST_WORD_S: Final = 0.25  # how long a timed-out get() may take on top, to say what is known
_UNKNOWN: Final = NUMBERS[UNKNOWN]


class Session:
    """Safe to use from any thread."""

    def __init__(self, home: Home, conf: Settings, command: str) -> None:
        self.home = home
        self.outbox = Outbox(home, wake=self._wake, max_tasks=conf.outbox_max_tasks, max_bytes=conf.outbox_max_bytes)
        self.inbox = Inbox(self._hurry, lambda: self.outbox.last)
        self.link = Link(home, self.outbox, self.inbox, command)
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
            raise ResultTimeout(self.find_id(key), timeout_s, self._tell_known(key, timeout_s))
        return self._known(key, found.record)

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
        return self._known(key, found.record)

    def _known(self, key: int | str, record: ResultRecord) -> ResultRecord:
        if record.state == _UNKNOWN:
            raise ResultUnknown(self.find_id(key))
        return record

    # -- states -------------------------------------------------------------------------------------------------------

    def get_facts(self, key: int | str, timeout_s: float = STATE_S) -> dict[str, Any]:
        """Return what the broker says about a task: `state` and, as far as it knows, `queue`, `started_at` and others.

        Raises:
            BrokerUnavailable: nobody answers, and the task isn't in an outbox of this home either.
        """
        task_id = self.find_id(key)
        if isinstance(key, int) and key > self.outbox.confirmed and not self.link.is_connected:
            return {"state": PENDING}
        try:
            answer = self.link.ask("task_state", {"ids": [task_id]}, timeout_s, repeat=True)
        except BrokerUnavailable:
            if self._is_accepted(key):
                return {"state": PENDING}
            raise
        facts: dict[str, Any] = (answer or {}).get(task_id) or {"state": UNKNOWN}
        return {**facts, "state": PENDING} if facts.get("state") == UNKNOWN and self._is_accepted(key) else facts

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
            answer = self.link.ask("task_state", {"ids": [self.find_id(key)]}, LAST_WORD_S, repeat=True)
        except ActorqError as error:
            return f"it was confirmed, and the node says nothing more about it: {error}"
        return describe((answer or {}).get(self.find_id(key)) or {})

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

    def forget(self, key: int | str, timeout_s: float = STATE_S) -> None:
        """Have the broker drop the result.

        Raises:
            BrokerUnavailable: nobody answered.
        """
        self.inbox.take(key)
        self.link.ask("forget", {"ids": [self.find_id(key)]}, timeout_s, repeat=True)

    def let_go(self, task_id: str) -> None:
        """Drop a result that has come and that nobody has taken yet; whoever asks next gets it from the broker."""
        self.inbox.take(self.find_key(task_id))

    def close(self, timeout_s: float, successor: Callable[[], Session]) -> None:
        """Ship what is there within `timeout_s` and leave the rest in the outbox."""
        self.successor = successor
        self.link.stop(timeout_s)
        self.outbox.close()

    def abandon(self, successor: Callable[[], Session]) -> None:
        """In a forked child: this session is the parent's."""
        self.successor = successor
        self.outbox.abandon()
        self.link.abandon()


def describe(facts: dict[str, Any]) -> str:
    """Return one line about a task from what the broker knows of it."""
    state = facts.get("state", UNKNOWN)
    running_s, eta = facts.get("running_s"), facts.get("eta")
    if running_s is not None:
        return f"it has been running for {running_s:.1f} s in slot {facts.get('slot', '?')}"
    if eta and eta > time.time():
        return f"it is due in {eta - time.time():.1f} s"
    if state == PENDING:
        ahead = facts.get("ahead")
        behind = f" behind {ahead} others" if ahead else ""
        return f"it is queued in {facts.get('queue', 'its queue')!r}{behind}; is a node running with free slots?"
    if state == UNKNOWN:
        return "the node doesn't know it: its result was forgotten or has expired"
    return f"its state is {state}"
