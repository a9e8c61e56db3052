"""The result of a task that ran in its caller's process: a result like any other, except that there is nothing to wait for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from actorq.client.session import CONFIRM_S
from actorq.endings import OneResult, call_back, would_block
from actorq.errors import TaskIgnored
from actorq.messages.states import SUCCESS
from actorq.tasks.request import current

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from actorq.tasks.request import Request

__all__ = ["EagerResult"]

R = TypeVar("R")


class EagerResult(OneResult, Generic[R]):
    """The result of a task that ran here and has ended: of `task.apply()`, or of a send under `task_always_eager`."""

    id: str
    state: str

    def __init__(
        self,
        task_id: str,
        state: str,
        value: R | BaseException | None,
        text: str | None = None,
        *,
        was_sent: bool = False,
        request: Request | None = None,
    ) -> None:
        """Keep it all; `was_sent`: it stands for a result from a node, and is as strict. `request` is that of a run which failed."""
        self.id, self.state, self.result, self.traceback = task_id, state, value, text
        self.request = request
        self.parent: Any = None  # the result of what it follows in a workflow: of a task, or of a group
        self.children: list[Any] = []  # of what follows it there; what it sent while it ran isn't noted
        self._was_sent = was_sent

    @property
    def task_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def status(self) -> str:
        """The same as `state`."""
        return self.state

    @property
    def info(self) -> R | BaseException | None:
        """The same as `result`, or the last word of a task that raised Ignore."""
        return (
            self.result.meta if isinstance(self.result, TaskIgnored) and self.result.meta is not None else self.result
        )

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
        """Return the value, or raise what the task raised. There is nothing to wait for.

        Raises:
            WouldBlock: see `AsyncResult.get`; only where the task was sent, `apply` is a call.
        """
        request = current.get()
        if request is not None and self._was_sent and disable_sync_subtasks and (request.is_eager or request.in_slot):
            raise would_block(request, "get")
        value = self._end(propagate=propagate)
        if callback is not None:
            callback(self.id, value)
        return value

    def updates(self, timeout: float | None = None, *, disable_sync_subtasks: bool = True) -> Iterator[tuple[str, Any]]:
        """Return nothing to go through: it has run."""
        return iter(())

    def _end(self, *, propagate: bool) -> R:
        if self.state != SUCCESS and propagate and isinstance(self.result, BaseException):
            raise self.result
        return cast("R", self.result)

    def then(
        self, callback: Callable[[Self], object], on_error: Callable[[BaseException], object] | None = None
    ) -> Self:
        """Call `callback(self)`; with `on_error`, that one where the task, or `callback`, has raised."""
        call_back(self, lambda: self._end(propagate=True), callback, on_error)
        return self

    def ready(self) -> bool:
        """Return True: it has run."""
        return True

    def after(self, parent_id: str) -> Self:
        """Return it; nothing is noted."""
        return self

    def collect(
        self, timeout: float | None = None, *, propagate: bool = True, disable_sync_subtasks: bool = True
    ) -> Iterator[tuple[Any, Any]]:
        """Yield `(result, value)` of itself and of all that follows it in a workflow, groups and their members included.

        Breadth first, each once.
        """
        waiting: deque[Any] = deque([self])
        seen = {self.id}
        while waiting:
            result = waiting.popleft()
            yield result, result.get(timeout, propagate, disable_sync_subtasks=disable_sync_subtasks)
            fresh = [child for child in result.children if child.id not in seen]
            seen.update(child.id for child in fresh)
            waiting.extend(fresh)

    def as_tuple(self) -> tuple[Any, None]:
        """Return it as `AsyncResult.as_tuple` does; what it stands for is stored nowhere."""
        return (self.id, None if self.parent is None else self.parent.as_tuple()), None

    def forget(self) -> None:
        """Do nothing: it was never stored."""

    def revoke(self, terminate: bool = False, signal: str = "SIGTERM", *, timeout: float = CONFIRM_S) -> str:
        """Do nothing: it has run."""
        return "ended"

    def confirm(self, timeout: float = CONFIRM_S) -> None:
        """Do nothing: it was never sent."""

    def __await__(self) -> Generator[Any, None, R]:
        """Return the value like `get`."""
        yield from ()
        return self._end(propagate=True)

    def __repr__(self) -> str:
        return f"<EagerResult {self.id} {self.state}>"
