"""A node for as long as a block of code runs: `with app.node(concurrency=2): ...`, for tests and for programs of one piece.

The node is a child of the calling process, started like `actorq node`, and not its tree in this process: a node takes signals,
adopts orphans and may end its process to save the store, which is not to happen to somebody's test run. Task code runs in
slots, processes of the node, so the application has to be one that they can import.

Invariant: the node never outlives the caller. It holds one end of a socket pair, its *lifeline*: on it it says that it is
up, and when the other end closes, for whatever reason, it ends as by TERM. `stop` leaves no process, descriptor or file.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Self

from actorq.client.loading import find_module_name
from actorq.errors import ActorqError, ConfigError, StoreLocked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from actorq.app import App

__all__ = ["Node", "find_spec"]

READY_S: Final = 30.0  # an import of the application and a third of a second
END_S: Final = 20.0  # for a node to end, after its drain; it gives its own parts less
OUTPUT_BYTES: Final = 1 << 20  # of a node's output that is read; its end counts

_FLAGS: Final = {
    "concurrency": "--concurrency",
    "pool": "--pool",
    "durability": "--durability",
    "drain_timeout_s": "--drain-timeout",
}
_INSIDE_A_NODE: Final = ("actorq.__main__", "actorq.slot.zygote")  # what runs as the main module there
_ERRORS: Final[dict[int, type[ActorqError]]] = {2: ConfigError, 3: ConfigError, 4: StoreLocked}  # by exit code


class Node:
    """A node of `app` on its home, in a child process; a context manager. Not reusable.

    `options` are settings of the node, as on the command line or in the environment; they are checked here. `spec` says
    where other processes find the application, `module:attribute`; by default it is looked for in the loaded modules.
    """

    def __init__(
        self,
        app: App,
        *,
        spec: str | None = None,
        name: str | None = None,
        loglevel: str = "info",
        timeout: float = READY_S,
        **options: Any,
    ) -> None:
        """Check it all; nothing is started yet.

        Raises:
            ConfigError: an option isn't a setting or doesn't fit, no other process could find the application, its sends
                wouldn't reach a node, or this is a node's process already.
        """
        settings = app.conf.replace("app.node()", options)
        if settings.task_always_eager:
            raise ConfigError(
                "expected task_always_eager to be off where a node is to run the tasks, got True: nothing would be sent"
            )
        if getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", None) in _INSIDE_A_NODE:
            raise ConfigError(
                "expected app.node() in a program, got it in a process of a node, which imports that program; put it "
                'into a function, or under `if __name__ == "__main__":`'
            )
        given = {key: value for key, value in options.items() if value is not None}
        flags = [f"{_FLAGS[key]}={given.pop(key)}" for key in _FLAGS if key in given]
        pools = given.pop("pools", ())
        flags += [f"--pool={spec}" for spec in (pools.split() if isinstance(pools, str) else pools)]
        flags += [] if name is None else [f"--name={name}"]
        self.home, self._timeout_s = app.home, timeout
        self._stop_s = settings.drain_timeout_s + END_S
        self._arguments = [f"-A{spec or find_spec(app)}", f"--home={app.home.path}", f"--loglevel={loglevel}", *flags]
        self._environ = {**os.environ, **_as_environment(given), "PYTHONPATH": _spell_path()}
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._file: Any = None
        self._said = ""
        self._was_stopped = False

    @property
    def pid(self) -> int:
        """The node's process; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    @property
    def output(self) -> str:
        """What the node has written so far: its banner and its log."""
        if self._file is not None:
            fd = self._file.fileno()
            # Not seek and read: the node writes through the same offset.
            size = os.fstat(fd).st_size
            self._said = os.pread(fd, OUTPUT_BYTES, max(0, size - OUTPUT_BYTES)).decode(errors="replace")
        return self._said

    def start(self) -> Self:
        """Start it and wait until it is up.

        Raises:
            ConfigError, StoreLocked: it can't start like this. ActorqError: it isn't up within `timeout` seconds, or ended.
        """
        if self._process is not None or self._was_stopped:
            raise RuntimeError("expected a node that wasn't started, got one that was; make another with app.node()")
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  as long as the node; has no name
        self._lifeline, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "actorq", "node", *self._arguments, f"--lifeline={theirs.fileno()}"],
                    stdin=subprocess.DEVNULL,
                    stdout=self._file,
                    stderr=self._file,
                    pass_fds=(theirs.fileno(),),
                    env=self._environ,
                    start_new_session=True,  # Ctrl-C is for the caller, who then ends the node
                )
            _nodes.add(self)
            self._wait_ready(self._lifeline, self._process)
        except BaseException:
            self._kill()
            raise
        return self

    def _wait_ready(self, lifeline: socket.socket, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + self._timeout_s
        if not select.select([lifeline], [], [], max(0.0, give_up_at - time.monotonic()))[0]:
            raise ActorqError(f"expected the node to be up within {self._timeout_s:g} s, got: {self._tell_last()}")
        said = b""
        with contextlib.suppress(ConnectionResetError):
            said = lifeline.recv(16)
        if not said:
            code = process.wait(END_S)
            kind = _ERRORS.get(code, ActorqError)
            raise kind(f"the node ended with exit code {code} before it was up: {self._tell_last()}")

    def stop(self) -> int:
        """End it in order, running tasks may finish within its `drain_timeout_s`; return its exit code. Idempotent.

        Raises:
            ActorqError: it had ended by itself, and why.
        """
        if self._process is None:
            return 0
        died = self._process.poll()
        if died is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self._stop_s)
        code = self._kill()
        if died is not None:
            raise ActorqError(f"the node ended by itself with exit code {died}: {self._tell_last()}")
        return code

    def _kill(self) -> int:
        """End what is left of it at once and let go of everything."""
        process, self._process, self._was_stopped = self._process, None, True
        if process is not None:
            process.kill()
            process.wait()
        self._let_go()
        return 0 if process is None else process.returncode

    def _let_go(self) -> None:
        self._said = self.output
        for each in (self._file, self._lifeline):
            if each is not None:
                each.close()
        self._file = self._lifeline = None

    def forget_parent(self) -> None:
        """In a forked child: the node is the parent's, and its life hangs on the parent alone."""
        self._process, self._was_stopped = None, True
        self._let_go()

    def _tell_last(self) -> str:
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1].removeprefix("actorq: ") if lines else "it said nothing"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.stop()
        except ActorqError as error:
            if exc is None:
                raise
            exc.add_note(str(error))

    def __repr__(self) -> str:
        return f"<Node at {self.home.path}, {f'pid {self.pid}' if self.pid else 'not running'}>"


