"""A slot's connection to whoever is the broker now.

Three states: *seeking* (nobody to talk to, next look at the rendezvous at a known time), *greeting* (HELLO is on its way,
WELCOME has to come within a time), *joined*. A lost broker is noticed through the socket's monitor, not by a time-out: a
broker that is merely slow or stopped is still the broker.

Invariant: each connection is a new socket (see `actorq.transport.broker_socket`). `joins` counts WELCOMEs; whoever sends
compares it to know that what it sent before may never have arrived.

Nothing here blocks, except `wait`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import zmq

from actorq.log import get_logger
from actorq.messages.wire import HELLO, PROTOCOL, WELCOME, Hello, Welcome
from actorq.transport.broker_socket import BrokerSocket, is_readable
from actorq.transport.paths import Home
from actorq.transport.rendezvous import SEEK_S, read_rendezvous

if TYPE_CHECKING:
    from actorq.messages.queues import QueueChoice
    from actorq.slot.orders import SlotOptions

__all__ = ["BrokerSession", "make_session"]

SEEK_MIN_NS, SEEK_MAX_NS = (int(seconds * 1e9) for seconds in SEEK_S)
GREETING_NS: Final = (
    5_000_000_000  # a broker that is there answers within milliseconds, one that just started in seconds
)
MONITOR_NS: Final = 20_000_000  # how often a busy slot looks whether its broker is lost
FAREWELL_MS: Final = 1_000  # how long a leaving slot waits for its last reports to be on their way
MAX_FRAMES: Final = 64  # taken in one go; the rest waits while some of it is run
MAX_FRAME_BYTES: Final = 1 << 30

# No heartbeats: a broker that stands still is still the broker.
_OPTIONS: Final[dict[int, int]] = {zmq.MAXMSGSIZE: MAX_FRAME_BYTES}
_decode_welcome: Final = msgspec.msgpack.Decoder(Welcome).decode

log: Final = get_logger(__name__)


class BrokerSession:
    """Owned by one slot; used from one thread of it. `wake_fd` is one more thing that ends a `wait`; its reader empties it."""

    def __init__(
        self,
        home: Home,
        name: str,
        node: str,
        takes: QueueChoice | None = None,
        *,
        after: tuple[str, ...] = (),
        max_tasks: int = 0,
        wake_fd: int = -1,
        role: str = "slot",
    ) -> None:
        self._home = home
        self._name = name
        hello = Hello(PROTOCOL, role, os.getpid(), 0, name, node, takes, after, max_tasks)
        self._greeting = hello
        self._hello = HELLO + msgspec.msgpack.encode(hello)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._broker: BrokerSocket | None = None
        self._poller = zmq.Poller()
        if wake_fd >= 0:
            self._poller.register(wake_fd, zmq.POLLIN)
        self._backoff_ns = SEEK_MIN_NS
        self._act_at_ns = 0  # seeking: when to look again; greeting: when to give up; joined: when to see the monitor
        self.is_joined = False
        self.joins = 0
        self.epoch = 0

    def restate(self, takes: QueueChoice | None) -> None:
        """Say to the next broker that this slot takes these queues."""
        self._greeting = msgspec.structs.replace(self._greeting, takes=takes)
        self._hello = HELLO + msgspec.msgpack.encode(self._greeting)

    def look(self, now_ns: int) -> list[bytes]:
        """Do what is due and return the frames that have come, without waiting."""
        broker = self._broker
        if broker is not None and now_ns >= self._act_at_ns:
            if broker.is_lost():
                self._lose(now_ns, "disconnected")
                broker = None
            elif self.is_joined:
                self._act_at_ns = now_ns + MONITOR_NS
            else:
                self._lose(now_ns, "no welcome")
                broker = None
        if broker is None:
            if now_ns >= self._act_at_ns:
                self._seek(now_ns)
            return []
        if not is_readable(broker.socket):
            return []
        return self._receive(broker.socket, now_ns)

    def send(self, frame: bytes) -> bool:
        """Send, or return False where it has to wait: for a broker, or for room."""
        if not self.is_joined or self._broker is None:
            return False
        try:
            self._broker.socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def wait(self, *, to_send: bool, timeout_ms: int | None = None) -> None:
        """Sleep until there is something to `look` at, or to send; joined and idle that may be for ever."""
        broker = self._broker
        if broker is None:
            left_ns = self._act_at_ns - time.monotonic_ns()
            if self._poller.sockets:
                self._poller.poll(max(left_ns, 0) // 1_000_000 + 1)
            else:
                time.sleep(max(left_ns, 0) / 1e9)
            return
        if not self.is_joined:
            left_ms = max((self._act_at_ns - time.monotonic_ns()) // 1_000_000 + 1, 0)
            timeout_ms = left_ms if timeout_ms is None else min(timeout_ms, left_ms)
        self._poller.modify(broker.socket, zmq.POLLIN | (zmq.POLLOUT if to_send and self.is_joined else 0))
        ready = dict(self._poller.poll(timeout_ms))
        if broker.monitor in ready:
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
        self._act_at_ns = now_ns + GREETING_NS
        try:
            self._broker = broker = BrokerSocket(self._context, found.endpoint, b"s", _OPTIONS)
            self._poller.register(broker.socket, zmq.POLLIN)
            self._poller.register(broker.monitor, zmq.POLLIN)
            broker.socket.send(self._hello, zmq.NOBLOCK)
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
                if not is_readable(socket):
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
        self._backoff_ns = SEEK_MIN_NS
        self._act_at_ns = now_ns + MONITOR_NS
        return True

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
        self._backoff_ns = min(wait_ns * 2, SEEK_MAX_NS)
        return wait_ns

    def _drop(self, linger_ms: int) -> None:
        self.is_joined = False
        broker, self._broker = self._broker, None
        if broker is not None:
            self._poller.unregister(broker.socket)
            self._poller.unregister(broker.monitor)
            broker.close(linger_ms)


def make_session(options: SlotOptions, wake_fd: int = -1) -> BrokerSession:
    """Return the session of a slot that is started with these options."""
    return BrokerSession(
        Home(Path(options.home), Path(options.runtime)),
        options.name,
        options.node,
        options.takes,
        after=options.after,
        max_tasks=options.max_tasks,
        wake_fd=wake_fd,
    )
