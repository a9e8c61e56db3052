"""Tasks of which it matters how they are defined; imported by a real node. Evidence goes to the folder they are given."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from actorq import App, Secret, Task, current_request, current_task, register_exception

app = App(
    "classes",
    config={
        "accept_content": ["msgpack", "json", "pickle"],
        "task_annotations": {"annot*": {"max_retries": 7, "time_limit": 60}},
        "task_retry_backoff_max": 5.0,
    },
)


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


@app.task(base=Told)
async def pick_async(path: str, kind: str) -> str:
    """Return what it was given."""
    await asyncio.sleep(0)
    return kind


class Unknown(Exception):
    """What some tasks are expected to raise."""


@app.task(throws=(Unknown,))
def expected() -> None:
    raise Unknown("nobody of that name")


@app.task
def unexpected() -> None:
    raise Unknown("out of the blue")


SHOWN = (
    "id root_id parent_id group chord chain args kwargs retries hostname origin delivery_info reply_to correlation_id "
    "headers properties callbacks errbacks timelimit is_eager called_directly replaced_task_nesting task"
)


@app.task(bind=True, name="show", default_retry_delay=0, max_retries=None)
def show(self, /, *args: int, again: int = 0, child: bool = False, **kwargs: int) -> dict[str, Any]:
    """Return what the request says in the last of `again` + 1 runs."""
    if self.request.retries < again:
        raise self.retry()
    request = self.request
    shown = {name: request.get(name) for name in SHOWN.split()}
    shown["eta"], shown["expires"] = request.eta, request.expires
    shown["current"] = current_task() is self and current_request() is request
    if child:
        shown["child"] = show.delay().id
    return shown


@app.task(bind=True, name="slow_retry", max_retries=None)
def slow_retry(self, /, gate: str, **options: Any) -> dict[str, Any]:
    """Ask for another run, with these options, until `gate` is there."""
    if not Path(gate).exists():
        self.retry(**options)
    return {"retries": self.request.retries, "args": list(self.request.args), "kwargs": self.request.kwargs}


@app.task(bind=True, name="exhaust", max_retries=2, default_retry_delay=0)
def exhaust(self, *, cause: bool) -> None:
    """Use up all retries."""
    if not cause:
        self.retry()
    try:
        raise LookupError(self.request.retries)
    except LookupError as error:
        raise self.retry(exc=error) from error


@app.task(bind=True, name="unthrown", default_retry_delay=0)
def unthrown(self) -> int:
    """Ask without throwing; what is returned is the caller's to raise."""
    again = self.retry(throw=False)
    if self.request.retries == 0:
        raise again
    return int(self.request.retries)


@app.task(bind=True, name="annotated", max_retries=1, soft_time_limit=50)
def annotated(self) -> list[Any]:
    """Return the options that it goes by."""
    return [self.max_retries, self.retry_backoff_max, *self.request.timelimit]


class Travelled(Exception):
    """On the list of whoever imports this module, by `register_exception`."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"{hint} ({code})")
        self.code, self.hint = code, hint


register_exception(Travelled)


class Stranger(Exception):
    """On nobody's list, and its argument is a lock."""


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@app.task(name="fail_as")
def fail_as(kind: str) -> None:
    """Fail in one of many ways."""
    match kind:
        case "registered":
            raise Travelled(7, hint="turn back")
        case "stranger":
            raise Stranger("locked", threading.Lock())
        case "silent":
            raise Silent
        case "chain":
            try:
                os.environ["NO SUCH NAME"]
            except KeyError as error:
                late = ValueError("late")
                late.add_note("while looking")
                raise late from error
        case "group":
            raise ExceptionGroup("two", [OSError(5, "io"), Stranger("inner")])
        case "forged":
            raise type("system", (Exception,), {"__module__": "os"})("rm -rf /")
        case "exit":
            raise SystemExit(3)


@app.task(bind=True, name="login", redact=("pin",))
def login(self, user: str, password: Secret[str], pin: int, *, fail: bool = False) -> Any:
    """Return what may be shown, and the secret as one; or fail with all of it."""
    if fail:
        raise ValueError(user, password, [password])
    return [self.request.argsrepr, self.request.kwargsrepr, type(password).__name__, Secret(password.reveal())]
