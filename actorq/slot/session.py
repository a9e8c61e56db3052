"""A slot's connection to whoever is the broker now.

Three states: *seeking* (nobody to talk to, next look at the rendezvous at a known time), *greeting* (HELLO is on its way,
WELCOME has to come within a time), *joined*. A lost broker is noticed through the socket's monitor, not by a time-out: a
broker that is merely slow or stopped is still the broker.

Invariant: one socket belongs to one connection. It never reconnects by itself; after a loss a new socket with a new random
routing id says HELLO, so a broker never takes the frames of one connection for those of another. `joins` counts WELCOMEs;
whoever sends compares it to know that what it sent before may never have arrived.

Nothing here blocks, except `wait`.
"""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING, Final

import msgspec
import zmq

from actorq.log import get_logger
from actorq.messages.wire import HELLO, PROTOCOL, WELCOME, Hello, Welcome
from actorq.transport.rendezvous import read_rendezvous

if TYPE_CHECKING:
    from actorq.transport.paths import Home

__all__ = ["BrokerSession"]

BACKOFF_MIN_NS: Final = 20_000_000
BACKOFF_MAX_NS: Final = 500_000_000
GREETING_NS: Final = (
    5_000_000_000  # a broker that is there answers within milliseconds, one that just started in seconds
)
MONITOR_NS: Final = 20_000_000  # how often a busy slot looks whether its broker is lost
FAREWELL_MS: Final = 1_000  # how long a leaving slot waits for its last reports to be on their way
MAX_FRAMES: Final = 64  # taken in one go; the rest waits while some of it is run
MAX_FRAME_BYTES: Final = 1 << 30

_LOST: Final = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_EVENT: Final = struct.Struct("=H")
_decode_welcome: Final = msgspec.msgpack.Decoder(Welcome).decode

log: Final = get_logger(__name__)


