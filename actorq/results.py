"""What a caller holds of a task: its id, and ways to learn how it ended.

Invariant: asking twice gives the same answer; the record of a terminal state is kept here once it was seen.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast

import msgspec

from actorq.client.following import follow, read_meta
from actorq.client.inbox import Waiter
from actorq.client.revoking import revoke
from actorq.client.session import CONFIRM_S
from actorq.codec import decode_failure, decode_result
from actorq.eager_result import EagerResult
from actorq.endings import OneResult, call_back, has_ended, name_state, rebuild_failure, refuse_in_slot
from actorq.errors import ResultUnknown, TaskIgnored
from actorq.messages.states import NUMBERS, SUCCESS, UNKNOWN
from actorq.messages.updates import LAST_UPDATE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from actorq.client.inbox import Arrivals
    from actorq.client.session import Session  # noqa: TC004  no result is ever encoded, so nobody looks its types up
    from actorq.errors import ResultTimeout
    from actorq.messages.task import ResultRecord  # noqa: TC004

__all__ = ["AsyncResult", "EagerResult"]

R = TypeVar("R")
_SUCCESS: Final = NUMBERS[SUCCESS]
_UNKNOWN: Final = NUMBERS[UNKNOWN]


class AsyncResult(OneResult, msgspec.Struct, Generic[R], eq=False, gc=False):
    """The result of a task that was sent. Made by `delay()`, or from an id by `app.AsyncResult(id)`.

    A Struct for its price: a loop of sends makes a hundred thousand, which the garbage collector would look through again
    and again. Nothing that a result holds leads back to it, so it needn't.
    """

    _session: Session
    _key: int | str
    _alias: str | None = None
    _record: ResultRecord | None = None
    _parent: str | None = None

    @property
    def id(self) -> str:
        """The task's id: the one that was chosen for it, else its own."""
        return self._alias or self._session.find_id(self._key)

    task_id = id

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        *,
        callback: Callable[[str, R], object] | None = None,
        on_update: Callable[[str, Any], object] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Wait for the end of the task and return its value, or raise what it raised.

        `propagate=False` returns the exception instead. `callback(id, value)` is called before it returns; meanwhile
        `on_update(state, meta)` with what the task says of itself, as in `updates`. `interval` is there for callers of Celery:
        results are pushed, nobody polls.

        Raises:
            ResultTimeout: it isn't finished within `timeout` seconds; the message says what is known.
            ResultUnknown: no such task was ever accepted here, or its result has expired.
            WouldBlock: called inside a task, which may wait for itself; `disable_sync_subtasks=False` allows it.
        """
        record = self._record
        if record is None:
            if disable_sync_subtasks:
                refuse_in_slot("get")
            session = self._session
            if session.successor is not None:
                session = self._get_session()
            if on_update is not None:
                for state, meta in self.updates(timeout, disable_sync_subtasks=disable_sync_subtasks):
                    on_update(state, meta)
            record = self._record
            if record is None:
                record = self._record = session.inbox.take(self._key) or session.wait(self._key, timeout)
        if record.state == _SUCCESS:
            value: R = decode_result(record.codec_id, record.payload, self._session.accept)
        else:
            value = cast("R", self._fail(record, propagate=propagate))
        if callback is not None:
            callback(self.id, value)
        return value

    def updates(
        self, timeout: float | None = None, *, disable_sync_subtasks: bool = True
    ) -> Generator[tuple[str, Any], None, None]:
        """Yield `(state, meta)` of what the running task says by `update_state`, as it comes, until it has ended.

        Whoever is slow gets the newest, not all.

        Raises:
            ResultTimeout, ResultUnknown, WouldBlock: as `get`.
        """
        if self._look() is None:
            if disable_sync_subtasks:
                refuse_in_slot("updates")
            self._record = yield from follow(self._get_session(), self._key, timeout)

    def __await__(self) -> Generator[Any, None, R]:
        """Wait for the end of the task without blocking the running loop."""
        if self._record is None:
            import asyncio  # noqa: PLC0415  whoever awaits has loaded it

            waiting = self._get_session().wait_async(self._key, asyncio.get_running_loop())
            self._record = yield from waiting.__await__()
        return self.get()

    def confirm(self, timeout: float = CONFIRM_S) -> None:
        """Wait until the broker has committed the task.

        Raises:
            BrokerUnavailable: nobody did within `timeout` seconds; the task stays in the outbox.
            QueueFull, StoreFull: the broker refuses it for now; the task stays in the outbox.
        """
        self._get_session().confirm(self._key, timeout)

    def ready(self) -> bool:
        """Return whether the task has ended, in whatever way."""
        return self._look() is not None or has_ended(self._find_facts())

    @property
    def state(self) -> str:
        """The name of the task's state now; see `actorq.states`."""
        record = self._look()
        if record is not None:
            return name_state(record)
        return str(self._find_facts()["state"])

    status = state

    @property
    def result(self) -> R | BaseException | None:
        """The value, or the exception; what the task says of itself by `update_state`, while it runs or as its last word."""
        record = self._look()
        if record is None:
            facts = self._find_facts()
            if not has_ended(facts):
                return cast("R | None", read_meta(facts, self._session.accept))
        value = self.get(propagate=False)
        return value.meta if isinstance(value, TaskIgnored) and value.meta is not None else value

    info = result

    @property
    def traceback(self) -> str | None:
        """The text of the traceback where the task failed, else None."""
        if self._look() is None:
            if not self.failed():
                return None
            self.get(propagate=False)
        record = self._record
        if record is None or record.state == _SUCCESS or record.codec_id == LAST_UPDATE or not record.payload:
            return None
        return decode_failure(record.payload)[1] or None

    # -- what it comes from, and what came of it -----------------------------------------------------------------------

    @property
    def parent(self) -> AsyncResult[Any] | None:
        """The result of the task that sent this one; None where none did, or where nobody knows (any more)."""
        record = self._look()
        task_id = self._parent or (self._find_facts().get("parent") if record is None else record.parent)
        return self._relate(task_id) if task_id else None

    @property
    def children(self) -> list[AsyncResult[Any]]:
        """The results of the tasks that its last run has sent, the first 1,000; none before it has ended."""
        record = self._look()
        ids = self._find_facts().get("children") if record is None else record.children
        return [self._relate(task_id).after(self.id) for task_id in ids or ()]

    def after(self, parent_id: str) -> Self:
        """Note here which task it comes from, and return it."""
        self._parent = parent_id
        return self

    def collect(
        self, timeout: float | None = None, *, propagate: bool = True, disable_sync_subtasks: bool = True
    ) -> Iterator[tuple[AsyncResult[Any], Any]]:
        """Wait for the task, then for those it sent, then for those they sent, and yield `(result, value)` of each.

        Breadth first, each once. `timeout` is for each.

        Raises:
            As `get`.
        """
        waiting: deque[AsyncResult[Any]] = deque([self])
        seen = {self.id}
        while waiting:
            result = waiting.popleft()
            yield result, result.get(timeout, propagate, disable_sync_subtasks=disable_sync_subtasks)
            fresh = [child for child in result.children if child.id not in seen]
            seen.update(child.id for child in fresh)
            waiting.extend(fresh)

    def as_tuple(self) -> tuple[Any, None]:
        """Return plain data from which `actorq.result_from_tuple` makes it again: `((id, parent), None)`."""
        parent = self._parent or (self._record.parent if self._record is not None else "")
        return (self.id, ((parent, None), None) if parent else None), None

    def _relate(self, task_id: str) -> AsyncResult[Any]:
        session = self._get_session()
        return AsyncResult(session, session.find_key(task_id), task_id)

    def _find_facts(self) -> dict[str, Any]:
        return self._get_session().get_facts(self._key)

    def forget(self) -> None:
        """Drop the result here and in the store."""
        self._record = None
        self._get_session().forget([self._key])

    def revoke(self, terminate: bool = False, signal: str = "SIGTERM", *, timeout: float = CONFIRM_S) -> str:
        """Cancel the task, durably on return, and return what became of it; see `actorq.client.revoking.Revoked`.

        One that runs goes on, unless `terminate`: then its slot's process is ended by `signal`.

        Raises:
            BrokerUnavailable: no node answered within `timeout` seconds. ValueError: that isn't such a signal.
        """
        session = self._get_session()
        task_id = session.find_id(self._key)
        return revoke(session.link.ask, [task_id], timeout, terminate=terminate, signal=signal).fates[task_id]

    def then(
        self, callback: Callable[[Self], object], on_error: Callable[[BaseException], object] | None = None
    ) -> Self:
        """Have `callback(result)` called when the task has ended, in whatever way: at once where that is known here.

        With `on_error`, `callback` is for success only: `on_error(exception)` is called with what the task raised, or
        with what `callback` raised. Later calls come one after the other in a thread of their own, which may wait for
        other results; what they raise is logged. A process that ends, or closes its application, calls nobody.
        """

        def settle(record: ResultRecord) -> None:
            if record.state != _UNKNOWN:
                self._record = record
            call_back(self, self._raise_failure, callback, on_error)

        record = self._look()
        if record is None:
            session = self._get_session()
            call = session.callbacks.expect(self.id, settle)
            found = session.enlist(self._key, call)
            if isinstance(found, Waiter):
                return self
            session.callbacks.withdraw()
            record = found
        settle(record)
        return self

    def _raise_failure(self) -> None:
        if self._record is None:
            raise ResultUnknown(self.id)
        if self._record.state != _SUCCESS:
            self.get()

    # -- for actorq.result_set, which waits for many ------------------------------------------------------------------

    def _wait_in(self, arrivals: Arrivals) -> Waiter | None:
        """Have a waiter put into `arrivals` when the task has ended; None where it has."""
        if self._look() is not None:
            return None
        found = self._get_session().enlist(self._key, arrivals)
        if isinstance(found, Waiter):
            return found
        self._record = found
        return None

    def _accept(self, waiter: Waiter) -> None:
        """Keep what a waiter of `_wait_in` has got.

        Raises:
            ResultUnknown: there is no such task.
        """
        assert waiter.record is not None
        if waiter.record.state == _UNKNOWN:
            raise ResultUnknown(self.id)
        self._record = waiter.record

    def _give_up(self, waiter: Waiter) -> None:
        """Nobody waits any more."""
        self._session.inbox.withdraw(waiter)

    def _make_timeout(self, timeout_s: float, among: str) -> ResultTimeout:
        """Return the error for a wait for many that was too long; `among` says of how many this is one."""
        return self._get_session().make_timeout(self._key, timeout_s, among)

    def _has_come(self) -> bool:
        """Return whether the result is here, so that nobody has to be asked."""
        return self._look() is not None

    def _locate(self) -> tuple[Session, int | str]:
        """Return whom to ask about the task, and by which key."""
        return self._get_session(), self._key

    def _drop(self) -> None:
        """Keep nothing of the result here."""
        self._record = None

    def _get_session(self) -> Session:
        """Return the session to ask. After a fork, or a close of the application, the task is one of another's."""
        session = self._session
        if session.successor is not None:
            task_id = session.find_id(self._key)
            session = self._session = session.successor()
            self._key = session.find_key(task_id)
        return session

    def _look(self) -> ResultRecord | None:
        if self._record is None:
            self._record = self._get_session().inbox.take(self._key)
        return self._record

    def _fail(self, record: ResultRecord, *, propagate: bool) -> BaseException:
        error, text = rebuild_failure(record, self._session.accept)
        if propagate:
            if text:
                error.add_note(f"\nin the slot that ran task {self.id}:\n{text.rstrip()}")
            raise error
        return error

    def __repr__(self) -> str:
        return f"<AsyncResult {self.id}>"
