"""An application in a temporary folder, and its home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TASKS = """
import asyncio, os, signal, time
from actorq import App

app = App("shop")

@app.task
def add(x: int, y: int) -> int:
    return x + y

@app.task
async def ping(host: str) -> str:
    await asyncio.sleep(0)
    return "pong " + host

@app.task
def fail(text: str) -> None:
    raise ValueError(text)

@app.task
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()

@app.task
def big(size: int) -> str:
    return "x" * size

@app.task(max_deliveries=3)
def poison() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)

@app.task(bind=True, max_retries=3)
def flaky(self) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    return self.request.retries
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `tasks.py`."""
    path = tmp_path / "code"
    path.mkdir()
    (path / "tasks.py").write_text(TASKS)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
