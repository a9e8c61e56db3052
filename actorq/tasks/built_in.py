"""The tasks that come with actorq: `actorq.map` and `actorq.starmap`, each many calls of another task in one.

They are what `task.map(items)` and `task.starmap(items)` are sent as. The other task is called as a function, so it has
neither retries nor a result of its own; what it raises is how the whole ends.
"""

from __future__ import annotations

from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final

from actorq.canvas.maps import xmap, xstarmap
from actorq.canvas.signature import read_document
from actorq.tasks.coroutines import run_to_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actorq.app import App

__all__ = ["add_built_in", "is_built_in"]

_MAPS: Final[dict[str, type[xmap]]] = {f"actorq.{kind.subtask_type}": kind for kind in (xmap, xstarmap)}


def is_built_in(name: str) -> bool:
    """Return whether a task of this name comes with actorq."""
    return name in _MAPS


def add_built_in(app: App) -> None:
    """Register the tasks that come with actorq, where they aren't yet."""
    for name, kind in _MAPS.items():
        if name not in app.tasks:
            _add_map(app, name, kind)


def _add_map(app: App, name: str, kind: type[xmap]) -> None:
    @app.task(name=name)
    def call_each(task: Mapping[str, Any], it: Iterable[Any]) -> list[Any]:
        call = read_document(task, app)
        values = []
        for item in it:
            value = call(*item) if kind.starred else call(item)
            values.append(run_to_end(value) if iscoroutine(value) else value)
        return values
