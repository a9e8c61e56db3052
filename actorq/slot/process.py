"""What a process owes to others: who its parent is, when it must die, how it died.

Invariant: a slot never outlives its node. Two independent lines see to that, both in the kernel, so they work while task
code holds the interpreter: PR_SET_PDEATHSIG, and the *life pipe* of the node, whose write end only the node has. A read
end raises SIGKILL at its owner when it becomes readable, and nothing is ever written: that is the end of the node.

PR_SET_PDEATHSIG follows the thread that is the parent, and a process that is forked twice has a short-lived one first.
So it is set only when the node is the parent already, and the parent is looked at once more after that:
1. the node dies; 2. we set the signal, too late; 3. the second look finds another parent, and we leave by ourselves.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = [
    "BETWEEN",
    "become_subreaper",
    "count_threads",
    "die_at_end_of",
    "die_with_parent",
    "find_life_pipe",
    "kill_group",
    "reap",
    "reap_strays",
    "set_process_name",
    "wait_for_parent",
]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_NAME_BYTES: Final = 15  # what the kernel keeps of a process name

BETWEEN: Final = "actorq:between"  # name of a process that is to become a slot, or to vanish

_libc: Final = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make this process the parent of its orphaned descendants: of slots, and of what slots leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_process_name(name: str) -> None:
    """Set the name that `ps -o comm` and `top` show."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:_NAME_BYTES], 0, 0, 0)


def wait_for_parent(pid: int, timeout_s: float) -> bool:
    """Wait until `pid` is our parent, which takes as long as the process between us needs to end."""
    give_up_at = time.monotonic() + timeout_s
    while os.getppid() != pid:
        if time.monotonic() > give_up_at:
            return False
        os.sched_yield()
    return True


def die_with_parent(pid: int) -> bool:
    """Ask the kernel to kill us when our parent `pid` ends; False where it isn't our parent (any more)."""
    if os.getppid() != pid:
        return False
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == pid


_life_pipe: list[int] = []  # of this process: read end, write end; made once and open until the process ends


def find_life_pipe() -> int:
    """Return the read end of this process's life pipe, to be passed on to those who must not outlive it."""
    if not _life_pipe:
        _life_pipe.extend(os.pipe())
        os.register_at_fork(after_in_child=_give_up_life_pipe)
    return _life_pipe[0]


def _give_up_life_pipe() -> None:
    """In a forked child: it must not keep others alive when its parent is dead."""
    for fd in _life_pipe:
        os.close(fd)
    _life_pipe.clear()


def die_at_end_of(life_fd: int) -> int:
    """Ask the kernel to kill us when the last write end of this pipe is closed. Return the descriptor that watches it.

    It is opened anew: the owner who is killed belongs to the open file, and `life_fd` is shared with others.
    """
    fd = os.open(f"/proc/self/fd/{life_fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    with contextlib.suppress(BlockingIOError):
        if not os.read(fd, 1):
            os._exit(1)  # it was closed before we asked: no signal will come
    return fd


def count_threads() -> int:
    """Return how many threads this process has, those started behind Python's back included."""
    return len(os.listdir("/proc/self/task"))


def reap(pidfd: int) -> str | None:
    """Take the exit status of a dead child; None while it lives. The descriptor stays open.

    The text reads like "SIGKILL", "exit code 3", or "unknown" where somebody else has taken the status.
    """
    try:
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return "unknown"
    if found is None:
        return None
    if found.si_code == os.CLD_EXITED:
        return f"exit code {found.si_status}"
    try:
        return signal.Signals(found.si_status).name
    except ValueError:
        return f"signal {found.si_status}"


def kill_group(leader: int) -> None:
    """Kill what is left of the process group that a slot led: children that its tasks started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def reap_strays(sessions: Container[int]) -> int:
    """Reap dead processes that became our children as orphans, and return how many there were.

    These are the processes of `sessions` (pids of slots that aren't reaped by pidfd any more, or still are) and what a
    dying zygote left halfway. Other children are left alone: somebody waits for them.
    """
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as children:
            pids = [int(pid) for pid in children.read().split()]
    except OSError:
        return 0
    return sum(_reap_stray(pid, sessions) for pid in pids if pid not in sessions)


def _reap_stray(pid: int, sessions: Container[int]) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            name, _, rest = stat.read().partition(b"(")[2].rpartition(b")")
        state, _, _, session = rest.split()[:4]
        is_stray = int(session) in sessions or name.decode(errors="replace") == BETWEEN
        return state == b"Z" and is_stray and os.waitpid(pid, os.WNOHANG)[0] == pid
    except (OSError, ValueError):
        return False


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
