"""Tasks that call another task once for each of many items: one message, one result, the list of what the calls return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from actorq.canvas.kinds import PREFIX, Primitive
from actorq.canvas.signature import Signature, as_signature

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["xmap", "xstarmap"]


class xmap(Primitive):  # noqa: N801  Celery's name
    """One task that calls another once for each item and returns the list: `task.map(items)`."""

    __slots__ = ("_inner", "_items")
    starred: ClassVar[bool] = False

    def __init__(self, task: Any, it: Iterable[Any], **options: Any) -> None:
        """Take the signature of the task to call, and the items, which are read now."""
        super().__init__(PREFIX + str(self.subtask_type), options=options)
        self._inner = as_signature(task, f"the task of a {self.subtask_type}")
        self._items = tuple(it)
        self._sender = self._inner.sender

    @classmethod
    def read(cls, args: Any, kwargs: Any, options: Any) -> Self:
        """Return the one whose document has these fields."""
        return cls(kwargs.get("task"), kwargs.get("it", ()), **(options or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the calls here, and return the list of what they return."""
        return Signature.__call__(self, *args, **kwargs)

    @property
    def inner(self) -> Signature:
        """The signature that is called for each."""
        return self._inner

    @property
    def items_(self) -> tuple[Any, ...]:
        """What it is called with. (`items` is every mapping's.)"""
        return self._items

    def parts(self) -> Iterable[Signature]:
        """Return nothing: it is sent as one task."""
        return ()

    def call_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the built-in task is called with; it has all it needs, so what comes before it isn't among them."""
        return (), self.document_kwargs()

    def document_kwargs(self) -> dict[str, Any]:
        """Return the inner signature's document and the items."""
        return {"task": dict(self._inner), "it": [list(each) if self.starred else each for each in self._items]}

    def __repr__(self) -> str:
        return f"[{self._inner.task}({'*' * self.starred}x) for x in {list(self._items)!r}]"


class xstarmap(xmap):  # noqa: N801  Celery's name
    """Like `xmap`, with each item as the arguments of a call: `task.starmap([(1, 2), (3, 4)])`."""

    __slots__ = ()
    starred: ClassVar[bool] = True
