"""The signatures that a task makes of itself: the way from a task into a workflow. Names are Celery's.

Who never composes never loads the room of workflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.errors import ActorqError, Replace
from actorq.tasks.request import current

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

    def apply_linked(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None, options: Mapping[str, Any], *, throw: bool | None
    ) -> Any:
        """Run it here with its callbacks and errbacks: `apply` with `link` or `link_error`."""
        result = self.app.run_canvas(self.signature(args, kwargs, **options))
        if throw:
            result.get(disable_sync_subtasks=False)
        return result

    # -- inside a run -------------------------------------------------------------------------------------------------

    def replace(self, sig: Any) -> Any:
        """End this run, and have a signature run in the place of the task: `return self.replace(sig)`.

        What replaces it has its id, and its result is the task's: what follows, the group it is a member of, its callbacks and
        errbacks stay. In a direct call it is run here, and its value returned.

        Raises:
            Replace: for whoever runs the task. TypeError: it isn't a signature.
            ActorqError: the task runs in a node, which can't replace tasks yet.
        """
        from actorq.canvas.signature import as_signature  # noqa: PLC0415  see above

        return self.on_replace(as_signature(sig, "what replaces a task"))

    def on_replace(self, sig: Signature) -> Any:
        """Called by `replace`; who overrides it returns what `super().on_replace(sig)` returns."""
        request = current.get()
        if request is None or request.called_directly:
            return self.app.run_canvas(sig).get(disable_sync_subtasks=False)
        if not request.is_eager:
            raise ActorqError(
                f"expected {self.name} to run in eager mode, got a run in a node: it can't replace tasks yet; send"
                " the other task with delay() instead"
            )
        raise Replace(sig)

    def add_to_chord(self, sig: Any) -> None:
        """Add one more member to the header of a chord in which the running task is. It runs after this run.

        Raises:
            ValueError: the task isn't in the header of a chord. TypeError: that isn't a signature.
        """
        from actorq.canvas.signature import as_signature  # noqa: PLC0415

        self.app.add_to_chord(as_signature(sig, "a new member of a chord's header"))