def find_spec(app: App) -> str:
    """Return how another process finds `app`: the module of most of its tasks that has it as an attribute.

    Raises:
        ConfigError: no module that can be imported has it.
    """
    found = sorted(_find_places(app))
    if not found:
        raise ConfigError(
            f"expected {app!r} to be an attribute of a module that the node can import, got none that has it; "
            "define it at the top of a module, or say where it is: app.node(spec='module:attribute')"
        )
    return found[0][-1]


def _find_places(app: App) -> Iterator[tuple[int, int, str]]:
    """Yield places with what to prefer them by: many tasks, a short name."""
    homes = [find_module_name(getattr(task, "__wrapped__", type(task))) for task in app.tasks.values()]
    for module in list(sys.modules.values()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is app:
                name = _importable_name(module)
                if name:
                    yield -homes.count(name), len(name), f"{name}:{attribute}"


def _importable_name(module: Any) -> str:
    name: str = getattr(module, "__name__", "")
    if name == "__main__":
        name = find_module_name(module)
    return name if name and all(part.isidentifier() for part in name.split(".")) else ""


def _as_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"ACTORQ_{name.upper()}": _as_text(name, value) for name, value in settings.items()}


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if not isinstance(value, (str, int, float)):
        raise ConfigError(f"expected {name} to be a text, a number or names, got {value!r}; set it in App(config=...)")
    return str(value)


def _spell_path() -> str:
    """Return this process's import path for the node, so that it finds the same modules."""
    return os.pathsep.join(dict.fromkeys(entry or os.getcwd() for entry in sys.path))


_nodes: Final[weakref.WeakSet[Node]] = weakref.WeakSet()


def _forget_all() -> None:
    for node in list(_nodes):
        node.forget_parent()


os.register_at_fork(after_in_child=_forget_all)
