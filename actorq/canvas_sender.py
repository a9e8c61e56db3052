"""What makes an application the sender of signatures. `actorq.workflows` does it; it is loaded for whoever has any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actorq.app import App
    from actorq.canvas import Signature
    from actorq.tasks.request import Request

__all__ = ["CanvasSender"]


class CanvasSender:
    """The part of an application that has to do with workflows: see `actorq.canvas.Sender`."""

    def signature(
        self,
        varies: Any,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
    ) -> Signature:
        """Return a signature that this application sends: of a task's name, of a document, or the one given, with more.

        Raises:
            TypeError, ValueError: it is none of these.
        """
        from actorq.canvas import signature  # noqa: PLC0415  only for whoever has workflows

        return signature(varies, args, kwargs, options, immutable=immutable, sender=cast("App", self))

    def call_canvas(self, canvas: Signature) -> Any:
        """Call the task of a signature here, like a function: what `sig()` does."""
        from actorq.workflows import call_canvas  # noqa: PLC0415  as above

        return call_canvas(cast("App", self), canvas)

    def send_canvas(self, canvas: Signature) -> Any:
        """Send a signature and return its result: what `sig.delay()` does."""
        from actorq.workflows import send_canvas  # noqa: PLC0415  as above

        return send_canvas(cast("App", self), canvas)

    def run_canvas(self, canvas: Signature) -> Any:
        """Run a signature here, with everything through the codec, and return its result: what `sig.apply()` does."""
        from actorq.workflows import run_canvas  # noqa: PLC0415  as above

        return run_canvas(cast("App", self), canvas)

    def run_replacement(self, canvas: Signature, request: Request) -> Any:
        """Run a signature here in the place of the task that runs, and return its value: for `Task.replace`."""
        from actorq.workflows import run_replacement  # noqa: PLC0415  as above

        return run_replacement(cast("App", self), canvas, request)

    def add_to_chord(self, canvas: Signature) -> None:
        """Add a member to the header in which the running task is: what `Task.add_to_chord` does."""
        from actorq.workflows import add_to_chord  # noqa: PLC0415  as above

        add_to_chord(canvas)
