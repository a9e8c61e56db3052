"""Tasks of which it matters how they are defined; imported by a real node. Evidence goes to the folder they are given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from actorq import App, Task

app = App("classes")


def note(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


class Told(Task[..., Any]):
    """Writes down what it is told; `args[0]` is where."""

    def before_start(self, task_id, args, kwargs):
        note(args[0], f"before_start {self.request.retries}")

    def on_success(self, retval, task_id, args, kwargs):
        note(args[0], f"on_success {retval} {task_id == self.request.id}")
        raise RuntimeError("a handler's own mistake")

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        note(args[0], f"on_retry {exc!r}")

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        note(args[0], f"on_failure {exc!r} {'in run' in einfo.traceback}")

    def after_return(self, status, retval, task_id, args, kwargs, einfo):  # noqa: PLR0917  Celery's
        note(args[0], f"after_return {status}")


class Pick(Told):
    """A class-based task."""

    name = "pick"
    autoretry_for = (ConnectionError,)
    max_retries = 1
    default_retry_delay = 0.05

    def run(self, path: str, kind: str) -> str:
        Path(path).touch()
        if kind == "down":
            raise ConnectionError("down")
        if kind == "wrong":
            raise ValueError("wrong")
        return kind


pick = app.register_task(Pick)


class Unknown(Exception):
    """What some tasks are expected to raise."""


@app.task(throws=(Unknown,))
def expected() -> None:
    raise Unknown("nobody of that name")


@app.task
def unexpected() -> None:
    raise Unknown("out of the blue")
