"""Become a slot: from a freshly forked process to a running loop, and to its end.

The order matters: tie our life to the node's before anything else, then make the line, then talk to the broker; whoever
sees us in the rendezvous sees our line.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actorq.codec import PLAIN_TASK_CODEC, TaskCodec
from actorq.log import follow_node, get_logger
from actorq.plugins.hooks import HookedTasks
from actorq.pools import KINDS, SOLO
from actorq.slot.layout import trace_path
from actorq.slot.limits import KnownLimits
from actorq.slot.line import Line
from actorq.slot.outcome import RunnableTask, TaskRunner
from actorq.slot.process import die_at_end_of, die_with_parent, set_process_name, wait_for_parent
from actorq.slot.runtime import Slot
from actorq.slot.session import make_session
from actorq.slot.teller import Teller
from actorq.slot.wear import Gauge, Wear
from actorq.tasks.updates import carry_with
from actorq.transport.paths import Home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorq.app import App
    from actorq.slot.crowd import Desk
    from actorq.slot.orders import SlotOptions

__all__ = ["ignore_stop_signals", "run_slot", "tie_to_node"]

log: Final = get_logger(__name__)

ADOPTION_S: Final = 5.0  # until the process between us and the node has ended
OOM_SCORE: Final = 300  # the kernel takes a slot before the node when memory runs out

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def tie_to_node(node_pid: int, life_fd: int) -> None:
    """Make the node our parent and its end ours; exit where it is gone already."""
    die_at_end_of(life_fd)
    if not wait_for_parent(node_pid, ADOPTION_S) or not die_with_parent(node_pid):
        os._exit(1)


def run_slot(options: SlotOptions, app: App | None) -> None:
    """Serve as the slot `options.name` until told to retire.

    Raises:
        FileExistsError: the name was used before.
    """
    set_process_name(f"actorq:{options.name}")
    ignore_stop_signals()
    _reseed()
    if options.pool == SOLO:
        _take_terminal()
    _show_lines_at_once()
    follow_node()
    _offer_to_the_oom_killer()
    home = Home(Path(options.home), Path(options.runtime))
    tasks: Mapping[str, RunnableTask] | HookedTasks = {}
    if app is not None:
        hooks = app.plugins.hooks.running
        tasks = HookedTasks(app.tasks, hooks) if hooks else app.tasks
        # What tasks send goes to the node that runs them, also where the application names another home.
        app.use_home(home)
    kind = KINDS[options.pool]
    places = options.places if kind.is_shared else 0
    line = Line.create(home.lines / f"{options.name}.line", os.getpid(), options.node, places, kind.number)
    trace = _keep_fatal_traces(trace_path(line.path))
    codec = PLAIN_TASK_CODEC if app is None else TaskCodec.plan(app.conf)
    limits = KnownLimits(app.tasks if app is not None else {}, options.limits)
    wear = Wear(options.max_tasks, options.max_rss_bytes)
    gauge = Gauge(wear, line) if wear else None
    teller = Teller(home, options.name, options.node)
    carry_with(teller.tell, options.node)
    if kind.is_shared:
        # With it comes asyncio; most slots run one task at a time.
        from actorq.slot.crews import serve_crowd  # noqa: PLC0415
        from actorq.slot.crowd import Desk  # noqa: PLC0415

        desk = Desk(line)
        os.register_at_fork(after_in_child=functools.partial(_stop_being_a_slot, desk, line, teller))
        serve_crowd(options, desk, tasks, codec, limits, gauge)
    else:
        session = make_session(options)
        slot = Slot(line, session, TaskRunner(tasks, options.node, codec), limits, gauge)
        os.register_at_fork(after_in_child=functools.partial(_stop_being_a_slot, slot, line, teller))
        slot.run()
    # The application's. The interpreter itself isn't finalised: it would wait for threads that tasks left behind.
    atexit._run_exitfuncs()  # noqa: SLF001  the documented way is to finalise the interpreter
    faulthandler.disable()
    os.close(trace)
    trace_path(line.path).unlink(missing_ok=True)  # there is nothing in it
    line.close()


def ignore_stop_signals() -> None:
    """Leave it to the node when to stop, also if a terminal or a service manager tells everybody.

    A handler that does nothing, not SIG_IGN: that would be inherited by programs which tasks start, and no `terminate()`
    would work on them.
    """
    for number in (*_STOP_SIGNALS, signal.SIGUSR1):  # whoever wants its stacks may come before it can show them
        signal.signal(number, _do_nothing)


def _do_nothing(_number: int, _frame: Any) -> None:
    pass


def _stop_being_a_slot(slot: Slot | Desk, line: Line, teller: Teller) -> None:
    """In a child that task code forked: it must not keep our lock, and can be stopped like any process."""
    slot.is_forked = True
    line.abandon()
    teller.abandon()
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _keep_fatal_traces(path: Path) -> int:
    """Let fatal signals write all stacks into a file, and SIGUSR1 to stderr. Return the file's descriptor."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    faulthandler.enable(fd, all_threads=True)
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no stderr, or one that isn't a file
        faulthandler.register(signal.SIGUSR1, sys.stderr, all_threads=True, chain=False)
    return fd


def _reseed() -> None:
    """Give this process random numbers of its own; siblings forked from one zygote would draw the same."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy.random" in sys.modules:
        numpy.random.seed()


def _take_terminal() -> None:
    """Read from where the node reads: its terminal, as a rule. The node has put nothing into our standard input.

    We are in a session of our own, so the terminal doesn't control us: Ctrl-C goes to the node, and reading is always allowed.
    """
    try:
        fd = os.open(f"/proc/{os.getppid()}/fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:  # it is closed, or a socket
        log.warning("terminal_not_taken", why=error.strerror)
        return
    os.dup2(fd, 0)
    os.close(fd)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  as long as the process


def _show_lines_at_once() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _offer_to_the_oom_killer() -> None:
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as score:
        if int(score.read()) < OOM_SCORE:
            score.seek(0)
            score.write(str(OOM_SCORE))
