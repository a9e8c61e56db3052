"""What results have in common when it comes to the end of a task: its error, who is told, and who may wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from actorq.codec import decode_failure, decode_result
from actorq.errors import Reject, RemoteError, TaskIgnored, TaskRevoked, WouldBlock
from actorq.messages.states import FAILURE, IGNORED, NAMES, READY_STATES, REJECTED, REVOKED, SUCCESS
from actorq.messages.updates import LAST_UPDATE, read_update
from actorq.tasks.request import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actorq.codec import Acceptance
    from actorq.messages.task import ResultRecord
    from actorq.tasks.request import Request

__all__ = ["OneResult", "call_back", "has_ended", "name_state", "rebuild_failure", "refuse_in_slot", "would_block"]

T = TypeVar("T")


class OneResult:
    """What holds for the result of one task, wherever it ran: it is its id to whoever compares or prints it."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def id(self) -> str: ...
        @property
        def state(self) -> str: ...

    def successful(self) -> bool:
        """Return whether the task has ended well."""
        return self.state == SUCCESS

    def failed(self) -> bool:
        """Return whether the task has ended with an exception."""
        return self.state == FAILURE

    def __eq__(self, other: object) -> bool:
        return self.id == (other if isinstance(other, str) else getattr(other, "id", None))

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id


def call_back(
    ended: T,
    raise_failure: Callable[[], object],
    callback: Callable[[T], object],
    on_error: Callable[[BaseException], object] | None,
) -> None:
    """Call `callback(ended)`; where there is an `on_error`, that one with what `raise_failure` or the callback raises."""
    if on_error is None:
        callback(ended)
        return
    try:
        raise_failure()
        callback(ended)
    except Exception as error:  # noqa: BLE001  whatever it is, it is handed on
        on_error(error)


def refuse_in_slot(what: str) -> None:
    """Raise WouldBlock where a task runs in a slot: it would wait for other tasks, and they perhaps for its slot."""
    request = current.get()
    if request is not None and request.in_slot:
        raise would_block(request, what)


def rebuild_failure(record: ResultRecord, accept: Acceptance) -> tuple[BaseException, str]:
    """Return `(exception, traceback_text)` of a record that isn't a success."""
    if record.codec_id == LAST_UPDATE:
        update = read_update(record.payload)
        return TaskIgnored(update.state, decode_result(update.codec_id, update.meta, accept)), ""
    if record.payload:
        return decode_failure(record.payload)
    state = NAMES[record.state]
    if state == REVOKED:
        return TaskRevoked("the task was cancelled, or expired before it could start"), ""
    if state == REJECTED:
        return Reject(), ""
    if state == IGNORED:
        return TaskIgnored(), ""
    return RemoteError("unknown", f"the task ended as {state}; what it raised was not kept (ignore_result)"), ""


def name_state(record: ResultRecord) -> str:
    """Return the name of the state in which a task has ended: one of its own, if it said so."""
    return read_update(record.payload).state if record.codec_id == LAST_UPDATE else NAMES[record.state]


def has_ended(facts: Mapping[str, Any]) -> bool:
    """Return whether a task has ended, by what the broker says of it; its state may be one of its own."""
    return facts["state"] in READY_STATES or "finished_at" in facts


def would_block(request: Request, what: str) -> WouldBlock:
    """Return the error for a blocking wait inside the task of `request`."""
    return WouldBlock(
        f"expected {what}() to be called outside of tasks, got it inside task "
        f"{request.task}: its slot would wait and do nothing; use await in a coroutine task, "
        f"or {what}(disable_sync_subtasks=False)"
    )
