"""A node with one slot, an application that cancels, and what its tasks leave behind when they start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actorq import App
from actorq.testing.wait import wait_until
from tests.command_line import make_runner
from tests.nodes import NodeProcess

if TYPE_CHECKING:
    from pathlib import Path

TASKS = """
import os, signal, time
from pathlib import Path
from actorq import App

app = App("shop")


@app.task
def note(folder: str, name: str) -> str:
    (Path(folder) / name).touch()
    return name


@app.task
def hold(folder: str, name: str) -> str:
    (Path(folder) / name).touch()
    while not (Path(folder) / ("let-go-" + name)).exists():
        time.sleep(0.005)
    return name


@app.task
def count(folder: str, name: str) -> int:
    with (Path(folder) / name).open("a") as file:
        file.write("x")
    return (Path(folder) / name).stat().st_size


@app.task(max_deliveries=1)
def poison(folder: str) -> str:
    if not (Path(folder) / "let-go-poison").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return "cured"


@app.task
def blink(folder: str, name: str) -> None:
    (Path(folder) / name).touch()
    time.sleep(0.004)


@app.task
def tidy(folder: str) -> str:
    caught = []
    before = signal.signal(signal.SIGTERM, lambda *_: caught.append(1))
    (Path(folder) / "tidy").touch()
    while not caught:
        time.sleep(0.005)
    signal.signal(signal.SIGTERM, before)
    return "cleaned up"


@app.task(bind=True, max_retries=5)
def again(self, folder: str, countdown: float) -> int:
    (Path(folder) / f"again-{self.request.retries}").touch()
    while not (Path(folder) / "let-go-again").exists():
        time.sleep(0.005)
    raise self.retry(countdown=countdown)
"""


class Trail:
    """The files that tasks make when they start, and those they wait for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def __str__(self) -> str:
        return str(self.folder)

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def wait(self, name: str) -> None:
        wait_until(lambda: self.has(name), 20, f"{name} to start")

    def let_go(self, name: str) -> None:
        (self.folder / f"let-go-{name}").touch()


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.module, "TASKS", TASKS))


@pytest.fixture
def trail(tmp_path):
    return Trail(tmp_path / "trail")


@pytest.fixture
def node(folder, home):
    with NodeProcess("tasks", home, folder, slots=1) as started:
        yield started


@pytest.fixture
def app(home):
    with App("shop", home=home) as made:
        yield made


@pytest.fixture
def run(capfd, home):
    """The command line, in this process and this home."""
    call = make_runner(capfd)
    return lambda *arguments: call(*arguments, "--home", str(home))
