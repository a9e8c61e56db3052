"""The results of tasks that belong together, under an id of their own. Names are Celery's.

Invariant: two groups of the same id are equal, whatever results are in them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from actorq.client.groups import ASK_S, check_id, drop_group, load_group, make_id
from actorq.result_set import ResultSet
from actorq.results import AsyncResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actorq.app import App
    from actorq.eager_result import EagerResult

__all__ = ["GroupResult", "result_from_tuple"]

R = TypeVar("R")


class GroupResult(ResultSet[R]):
    """A `ResultSet` with an id. `app.GroupResult` is this class for one application, which then needn't be named."""

    app: ClassVar[App | None] = None

    def __init__(
        self,
        id: str | None = None,
        results: Iterable[AsyncResult[R] | EagerResult[R]] = (),
        parent: AsyncResult[Any] | None = None,
    ) -> None:
        """Make a group under `id` (None: a fresh one); `parent` is what it came after.

        Raises:
            TypeError, ValueError: the id isn't one, or one of the results.
        """
        super().__init__(results)
        self.id = make_id() if id is None else check_id(id)
        self.parent = parent

    @property
    def children(self) -> list[AsyncResult[R] | EagerResult[R]]:
        """The same as `results`."""
        return self.results

    def save(
        self, id: str | None = None, *, expires: float | None = None, app: App | None = None, timeout: float = ASK_S
    ) -> str:
        """Keep which results these are, as `ResultSet.save` does, under the group's own id."""
        if id is not None and id != self.id:
            raise ValueError(f"expected a group to be saved under its own id {self.id!r}, got {id!r}")
        return self._save(self.id, "" if self.parent is None else self.parent.id, expires, app or self.app, timeout)

    @classmethod
    def restore(cls, id: str, app: App | None = None, *, timeout: float = ASK_S) -> Self:
        """Return a group that was saved, by any process.

        Raises:
            ResultUnknown: no group was saved under this id, or its time is over.
            BrokerUnavailable: no node answered within `timeout` seconds.
        """
        found = app or cls.app
        if found is None:
            raise TypeError("expected an application to ask, got none; use app.GroupResult.restore(id), or app=")
        members, parent = load_group(found.ask, id, timeout)
        results = [found.AsyncResult(each) for each in members]
        return cls(id, results, found.AsyncResult(parent) if parent else None)

    def delete(self, app: App | None = None, *, timeout: float = ASK_S) -> bool:
        """Undo `save`; the results stay. Return whether it had been saved.

        Raises:
            BrokerUnavailable: no node answered within `timeout` seconds.
        """
        return drop_group(self._find_ask(app or self.app), self.id, timeout)

    def as_tuple(self) -> tuple[Any, ...]:
        """Return plain data from which `result_from_tuple` makes it again: `((id, parent), [members])`."""
        parent = None if self.parent is None else self.parent.as_tuple()
        return (self.id, parent), [result.as_tuple() for result in self.results]

    def __eq__(self, other: object) -> bool:
        return self.id == (other if isinstance(other, str) else getattr(other, "id", None))

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<GroupResult {self.id}: {len(self)} results>"


def result_from_tuple(data: Sequence[Any], app: App) -> AsyncResult[Any] | GroupResult[Any]:
    """Return the result, or the group, whose `as_tuple()` this was; lists will do, so it may have been JSON.

    Raises:
        TypeError: it isn't of that form.
    """
    try:
        (id, parent), members = data
    except (TypeError, ValueError):
        raise TypeError(f"expected ((id, parent), members) as as_tuple() gives it, got {data!r}") from None
    before = None if parent is None else result_from_tuple(parent, app)
    if members is None:
        result = app.AsyncResult(check_id(id))
        return result if before is None else result.after(before.id)
    if before is not None and not isinstance(before, AsyncResult):
        raise TypeError(f"expected the parent of a group to be one result, got {before!r}")
    results: list[Any] = [result_from_tuple(member, app) for member in members]
    return app.GroupResult(check_id(id), results, before)
