"""One DEALER socket to one epoch of the broker, with its monitor and the descriptor that wakes its thread.

Invariant: used by the link's thread only, from `open_connection` to `close`. A connection is never repaired: whoever
loses it makes a new one with a new routing id, so no frame of an old epoch can reach a new one.
"""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING, Final

import zmq

from actorq.transport.broker_socket import HEARTBEATS, BrokerSocket, is_readable

if TYPE_CHECKING:
    from actorq.transport.paths import Home

__all__ = ["Connection", "is_private"]

FRAMES_PER_TURN: Final = 64  # bounds how long shipping waits for receiving
# No bound here: the link bounds what is in flight by tasks and bytes.
_OPTIONS: Final = {**HEARTBEATS, zmq.SNDHWM: 0}


class Connection:
    """An open socket. `is_lost` turns True when the broker is gone."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, wake_fd: int) -> None:
        self.endpoint, self.is_lost = endpoint, False
        self._wake_fd = wake_fd
        self._broker = BrokerSocket(context, endpoint, b"c", _OPTIONS)
        self._socket, self._monitor = self._broker.socket, self._broker.monitor
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(wake_fd, zmq.POLLIN)

    def wait(self, timeout_s: float | None) -> list[bytes]:
        """Wait until something happens and return the frames that came."""
        ready = dict(self._poller.poll(None if timeout_s is None else max(0, int(timeout_s * 1000 + 0.999))))
        if self._wake_fd in ready:
            drain(self._wake_fd)
        frames = self._receive() if self._socket in ready else []
        # Frames first: what the broker said before it went counts.
        if self._monitor in ready and len(frames) < FRAMES_PER_TURN:
            self._see_loss()
        return frames

    def send(self, frame: bytes) -> None:
        """Hand over a frame; a socket that can't take it counts as lost."""
        try:
            self._socket.send(frame, zmq.DONTWAIT)
        except zmq.ZMQError:
            self.is_lost = True

    def close(self, linger_ms: int = 0) -> None:
        """Close the socket; `linger_ms` is how long its context waits for what was sent last."""
        self._broker.close(linger_ms)

    def pause(self, timeout_s: float) -> list[bytes]:
        """Wait for the descriptor only, then return the frames that have come meanwhile.

        For the time of a long loop of sends: each wake-up takes the interpreter's lock from the thread that sends.
        """
        wait_readable(self._wake_fd, timeout_s)
        frames = self._receive()
        if len(frames) < FRAMES_PER_TURN:
            self._see_loss()
        return frames

    def _receive(self) -> list[bytes]:
        frames: list[bytes] = []
        while len(frames) < FRAMES_PER_TURN and is_readable(self._socket):
            frames.append(self._socket.recv(zmq.DONTWAIT))
        return frames

    def _see_loss(self) -> None:
        self.is_lost = self.is_lost or self._broker.is_lost()


def is_private(home: Home) -> bool:
    """Return whether the runtime directory is ours alone, so that nobody else can have put a socket into it."""
    try:
        found = home.runtime.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def drain(fd: int) -> None:
    """Empty the descriptor that wakes us."""
    try:
        os.read(fd, 8)
    except BlockingIOError:
        pass


def wait_readable(fd: int, timeout_s: float) -> None:
    """Wait until somebody wakes us, and empty the descriptor."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    if poller.poll(max(0, int(timeout_s * 1000 + 0.999))):
        drain(fd)
