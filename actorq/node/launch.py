"""Starts a node, waits for signals, and ends it in order.

The zygote is started first of all and imports the application while this process imports the rest of actorq. The node itself
imports it only where the application's own plugins have components or control commands: those live in the node. Signals, as Celery's users know them:

- TERM, HUP, first INT: no new tasks; those that run get `drain_timeout_s`; the rest is handed back.
- second INT, QUIT: slots are killed; what they ran is delivered again, later or elsewhere.
- USR1: the stacks of all threads on stderr.

Whoever started the node may hold the other end of its *lifeline*, a socket: it reads a line there when the node is up, and
when it closes its end, or dies, that counts as a TERM.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actorq.app import load_app
from actorq.config import Settings, load_settings
from actorq.errors import ConfigError
from actorq.log import get_logger
from actorq.messages.queues import choose_queues
from actorq.plugins.entry_points import scan_entry_points
from actorq.plugins.finding import load_plugins
from actorq.slot.orders import AppFailed, AppInfo, AppReady
from actorq.slot.zygote_process import ZygoteLost, ZygoteProcess
from actorq.transport.paths import Home, find_home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actorq.node.node import Node
    from actorq.plugins import Plugin

__all__ = ["NodeOptions", "load_node_plugins", "run_node", "wait_for_app"]

log = get_logger(__name__)

IMPORT_DEADLINE_S: Final = 120.0
END_DEADLINE_S: Final = 15.0  # for everything but the slots
OK: Final = 0
DRAIN_TIMED_OUT: Final = 6


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What the command line said."""

    name: str | None = None
    home: str | None = None
    broker: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    plugins: Sequence[str] = ()  # module:object of each
    lifeline: int | None = None  # descriptor of a socket


def run_node(options: NodeOptions, zygote: ZygoteProcess, say: Callable[[str], None]) -> int:
    """Run a node until it is told to end; return the exit code. `zygote` was started and imports the application.

    Raises:
        ActorqError: it can't start; the class says why.
    """
    try:
        # Imported while the zygote imports the application: on two processors, half the time to the first task.
        from actorq.node import node  # noqa: PLC0415

        scan_entry_points()
        info = wait_for_app(zygote)
        settings = load_settings(info.conf).replace("command line", options.settings)
        chosen = options.home or (None if options.broker else info.home)
        home = find_home(info.name, broker=options.broker, home=chosen)
        name = options.name or f"node{os.getpid()}@{socket.gethostname()}"
        plugins = load_node_plugins(zygote.app, info, home, settings, options.plugins)
        running = node.Node(home, settings, info, name, zygote, plugins=plugins)
        home.create()
        signals = _Signals(options.lifeline)
        running.start()
    except BaseException:
        zygote.close()
        raise
    say(_banner(running.home, settings, info, name, running.slots, is_hub=running.lock.held))
    signals.tell_ready()
    return _serve(running, settings, signals)


def wait_for_app(zygote: ZygoteProcess) -> AppInfo:
    """Wait until the zygote has imported the application, and return what is known of it.

    Raises:
        ConfigError: it can't be imported.
    """
    give_up_at = time.monotonic() + IMPORT_DEADLINE_S
    while time.monotonic() < give_up_at:
        select.select([zygote.fileno()], [], [], 1.0)
        for reply in zygote.read_replies():
            match reply:
                case AppReady(app=app):
                    return app
                case AppFailed(error=error, traceback=traceback):
                    log.debug("application_not_imported", traceback=traceback)
                    raise ConfigError(error)
                case ZygoteLost():
                    raise ConfigError("the application ended the process that imported it")
    raise ConfigError(f"the application was not imported within {IMPORT_DEADLINE_S:g} s")


