"""What tests with real nodes share: an application in a folder, its home, and nodes that are ended when the test is.

A module, or the conftest of its folder, says in `TASKS` what `tasks.py` is, and in `CONFIG` what the caller is set to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actorq import App
from tests.nodes import NodeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    """The text of `tasks.py`."""
    return str(request.module.TASKS)


@pytest.fixture
def folder(tmp_path: Path, source: str) -> Path:
    """A folder with `tasks.py`."""
    path = tmp_path / "code"
    path.mkdir()
    (path / "tasks.py").write_text(source)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def app(home: Path, request: pytest.FixtureRequest) -> Iterator[App]:
    """A caller that knows the tasks by their names alone."""
    with App("shop", home=home, config=getattr(request.module, "CONFIG", None)) as made:
        yield made


@pytest.fixture
def start(folder: Path, home: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start nodes with these options; they are killed at the end."""
    nodes: list[NodeProcess] = []

    def begin(*options: str, slots: int = 1, **given: Any) -> NodeProcess:
        nodes.append(NodeProcess("tasks", home, folder, slots, options, **given).start().wait_ready())
        return nodes[-1]

    yield begin
    for node in nodes:
        node.kill()
