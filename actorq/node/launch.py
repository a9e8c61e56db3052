"""Starts a node, waits for signals, and ends it in order.

The zygote is started first of all and imports the application while this process imports the rest of actorq. The node itself
imports it only where the application's own plugins have components or control commands: those live in the node. Signals, as Celery's users know them:

- TERM, first INT: no new tasks; those that run get `drain_timeout_s`; the rest is handed back.
- second TERM or INT, QUIT: slots are killed; what they ran is delivered again, later or elsewhere.
- HUP: slots of newly imported code take the places of the present ones, each after its present task.
- USR1: the stacks of all threads and slots on stderr, the supervision tree in the log.

Whoever started the node may hold the other end of its *lifeline*, a socket: it reads a line there when the node is up, and
when it closes its end, or dies, that counts as a TERM.
"""

from __future__ import annotations

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
from actorq.node.naming import format_node_name
from actorq.node.reaping import PATIENCE_S, Reaper
from actorq.node.seats import check_limits, find_pools
from actorq.node.showing import show_node
from actorq.node.signals import Signals, Wish, leave_while_starting, read_signal
from actorq.plugins.entry_points import scan_entry_points
from actorq.plugins.finding import load_plugins
from actorq.slot.orders import AppFailed, AppInfo, AppReady
from actorq.slot.zygote_process import ZygoteLost, ZygoteProcess
from actorq.transport.paths import Home, find_home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actorq.node.node import Node
    from actorq.plugins import Plugin
    from actorq.pools import PoolPlan

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
        leave_while_starting()
        # Imported while the zygote imports the application: on two processors, half the time to the first task.
        from actorq.node import node  # noqa: PLC0415

        scan_entry_points()
        info = wait_for_app(zygote)
        settings = load_settings(info.conf).replace("command line", options.settings)
        chosen = options.home or (None if options.broker else info.home)
        home = find_home(info.name, broker=options.broker, home=chosen)
        name = format_node_name(options.name or f"node{os.getpid()}@%h", socket.gethostname())
        plugins = load_node_plugins(zygote.app, info, home, settings, options.plugins)
        check_limits(info, settings)
        running = node.Node(home, settings, info, name, zygote, plugins=plugins)
        home.create()
        signals = Signals(options.lifeline)
        running.start()
    except BaseException:
        zygote.close()
        raise
    say(_banner(running.home, settings, info, name, is_hub=running.lock.held))
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


def _serve(running: Node, settings: Settings, signals: Signals) -> int:
    running.on_end(signals.wake)
    reaper = Reaper(running.roster)
    deadline: float | None = None  # of the present stage of the stop
    look_at: float | None = None  # for the dead that nobody waits for
    timed_out = was_killed = False
    while not running.has_ended:
        now = time.monotonic()
        soonest = min((at for at in (deadline, look_at) if at is not None), default=None)
        for number in signals.wait(None if soonest is None else max(0.0, soonest - now)):
            wish = read_signal(number, is_stopping=deadline is not None, has_terminal=signals.has_terminal())
            now = time.monotonic()
            if wish is Wish.REAP:
                look_at = look_at or now
            elif wish is Wish.SHOW:
                show_node(running)
            elif wish is Wish.RELOAD:
                running.reload()
            elif wish is Wish.DRAIN:
                log.info("node_draining", signal=signal.Signals(number).name, grace_s=settings.drain_timeout_s)
                deadline = now + settings.drain_timeout_s
                running.stop()
            elif wish is Wish.KILL and not was_killed:
                log.warning("node_killing_slots", signal=signal.Signals(number).name)
                was_killed, deadline = True, now
                running.stop()
        now = time.monotonic()
        if look_at is not None and now >= look_at:
            look_at = now + PATIENCE_S if reaper.look(now) else None
        if deadline is not None and now >= deadline:
            timed_out = timed_out or not was_killed
            running.kill_slots()
            deadline = now + END_DEADLINE_S
    code = running.finish()
    return DRAIN_TIMED_OUT if code == OK and timed_out else code


def _banner(home: Home, settings: Settings, info: AppInfo, name: str, *, is_hub: bool) -> str:
    choice = choose_queues(settings.queues, settings.exclude_queues)
    role = "hub of this home: it owns the store" if is_hub else "worker: another node of this home is its hub"
    rows = {
        "node": f"{name} (pid {os.getpid()})",
        "role": role,
        "app": f"{info.name}, {len(info.tasks)} tasks",
        "home": home.path,
        **({"store": f"{home.store} (durability {settings.durability})"} if is_hub else {}),
        "sockets": home.runtime,
        "slots": _say_pools(settings),
        **({"queues": choice} if choice else {}),
    }
    lines = "\n".join(f"  {key:<8} {value}" for key, value in rows.items())
    return f"actorq node\n{lines}\n  stop     Ctrl-C: running tasks may finish; twice: now"


def _say_pools(settings: Settings) -> str:
    """Return a line on the pools: `4 processes`, `thread pool of 8 in 1 process (queues io)`."""
    return "; ".join(map(_say_pool, find_pools(settings)))


def _say_pool(pool: PoolPlan) -> str:
    processes = f"{pool.slots} {'process' if pool.slots == 1 else 'processes'}"
    kind = processes if pool.kind == "process" else f"{pool.kind} pool of {pool.concurrency} in {processes}"
    return f"{kind} (queues {', '.join(pool.queues)})" if pool.queues else kind


if sys.platform != "linux":  # pidfds, eventfds and subreapers
    raise ImportError("a node needs Linux; clients run elsewhere, too")
