"""What the pytest fixtures do; `pytest_actorq`, beside this package, is what pytest loads.

Invariant: an application is handed back as it was, with its own home and settings, and nothing that a test sent reaches that
home.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any, Final

from actorq.app import App, load_app
from actorq.errors import ConfigError
from actorq.transport.paths import find_home

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pytest

__all__ = ["borrow_app", "plan_node", "read_markers"]

# One slot is enough for most tests, and a task that hangs is not to hold up the run.
NODE_DEFAULTS: Final[Mapping[str, Any]] = {"concurrency": 1, "drain_timeout_s": 5.0}


def read_markers(markers: Iterable[pytest.Mark]) -> tuple[App | str | None, dict[str, Any]]:
    """Return the application and the settings that markers, closest first, say; the closest wins, each name by itself.

    Raises:
        ConfigError: one of them has a positional argument.
    """
    said: dict[str, Any] = {}
    for marker in markers:
        if marker.args:
            raise ConfigError(
                f"expected @pytest.mark.actorq(app=..., concurrency=...) with names only, got {marker.args!r}"
            )
        said = {**marker.kwargs, **said}
    return said.pop("app", None), said


@contextlib.contextmanager
def borrow_app(source: App | str | None, settings: Mapping[str, Any], folder: Path) -> Iterator[App]:
    """Lend an application with `settings` on top of its own and its home in `folder`.

    Raises:
        ConfigError: there is no application, it can't be imported, or a setting doesn't fit.
    """
    app = _find_app(source)
    app.import_includes()
    home, conf = app.home, app.conf
    lent = find_home(app.name, home=folder)
    app.close()
    app.use_settings(conf.replace("@pytest.mark.actorq", settings))
    app.use_home(lent)
    try:
        yield app
    finally:
        app.close()
        app.use_settings(conf)
        app.use_home(home)
        shutil.rmtree(lent.runtime, ignore_errors=True)


def plan_node(source: App | str | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the node of a test."""
    options = {**NODE_DEFAULTS, **settings}
    return {**options, "spec": source} if isinstance(source, str) else options


def _find_app(source: App | str | None) -> App:
    if isinstance(source, App):
        return source
    if isinstance(source, str):
        return load_app(source)
    raise ConfigError(
        f"expected an application or where it is, got {source!r}; say it with @pytest.mark.actorq(app='tasks:app'), or "
        "with a fixture actorq_application that returns it"
    )
