"""What a caller holds of a task: its id, and ways to learn how it ended.

Invariant: asking twice gives the same answer; the record of a terminal state is kept here once it was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import msgspec

from actorq.codec import decode_failure, decode_result
from actorq.errors import Reject, RemoteError, TaskRevoked, WouldBlock
from actorq.messages.states import FAILURE, NAMES, NUMBERS, READY_STATES, REJECTED, REVOKED, SUCCESS
from actorq.tasks.request import current

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from actorq.client.session import Session  # noqa: TC004  no result is ever encoded, so nobody looks its types up
    from actorq.messages.task import ResultRecord  # noqa: TC004
    from actorq.tasks.request import Request

__all__ = ["AsyncResult", "EagerResult"]

R = TypeVar("R")
_SUCCESS: Final = NUMBERS[SUCCESS]
CONFIRM_S: Final = 5.0


class AsyncResult(msgspec.Struct, Generic[R], eq=False, gc=False):
    """The result of a task that was sent. Made by `delay()`, or from an id by `app.AsyncResult(id)`.

    A Struct for its price: a loop of sends makes a hundred thousand, which the garbage collector would look through again
    and again. Nothing that a result holds leads back to it, so it needn't.
    """

    _session: Session
    _key: int | str
    _alias: str | None = None
    _record: ResultRecord | None = None

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
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Wait for the end of the task and return its value, or raise what it raised.

        `propagate=False` returns the exception instead. `callback(id, value)` is called before it returns.

        Raises:
            ResultTimeout: it isn't finished within `timeout` seconds; the message says what is known.
            ResultUnknown: no such task was ever accepted here, or its result has expired.
            WouldBlock: called inside a task, which may wait for itself; `disable_sync_subtasks=False` allows it.
        """
        record = self._record
        if record is None:
            if disable_sync_subtasks:
                request = current.get()
                if request is not None and request.in_slot:
                    raise _would_block(request)
            session = self._session
            if session.successor is not None:
                session = self._get_session()
            record = self._record = session.inbox.take(self._key) or session.wait(self._key, timeout)
        if record.state == _SUCCESS:
            value: R = decode_result(record.codec_id, record.payload)
        else:
            value = cast("R", self._fail(record, propagate=propagate))
        if callback is not None:
            callback(self.id, value)
        return value

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
        return self.state in READY_STATES

    def successful(self) -> bool:
        """Return whether the task has ended well."""
        return self.state == SUCCESS

    def failed(self) -> bool:
        """Return whether the task has ended with an exception."""
        return self.state == FAILURE

    @property
    def state(self) -> str:
        """The name of the task's state now; see `actorq.states`."""
        record = self._look()
        if record is not None:
            return NAMES[record.state]
        return str(self._get_session().get_facts(self._key)["state"])

    status = state

    @property
    def result(self) -> R | BaseException | None:
        """The value, or the exception, or None while there is neither."""
        if self._look() is None and not self.ready():
            return None
        return self.get(propagate=False)

    @property
    def traceback(self) -> str | None:
        """The text of the traceback where the task failed, else None."""
        if self._look() is None:
            if not self.failed():
                return None
            self.get(propagate=False)
        record = self._record
        if record is None or record.state == _SUCCESS or not record.payload:
            return None
        return decode_failure(record.payload)[1] or None

    def forget(self) -> None:
        """Drop the result here and in the store."""
        self._record = None
        self._get_session().forget(self._key)

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
        error, text = rebuild_failure(record)
        if propagate:
            if text:
                error.add_note(f"\nin the slot that ran task {self.id}:\n{text.rstrip()}")
            raise error
        return error

    def __eq__(self, other: object) -> bool:
        return self.id == (other if isinstance(other, str) else getattr(other, "id", None))

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<AsyncResult {self.id}>"


class EagerResult(Generic[R]):
    """The result of a task that ran here and has ended: of `task.apply()`, or of a send under `task_always_eager`."""

    def __init__(
        self,
        task_id: str,
        state: str,
        value: R | BaseException | None,
        text: str | None = None,
        *,
        was_sent: bool = False,
    ) -> None:
        """Keep it all; `was_sent`: it stands for a result from a node, and is as strict."""
        self.id, self.state, self.result, self.traceback = task_id, state, value, text
        self._was_sent = was_sent

    @property
    def task_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def status(self) -> str:
        """The same as `state`."""
        return self.state

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        *,
        callback: Callable[[str, R], object] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Return the value, or raise what the task raised. There is nothing to wait for.

        Raises:
            WouldBlock: see `AsyncResult.get`; only where the task was sent, `apply` is a call.
        """
        request = current.get()
        if request is not None and self._was_sent and disable_sync_subtasks and (request.is_eager or request.in_slot):
            raise _would_block(request)
        value = self._end(propagate=propagate)
        if callback is not None:
            callback(self.id, value)
        return value

    def _end(self, *, propagate: bool) -> R:
        if self.state != SUCCESS and propagate and isinstance(self.result, BaseException):
            raise self.result
        return cast("R", self.result)

    def ready(self) -> bool:
        """Return True: it has run."""
        return True

    def successful(self) -> bool:
        """Return whether it ended well."""
        return self.state == SUCCESS

    def failed(self) -> bool:
        """Return whether it ended with an exception."""
        return self.state == FAILURE

    def forget(self) -> None:
        """Do nothing: it was never stored."""

    def confirm(self, timeout: float = CONFIRM_S) -> None:
        """Do nothing: it was never sent."""

    def __await__(self) -> Generator[Any, None, R]:
        """Return the value like `get`."""
        yield from ()
        return self._end(propagate=True)

    def __eq__(self, other: object) -> bool:
        return self.id == (other if isinstance(other, str) else getattr(other, "id", None))

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<EagerResult {self.id} {self.state}>"


def rebuild_failure(record: ResultRecord) -> tuple[BaseException, str]:
    """Return `(exception, traceback_text)` of a record that isn't a success."""
    if record.payload:
        return decode_failure(record.payload)
    state = NAMES[record.state]
    if state == REVOKED:
        return TaskRevoked("the task was cancelled, or expired before it could start"), ""
    if state == REJECTED:
        return Reject(), ""
    return RemoteError("unknown", f"the task ended as {state}; what it raised was not kept (ignore_result)"), ""


def _would_block(request: Request) -> WouldBlock:
    return WouldBlock(
        "expected get() to be called outside of tasks, got it inside task "
        f"{request.task}: its slot would wait and do nothing; use await in a coroutine task, "
        "or get(disable_sync_subtasks=False)"
    )