class BrokerSession:
    """Owned by one slot; used from its one thread."""

    def __init__(self, home: Home, name: str, node: str) -> None:
        self._home = home
        self._name = name
        self._hello = HELLO + msgspec.msgpack.encode(Hello(PROTOCOL, "slot", os.getpid(), 0, name, node))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._poller = zmq.Poller()
        self._opened = 0
        self._backoff_ns = BACKOFF_MIN_NS
        self._act_at_ns = 0  # seeking: when to look again; greeting: when to give up; joined: when to see the monitor
        self.is_joined = False
        self.joins = 0
        self.epoch = 0

    def look(self, now_ns: int) -> list[bytes]:
        """Do what is due and return the frames that have come, without waiting."""
        socket = self._socket
        if socket is not None and now_ns >= self._act_at_ns:
            if self._is_lost():
                self._lose(now_ns, "disconnected")
                socket = None
            elif self.is_joined:
                self._act_at_ns = now_ns + MONITOR_NS
            else:
                self._lose(now_ns, "no welcome")
                socket = None
        if socket is None:
            if now_ns >= self._act_at_ns:
                self._seek(now_ns)
            return []
        if not _has_frames(socket):
            return []
        return self._receive(socket, now_ns)

    def send(self, frame: bytes) -> bool:
        """Send, or return False where it has to wait: for a broker, or for room."""
        if not self.is_joined or self._socket is None:
            return False
        try:
            self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def wait(self, *, to_send: bool, timeout_ms: int | None = None) -> None:
        """Sleep until there is something to `look` at, or to send; joined and idle that may be for ever."""
        if self._socket is None or self._monitor is None:
            left_ns = self._act_at_ns - time.monotonic_ns()
            time.sleep(max(left_ns, 0) / 1e9)
            return
        if not self.is_joined:
            left_ms = max((self._act_at_ns - time.monotonic_ns()) // 1_000_000 + 1, 0)
            timeout_ms = left_ms if timeout_ms is None else min(timeout_ms, left_ms)
        self._poller.modify(self._socket, zmq.POLLIN | (zmq.POLLOUT if to_send and self.is_joined else 0))
        ready = dict(self._poller.poll(timeout_ms))
        if self._monitor in ready:
            self._act_at_ns = 0  # look at it now

    def close(self) -> None:
        """Let what was sent leave within a second, then give everything back."""
        self._drop(FAREWELL_MS)
        self._context.term()

    def _seek(self, now_ns: int) -> None:
        found = read_rendezvous(self._home)
        if found is None:
            self._act_at_ns = now_ns + self._next_backoff_ns()
            return
        self._opened += 1
        self._socket = socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.ROUTING_ID, b"s" + os.urandom(8))
        socket.setsockopt(zmq.RECONNECT_IVL, -1)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        address = f"inproc://monitor-{self._opened}"
        socket.monitor(address, _LOST)
        self._monitor = self._context.socket(zmq.PAIR)
        self._monitor.setsockopt(zmq.LINGER, 0)
        self._monitor.connect(address)
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._act_at_ns = now_ns + GREETING_NS
        try:
            socket.connect(found.endpoint)
            socket.send(self._hello, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            self._lose(now_ns, str(error))

    def _receive(self, socket: zmq.Socket[bytes], now_ns: int) -> list[bytes]:
        frames: list[bytes] = []
        try:
            while len(frames) < MAX_FRAMES:
                parts = [socket.recv(zmq.NOBLOCK)]
                while socket.getsockopt(zmq.RCVMORE):
                    parts.append(socket.recv(zmq.NOBLOCK))
                frame = parts[0]
                if frame[:1] == WELCOME:
                    if not self._welcome(frame, now_ns):
                        return []
                elif self.is_joined and len(parts) == 1:
                    frames.append(frame)
                if not _has_frames(socket):
                    break
        except zmq.Again:
            pass
        return frames

    def _welcome(self, frame: bytes, now_ns: int) -> bool:
        try:
            welcome = _decode_welcome(memoryview(frame)[1:])
        except (msgspec.DecodeError, RecursionError) as error:
            self._lose(now_ns, f"bad welcome: {error}")
            return False
        if welcome.error:
            log.warning("slot_turned_away", slot=self._name, epoch=welcome.epoch, error=welcome.error)
            self._lose(now_ns, welcome.error)
            return False
        self.is_joined = True
        self.joins += 1
        self.epoch = welcome.epoch
        self._backoff_ns = BACKOFF_MIN_NS
        self._act_at_ns = now_ns + MONITOR_NS
        return True

    def _is_lost(self) -> bool:
        monitor = self._monitor
        if monitor is None:
            return True
        try:
            while True:
                (event,) = _EVENT.unpack_from(monitor.recv_multipart(zmq.NOBLOCK)[0])
                if event & _LOST:
                    return True
        except zmq.Again:
            return False

    def lose(self, reason: str) -> None:
        """Give up this connection, because of what came through it, and find another."""
        self._lose(time.monotonic_ns(), reason)

    def _lose(self, now_ns: int, reason: str) -> None:
        if self.is_joined:
            log.info("broker_lost", slot=self._name, epoch=self.epoch, reason=reason)
        self._drop(0)
        self._act_at_ns = now_ns + self._next_backoff_ns()

    def _next_backoff_ns(self) -> int:
        wait_ns = self._backoff_ns
        self._backoff_ns = min(wait_ns * 2, BACKOFF_MAX_NS)
        return wait_ns

    def _drop(self, linger_ms: int) -> None:
        self.is_joined = False
        if self._socket is not None:
            self._poller.unregister(self._socket)
            self._socket.monitor(None, 0)
            self._socket.close(linger=linger_ms)
            self._socket = None
        if self._monitor is not None:
            self._poller.unregister(self._monitor)
            self._monitor.close(linger=0)
            self._monitor = None


def _has_frames(socket: zmq.Socket[bytes]) -> bool:
    return bool(socket.getsockopt(zmq.EVENTS) & zmq.POLLIN)  # type: ignore[operator, arg-type]
