"""Many sends, one wait for their confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from actorq.app import App

__all__ = ["Pipeline"]


class Pipeline:
    """A context that, when left without an exception, waits until everything sent so far is committed.

    Inside, sends cost what they always do: they are in the outbox at once and are shipped in batches.
    """

    def __init__(self, app: App, timeout_s: float) -> None:
        self._app, self._timeout_s = app, timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._app.flush(self._timeout_s)
