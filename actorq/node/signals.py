"""What signals mean to a node, and how its main thread hears of them.

| signal | before a stop | while it stops |
| --- | --- | --- |
| TERM, INT | drain | kill |
| QUIT | kill | kill |
| HUP | reload; drain where its terminal has gone | nothing |
| USR1 | show | show |
| CHLD | reap | reap |

The meaning is a pure function (`read_signal`); `launch` acts on it.
"""

from __future__ import annotations

import contextlib
import enum
import faulthandler
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Signals", "Wish", "leave_while_starting", "read_signal"]

_STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_HEARD: Final = (*_STOPS, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
_STANDARD: Final = (0, 1, 2)  # input, output, errors
INIT_PID: Final = 1


class Wish(enum.Enum):
    """What somebody who signals wants."""

    NOTHING = enum.auto()
    DRAIN = enum.auto()  # start nothing new, let what runs finish, then end
    KILL = enum.auto()  # end now
    RELOAD = enum.auto()  # slots of newer code
    SHOW = enum.auto()  # stacks and tree
    REAP = enum.auto()  # a child has ended


def read_signal(number: int, *, is_stopping: bool, has_terminal: bool = True) -> Wish:
    """Return what a signal means; `has_terminal` is False only where there was one that has gone."""
    match number:
        case signal.SIGUSR1:
            return Wish.SHOW
        case signal.SIGCHLD:
            return Wish.REAP
        case signal.SIGQUIT:
            return Wish.KILL
        case signal.SIGHUP if has_terminal or is_stopping:
            return Wish.NOTHING if is_stopping else Wish.RELOAD
        case signal.SIGTERM | signal.SIGINT | signal.SIGHUP:
            return Wish.KILL if is_stopping else Wish.DRAIN
        case _:
            return Wish.NOTHING


def leave_while_starting() -> None:
    """Let stop signals end a process that is only starting, also where the kernel protects it, as it does PID 1."""
    if os.getpid() == INIT_PID:
        for number in _STOPS:
            signal.signal(number, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


class Signals:
    """Turns signals into readable bytes, so that the main thread can wait for them and for other things at once."""

    def __init__(self, lifeline_fd: int | None = None) -> None:
        self._lifeline = None if lifeline_fd is None else _open_lifeline(lifeline_fd)
        self._had_terminal = _has_terminal()
        self._on_terminal = [fd for fd in _STANDARD if os.isatty(fd)]
        self.readable, self._writable = socket.socketpair()
        self.readable.setblocking(False)
        self._writable.setblocking(False)
        for number in _HEARD:
            signal.signal(number, _do_nothing)
        # The stacks come from the kernel's own handler: also from a process that is stuck. Then we hear of it, too.
        faulthandler.register(signal.SIGUSR1, chain=True)
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)

    def wait(self, timeout_s: float | None) -> list[int]:
        """Return the signals that came within `timeout_s`; `wake` makes it return early. A lost lifeline is a TERM."""
        lines = [] if self._lifeline is None else [self._lifeline]
        readable, _, _ = select.select([self.readable, *lines], [], [], timeout_s)
        found: list[int] = []
        if self._lifeline in readable:
            self._lifeline = None
            found.append(signal.SIGTERM)
        with contextlib.suppress(BlockingIOError):
            found += [byte for byte in self.readable.recv(4096) if byte]
        return found

    def has_terminal(self) -> bool:
        """Return False only where there was a controlling terminal at the start, and it has gone.

        What would be written there goes nowhere from then on: a log line mustn't be what ends the node.
        """
        if not self._had_terminal or _has_terminal():
            return True
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        while self._on_terminal:
            os.dup2(nowhere, self._on_terminal.pop())
        os.close(nowhere)
        return False

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


def _do_nothing(*_: Any) -> None:
    """Be there: a signal without a handler in Python isn't heard."""


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _open_lifeline(fd: int) -> socket.socket:
    try:
        lifeline = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigError(
            f"expected --lifeline to be the descriptor of a socket, got {fd}: {error.strerror}"
        ) from error
    lifeline.set_inheritable(False)
    return lifeline
