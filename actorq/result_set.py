"""Many results as one: wait for all of them, or for each as it comes. Names are Celery's.

Invariant: whatever a wait is for, every member is waited for at once, under one deadline, and a member that has ended is
never asked about again.
"""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from actorq.client.callbacks import Countdown
from actorq.client.groups import load_group, make_id, save_group
from actorq.client.progress import Bar
from actorq.client.revoking import ASK_S, Revoked, revoke
from actorq.endings import call_back, has_ended, refuse_in_slot
from actorq.messages.states import FAILURE, IGNORED, READY_STATES, SUCCESS
from actorq.results import AsyncResult, EagerResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Self, TextIO

    from actorq.app import App
    from actorq.client.inbox import Waiter
    from actorq.client.session import Session

__all__ = ["ResultSet"]

R = TypeVar("R")


class ResultSet(Generic[R]):  # noqa: PLW1641  members come and go, so there is no hash to keep
    """Results in the order in which they were added, each once. Not thread-safe while members come and go."""

    def __init__(self, results: Iterable[AsyncResult[R] | EagerResult[R]] = ()) -> None:
        self._members: dict[str, AsyncResult[R] | EagerResult[R]] = {}
        self.update(results)

    # -- members ------------------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[AsyncResult[R] | EagerResult[R]]:
        """The members now; changing the list changes nothing here."""
        return list(self._members.values())

    def add(self, result: AsyncResult[R] | EagerResult[R]) -> None:
        """Add a result, at the end; one that is a member already stays where it is.

        Raises:
            TypeError: it isn't a result.
        """
        if not isinstance(result, (AsyncResult, EagerResult)):
            raise TypeError(f"expected a result of a task, got {result!r}; app.AsyncResult(id) makes one from an id")
        self._members.setdefault(result.id, result)

    def update(self, results: Iterable[AsyncResult[R] | EagerResult[R]]) -> None:
        """Add results."""
        for result in results:
            self.add(result)

    def remove(self, result: AsyncResult[R] | EagerResult[R] | str) -> None:
        """Take out a member, given as such or by its id.

        Raises:
            KeyError: it isn't one.
        """
        del self._members[str(result)]

    def discard(self, result: AsyncResult[R] | EagerResult[R] | str) -> None:
        """Take out a member if it is one."""
        self._members.pop(str(result), None)

    def clear(self) -> None:
        """Take out all."""
        self._members.clear()

    # -- waiting ------------------------------------------------------------------------------------------------------

    def join_native(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        callback: Callable[[str, R], object] | None = None,
        *,
        disable_sync_subtasks: bool = True,
    ) -> list[R]:
        """Wait for all within `timeout` seconds together; return their values in the order of the members.

        What a task raised is raised as soon as it is known, while others still run; with `propagate=False` it takes the
        value's place. With a callback, `callback(id, value)` gets each value as it comes, and the list is empty.
        `interval` is there for callers of Celery: nobody polls.

        Raises:
            ResultTimeout: not all have ended in time; the message names the first of the others, and how many they are.
            ResultUnknown: one was never accepted here, or its result has expired.
            WouldBlock: called inside a task; `disable_sync_subtasks=False` allows it.
        """
        if disable_sync_subtasks:
            refuse_in_slot("get")
        for result in _iterate_ended(self.results, timeout):
            if callback is not None or propagate:
                result.get(propagate=propagate, callback=callback, disable_sync_subtasks=disable_sync_subtasks)
        if callback is not None:
            return []
        return [result.get(propagate=False, disable_sync_subtasks=disable_sync_subtasks) for result in self.results]

    get = join_native

    def join(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        callback: Callable[[str, R], object] | None = None,
        *,
        disable_sync_subtasks: bool = True,
    ) -> list[R]:
        """Like `join_native`, strictly in order: what is raised, or given to the callback, comes in its turn.

        Raises:
            As `join_native`.
        """
        if disable_sync_subtasks:
            refuse_in_slot("join")
        values: list[R] = []
        ended: set[int] = set()
        members = iter(self.results)
        turn = next(members, None)
        for result in _iterate_ended(self.results, timeout):
            ended.add(id(result))
            while turn is not None and id(turn) in ended:
                value = turn.get(propagate=propagate, callback=callback, disable_sync_subtasks=disable_sync_subtasks)
                if callback is None:
                    values.append(value)
                turn = next(members, None)
        return values

    def iter_native(
        self, timeout: float | None = None, interval: float | None = None, *, disable_sync_subtasks: bool = True
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield `(id, facts)` of each member as it ends; facts are `task_id`, `status`, `result` and `traceback`.

        `result` is the value, or the exception; nothing is raised for a task that failed. `timeout` is for all together.

        Raises:
            As `join_native`, but for what tasks raised.
        """
        if disable_sync_subtasks:
            refuse_in_slot("iter_native")
        return ((result.id, _describe(result)) for result in _iterate_ended(self.results, timeout))

    def iter_completed(
        self, timeout: float | None = None, *, disable_sync_subtasks: bool = True
    ) -> Iterator[AsyncResult[R] | EagerResult[R]]:
        """Yield each member when it has ended, in whatever way; those first that have. `timeout` is for all together.

        Raises:
            As `join_native`, but for what tasks raised.
        """
        if disable_sync_subtasks:
            refuse_in_slot("iter_completed")
        return _iterate_ended(self.results, timeout)

    def progress(
        self, timeout: float | None = None, *, file: TextIO | None = None, disable_sync_subtasks: bool = True
    ) -> Iterator[AsyncResult[R] | EagerResult[R]]:
        """Yield as `iter_completed`, and draw how far it is: on a terminal or in a notebook, else nothing is drawn.

        `file` is where, by default standard error.

        Raises:
            As `iter_completed`.
        """
        return _show_progress(
            self.iter_completed(timeout, disable_sync_subtasks=disable_sync_subtasks), Bar(len(self), file)
        )

    def __await__(self) -> Generator[Any, None, list[R]]:
        """Wait for all without blocking the running loop; return, or raise, as `join_native`."""
        import asyncio  # noqa: PLC0415  whoever awaits has loaded it

        values: list[R] = yield from asyncio.gather(*self.results).__await__()
        return values

    def then(
        self, callback: Callable[[Self], object], on_error: Callable[[BaseException], object] | None = None
    ) -> Self:
        """Have `callback(self)` called when all have ended, as `AsyncResult.then` does for one.

        With `on_error`, `callback` is for a set without failures: `on_error` gets the first member's exception, or what
        `callback` raised.
        """
        members = self.results

        def raise_failure() -> None:
            for result in members:
                result.get(disable_sync_subtasks=False)

        def settle() -> None:
            call_back(self, raise_failure, callback, on_error)

        countdown = Countdown(len(members), settle)
        for result in members:
            result.then(countdown)
        return self

    # -- states -------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Return whether all have ended, in whatever way."""
        return all(state in READY_STATES for state in self._find_states())

    def waiting(self) -> bool:
        """Return whether one hasn't ended."""
        return not self.ready()

    def successful(self) -> bool:
        """Return whether all have ended well."""
        return all(state == SUCCESS for state in self._find_states())

    def failed(self) -> bool:
        """Return whether one has ended with an exception."""
        return FAILURE in self._find_states()

    def completed_count(self) -> int:
        """Return how many have ended well."""
        return self._find_states().count(SUCCESS)

    def _find_states(self) -> list[str]:
        """Return the states of all, in no order: of those whose end isn't known here, by one question for many."""
        asked = [each for each in self._members.values() if isinstance(each, AsyncResult) and not each._has_come()]
        unknown = {each.id for each in asked}
        states = [_as_end(each.state) for each in self._members.values() if each.id not in unknown]
        for session, keys in _group_by_session(asked).items():
            facts = session.get_facts_of(keys)
            states.extend(
                _as_end(facts[key]["state"]) if has_ended(facts[key]) else facts[key]["state"] for key in keys
            )
        return states

    def forget(self) -> None:
        """Drop all results, here and in the store, by one question for many; the members stay."""
        sent = [result for result in self._members.values() if isinstance(result, AsyncResult)]
        for session, keys in _group_by_session(sent).items():
            session.forget(keys)
        for result in sent:
            result._drop()

    def revoke(self, terminate: bool = False, signal: str = "SIGTERM", *, timeout: float = ASK_S) -> Revoked:
        """Cancel all, by one question for many, and return what became of each; see `AsyncResult.revoke`.

        Raises:
            BrokerUnavailable: no node answered within `timeout` seconds.
        """
        fates = dict.fromkeys(self._members, "ended")
        known: dict[Session, dict[str, str]] = {}  # by the id that the hub knows, the member's
        for result in self._members.values():
            if isinstance(result, AsyncResult):
                session, key = result._locate()
                known.setdefault(session, {})[session.find_id(key)] = result.id
        for session, ids in known.items():
            done = revoke(session.link.ask, ids, timeout, terminate=terminate, signal=signal)
            fates |= {ids[found]: fate for found, fate in done.fates.items()}
        return Revoked(fates)

    # -- kept by id ---------------------------------------------------------------------------------------------------

    def save(
        self, id: str | None = None, *, expires: float | None = None, app: App | None = None, timeout: float = ASK_S
    ) -> str:
        """Keep which results these are, durably on return, under `id` (None: a fresh one), and return it.

        For `expires` seconds, by default as long as results are kept; the results expire by their own time. `app` needs to be
        said only where there are no members.

        Raises:
            BrokerUnavailable: no node answered within `timeout` seconds. ActorqError: the store has no room.
            TypeError, ValueError: the id or the time isn't one, or a member was never sent.
        """
        return self._save(make_id() if id is None else id, "", expires, app, timeout)

    @classmethod
    def restore(cls, id: str, app: App | None = None, *, timeout: float = ASK_S) -> Self:
        """Return a set that was saved, by any process.

        Raises:
            ResultUnknown: nothing was saved under this id, or its time is over.
            BrokerUnavailable: no node answered within `timeout` seconds.
        """
        if app is None:
            raise TypeError("expected an application to ask, got none; say app=")
        members, _ = load_group(app.ask, id, timeout)
        return cls(app.AsyncResult(each) for each in members)

    def _save(self, id: str, parent: str, expires: float | None, app: App | None, timeout: float) -> str:
        for result in self._members.values():
            if not isinstance(result, AsyncResult):
                raise TypeError(f"expected results of tasks that were sent, got {result!r}, which is stored nowhere")
        save_group(self._find_ask(app), id, list(self._members), parent=parent, expires=expires, timeout=timeout)
        return id

    def _find_ask(self, app: App | None) -> Callable[..., Any]:
        if app is not None:
            return app.ask
        for result in self._members.values():
            if isinstance(result, AsyncResult):
                return result._locate()[0].link.ask
        raise TypeError("expected an application to ask, got none, and no member knows one; say app=")

    # -- as a container -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[AsyncResult[R] | EagerResult[R]]:
        return iter(self.results)

    def __getitem__(self, index: int) -> AsyncResult[R] | EagerResult[R]:
        return self.results[index]

    def __contains__(self, result: object) -> bool:
        return str(result) in self._members

    def __eq__(self, other: object) -> bool:
        return self.results == other.results if isinstance(other, ResultSet) else NotImplemented

    def __repr__(self) -> str:
        return f"<ResultSet: [{', '.join(self._members)}]>"


def _as_end(state: str) -> str:
    """Return by which of the common ends one goes that a task has named itself."""
    return state if state in READY_STATES else IGNORED


def _iterate_ended(
    members: list[AsyncResult[R] | EagerResult[R]], timeout_s: float | None
) -> Iterator[AsyncResult[R] | EagerResult[R]]:
    """Yield members as they end, those first that have; all are waited for from the start, until one deadline."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    arrivals: SimpleQueue[Waiter] = SimpleQueue()
    ended: list[AsyncResult[R] | EagerResult[R]] = []
    waiting: dict[Waiter, AsyncResult[R]] = {}
    try:
        for result in members:
            if isinstance(result, AsyncResult) and (waiter := result._wait_in(arrivals)) is not None:
                waiting[waiter] = result
            else:
                ended.append(result)
        yield from ended
        while waiting:
            try:
                waiter = arrivals.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except Empty:
                late = next(iter(waiting.values()))
                among = f"{len(waiting)} of {len(members)} tasks haven't ended; this one: "
                raise late._make_timeout(timeout_s or 0.0, among) from None
            result = waiting.pop(waiter)
            result._accept(waiter)
            yield result
    finally:
        for waiter, result in waiting.items():
            result._give_up(waiter)


def _show_progress(
    ended: Iterator[AsyncResult[R] | EagerResult[R]], bar: Bar
) -> Iterator[AsyncResult[R] | EagerResult[R]]:
    try:
        for result in ended:
            bar.add(failed=not result.successful())
            yield result
    finally:
        bar.close()


def _group_by_session(members: Iterable[AsyncResult[R]]) -> dict[Session, list[int | str]]:
    """Return by whom to ask about these members, the keys to ask with."""
    grouped: dict[Session, list[int | str]] = {}
    for result in members:
        session, key = result._locate()
        grouped.setdefault(session, []).append(key)
    return grouped


def _describe(result: AsyncResult[R] | EagerResult[R]) -> dict[str, Any]:
    return {
        "task_id": result.id,
        "status": result.status,
        "result": result.get(propagate=False, disable_sync_subtasks=False),
        "traceback": result.traceback,
    }
