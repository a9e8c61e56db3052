"""The node's handle on its zygote. No actor, no thread, nothing that waits.

Whoever owns it polls `fileno()` and, when it is readable, asks for `read_replies()`. Orders wait here until the zygote has
imported the application, and only a few are under way at a time, so nothing is ever written into a full socket.

Invariant: each slot that was started is told exactly once, with a pidfd that belongs to whoever takes the reply. Slots are
children of this process, not of the zygote: they live on when it dies, and when this handle is closed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.errors import ConfigError
from actorq.slot.orders import (
    AppFailed,
    AppReady,
    Reply,
    SlotFailed,
    SlotForked,
    SlotOptions,
    ZygoteOptions,
    pack_frame,
    split_frames,
)
from actorq.slot.process import become_subreaper, find_life_pipe, reap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SlotStarted", "ZygoteLost", "ZygoteProcess"]

MAX_UNDER_WAY: Final = 8  # orders; each takes a few milliseconds and a few hundred bytes
_decode_reply: Final = msgspec.msgpack.Decoder(Reply).decode


@dataclass(frozen=True, slots=True)
class SlotStarted:
    """The slot `name` runs as our child `pid`. Whoever gets this owns `pidfd` and closes it."""

    name: str
    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class ZygoteLost:
    """The zygote has ended, or is about to. Orders that it hadn't answered are in `unanswered`, oldest first."""

    unanswered: tuple[SlotOptions, ...]


class ZygoteProcess:
    """One zygote. `start` it, then give it orders; a dead one is replaced by a new `ZygoteProcess`."""

    def __init__(
        self,
        app: str = "",
        *,
        fresh: bool = False,
        plugins: Sequence[str] = (),
        values: Mapping[str, Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Keep what it is to be started with; `plugins` and `values` are as in `ZygoteOptions`.

        Raises:
            ConfigError: a value of an option of a plugin is no plain data.
        """
        self.app, self.plugins = app, tuple(plugins)
        given = {name: dict(each) for name, each in (values or {}).items()}
        self._options = ZygoteOptions(os.getpid(), app, fresh, self.plugins, given)
        self._order = _encode_options(self._options)
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._waiting: deque[SlotOptions] = deque()
        self._under_way: deque[SlotOptions] = deque()
        self._is_ready = False
        self.pid = 0
        self.pidfd = -1

    def another(self) -> ZygoteProcess:
        """Return one that isn't started yet, for the same application."""
        options = self._options
        return ZygoteProcess(
            options.app,
            fresh=options.fresh,
            plugins=options.plugins,
            values=options.values,
            environ=self._environ,
        )

    def start(self) -> None:
        """Start it; 10 ms. What it says first is whether the application can be imported."""
        become_subreaper()
        ours, theirs = socket.socketpair()
        life_fd = find_life_pipe()
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "actorq.slot.zygote"),
                    *(str(theirs.fileno()), str(life_fd), self._order),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), life_fd),
                start_new_session=True,  # Ctrl-C in a terminal is for the node alone
                env=_make_importable(self._environ),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there are replies; -1 when there won't be any more."""
        return -1 if self._socket is None else self._socket.fileno()

    def request_slot(self, options: SlotOptions) -> None:
        """Order a slot. The answer is a SlotStarted, a SlotFailed, or a ZygoteLost that names it."""
        self._waiting.append(options)
        self._send_orders()

    def read_replies(self) -> list[AppReady | AppFailed | SlotStarted | SlotFailed | ZygoteLost]:
        """Return what the zygote has said since, oldest first. After AppFailed or ZygoteLost there is nothing more."""
        replies: list[AppReady | AppFailed | SlotStarted | SlotFailed | ZygoteLost] = []
        is_open = self._receive()
        for frame in split_frames(self._buffer):
            reply = _decode_reply(frame)
            match reply:
                case AppReady():
                    self._is_ready = True
                    replies.append(reply)
                case SlotForked(name, pid):
                    self._under_way.popleft()
                    # It is our child until we reap it, so the pid is still its own even if it is dead already.
                    replies.append(SlotStarted(name, pid, os.pidfd_open(pid)))
                case SlotFailed():
                    self._under_way.popleft()
                    replies.append(reply)
                case _:
                    replies.append(reply)
        if not is_open and self._socket is not None:
            self._socket.close()
            self._socket = None
            unanswered = (*self._under_way, *self._waiting)
            self._under_way.clear()
            self._waiting.clear()
            replies.append(ZygoteLost(unanswered))
        self._send_orders()
        return replies

    def reap(self) -> str | None:
        """Return how the zygote ended, None while it lives."""
        cause = reap(self.pidfd)
        if cause is not None and self._process is not None:
            self._process.returncode = -1  # its status is taken: subprocess must not look for it
        return cause

    def close(self) -> None:
        """End the zygote, if it lives. Its slots live on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None and self._process.returncode is None:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)  # microseconds
            self._process.returncode = -1
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _receive(self) -> bool:
        """Read what is there; False at the end."""
        if self._socket is None:
            return False
        try:
            while data := self._socket.recv(65536):
                self._buffer += data
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _send_orders(self) -> None:
        while self._is_ready and self._socket is not None and self._waiting and len(self._under_way) < MAX_UNDER_WAY:
            try:
                self._socket.sendall(pack_frame(self._waiting[0]))
            except OSError:
                return  # its end will be seen by `read_replies`
            self._under_way.append(self._waiting.popleft())


def _encode_options(options: ZygoteOptions) -> str:
    try:
        return msgspec.json.encode(options, enc_hook=os.fspath).decode()
    except TypeError as error:
        raise ConfigError(
            f"expected the options of plugins to have plain values, which slots can be told, got: {error}"
        ) from error


def _make_importable(environ: Mapping[str, str]) -> dict[str, str]:
    """Let the child find this very actorq, also where it isn't installed but was found through `sys.path`."""
    root = str(Path(__file__).resolve().parents[2])
    child = dict(environ)
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        child["PYTHONPATH"] = os.pathsep.join(filter(None, (root, child.get("PYTHONPATH"))))
    return child