def load_node_plugins(
    spec: str, info: AppInfo, home: Home, settings: Settings, extra: Sequence[str] = ()
) -> list[Plugin]:
    """Return the plugins of a node: installed, of the command line, and, if it has some for a node, of the application.

    Raises:
        PluginError: one of them can't be used. ConfigError: the application can't be imported in this process.
    """
    disabled = (*settings.plugins_disable, *info.plugins_disabled)
    if not info.node_plugins:
        return load_plugins(None, extra, disabled)
    try:
        app = load_app(spec)
        app.import_includes()
    except ConfigError as error:
        names = " and ".join(map(repr, info.node_plugins))
        raise ConfigError(
            f"the node has to import the application, because its plugins {names} have components or commands: {error}"
        ) from error
    app.use_home(home)  # what plugins send from here goes to this node
    return load_plugins(app, extra, disabled)


class _Signals:
    """Turns signals into readable bytes, so that the main thread can wait for them and for other things at once."""

    def __init__(self, lifeline_fd: int | None = None) -> None:
        self._lifeline = None if lifeline_fd is None else _open_lifeline(lifeline_fd)
        self.readable, self._writable = socket.socketpair()
        self.readable.setblocking(False)
        self._writable.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        faulthandler.register(signal.SIGUSR1)
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)

    def wait(self, timeout_s: float | None) -> list[signal.Signals]:
        """Return the signals that came within `timeout_s`; `wake` makes it return early. A lost lifeline is a TERM."""
        lines = [] if self._lifeline is None else [self._lifeline]
        readable, _, _ = select.select([self.readable, *lines], [], [], timeout_s)
        found: list[signal.Signals] = []
        if self._lifeline in readable:
            self._lifeline = None
            found.append(signal.SIGTERM)
        with contextlib.suppress(BlockingIOError):
            found += [signal.Signals(byte) for byte in self.readable.recv(64) if byte]
        return found

    def tell_ready(self) -> None:
        """Tell whoever holds the other end of the lifeline that the node is up."""
        if self._lifeline is not None:
            with contextlib.suppress(OSError):  # it is gone: `wait` will see that
                self._lifeline.send(b"ready\n")

    def wake(self) -> None:
        """Make `wait` return; from any thread."""
        try:
            self._writable.send(b"\0")
        except BlockingIOError:
            return


def _open_lifeline(fd: int) -> socket.socket:
    try:
        lifeline = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigError(
            f"expected --lifeline to be the descriptor of a socket, got {fd}: {error.strerror}"
        ) from error
    lifeline.set_inheritable(False)
    return lifeline


def _serve(running: Node, settings: Settings, signals: _Signals) -> int:
    running.on_end(signals.wake)
    stops = 0
    deadline: float | None = None
    timed_out = False
    while not running.has_ended:
        wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        for number in signals.wait(wait_s):
            stops += 2 if number == signal.SIGQUIT else 1
            if deadline is None:
                log.info("node_draining", signal=number.name, grace_s=settings.drain_timeout_s)
                deadline = time.monotonic() + (settings.drain_timeout_s if stops == 1 else 0.0)
                running.stop()
        if deadline is not None and (stops > 1 or time.monotonic() >= deadline):
            timed_out = timed_out or stops == 1
            running.kill_slots()
            deadline = time.monotonic() + END_DEADLINE_S
            stops = 0 if stops > 1 else stops
    code = running.finish()
    if code == OK and timed_out:
        return DRAIN_TIMED_OUT
    return code


def _banner(home: Home, settings: Settings, info: AppInfo, name: str, slots: int, *, is_hub: bool) -> str:
    choice = choose_queues(settings.queues, settings.exclude_queues)
    role = "hub of this home: it owns the store" if is_hub else "worker: another node of this home is its hub"
    rows = {
        "node": f"{name} (pid {os.getpid()})",
        "role": role,
        "app": f"{info.name}, {len(info.tasks)} tasks",
        "home": home.path,
        **({"store": f"{home.store} (durability {settings.durability})"} if is_hub else {}),
        "sockets": home.runtime,
        "slots": f"{slots} {'process' if slots == 1 else 'processes'}",
        **({"queues": choice} if choice else {}),
    }
    lines = "\n".join(f"  {key:<8} {value}" for key, value in rows.items())
    return f"actorq node\n{lines}\n  stop     Ctrl-C: running tasks may finish; twice: now"


if sys.platform != "linux":  # pidfds, eventfds and subreapers
    raise ImportError("a node needs Linux; clients run elsewhere, too")
