"""The signatures that a task makes of itself: the way from a task into a workflow. Names are Celery's.

Who never composes never loads the room of workflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actorq.app import App
    from actorq.canvas import Signature, chunks, xmap

__all__ = ["Composable"]


class Composable:
    """What a task has by which it becomes a part of workflows."""

    app: App
    name: str

    def signature(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **options: Any,
    ) -> Signature:
        """Return a call of the task that isn't made yet, with these arguments and the options of `apply_async`."""
        from actorq.canvas import Signature  # noqa: PLC0415  see above

        return Signature(self.name, args, kwargs, options, immutable=immutable, sender=self.app)

    subtask = signature

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """Return a call that isn't made yet; what it is given later goes before these arguments."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """Return a call that takes nothing more: not the result of what it follows, either."""
        return self.signature(args, kwargs, immutable=True)

    def map(self, it: Iterable[Any]) -> xmap:
        """Return one task that calls this one for each item, one after the other, and returns the list."""
        from actorq.canvas import xmap  # noqa: PLC0415

        return xmap(self.s(), it)

    def starmap(self, it: Iterable[Sequence[Any]]) -> xmap:
        """Return one task that calls this one with each item as its arguments, one after the other, and returns the list."""
        from actorq.canvas import xstarmap  # noqa: PLC0415

        return xstarmap(self.s(), it)

    def chunks(self, it: Iterable[Sequence[Any]], n: int) -> chunks:
        """Return tasks that call this one with each item as its arguments, `n` calls in each."""
        from actorq.canvas import chunks  # noqa: PLC0415

        return chunks(self.s(), it, n)
