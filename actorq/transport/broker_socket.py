"""A DEALER socket to one epoch of the broker, and the monitor that tells of its loss.

Clients, slots and nodes each have their own way to wait and to read; what they share is how a connection begins and ends.

Invariant: one socket belongs to one connection. It never reconnects by itself; whoever loses it opens another, with a new
random routing id, so a broker never takes the frames of one connection for those of another.

Not safe for threads: it is used and closed where it was opened.
"""

from __future__ import annotations

import itertools
import os
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import zmq

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HEARTBEATS", "BrokerSocket", "is_readable"]

# Options with which a broker that stands still is noticed, too. Without them it is still the broker when it goes on.
HEARTBEATS: Final[Mapping[int, int]] = MappingProxyType(
    {zmq.HEARTBEAT_IVL: 1_000, zmq.HEARTBEAT_TIMEOUT: 5_000, zmq.HANDSHAKE_IVL: 5_000}
)
_NO_OPTIONS: Final[Mapping[int, int]] = MappingProxyType({})

_LOSSES: Final = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_EVENT: Final = struct.Struct("=H")
# An address of its own for each monitor: ZeroMQ gives up that of a closed one some time later, in its own thread.
_monitor_numbers: Final = itertools.count(1)


class BrokerSocket:
    """Opened when it is made. `socket` and `monitor` are there to be polled; the monitor is readable only after a loss."""

    __slots__ = ("_is_lost", "monitor", "socket")

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        kind: bytes,
        options: Mapping[int, int] = _NO_OPTIONS,
    ) -> None:
        """Begin to connect to `endpoint`; `kind` is the first byte of the routing id, `options` are ZeroMQ's.

        Raises:
            zmq.ZMQError: nobody can connect to that endpoint.
        """
        self._is_lost = False
        self.socket = socket = context.socket(zmq.DEALER)
        self.monitor = context.socket(zmq.PAIR)
        try:
            socket.setsockopt(zmq.ROUTING_ID, kind + os.urandom(8))
            socket.setsockopt(zmq.RECONNECT_IVL, -1)
            socket.setsockopt(zmq.LINGER, 0)
            for option, value in options.items():
                socket.setsockopt(option, value)
            address = f"inproc://monitor-{next(_monitor_numbers)}"
            socket.monitor(address, _LOSSES)
            self.monitor.setsockopt(zmq.LINGER, 0)
            self.monitor.connect(address)
            socket.connect(endpoint)
        except BaseException:
            self.close()
            raise

    def is_lost(self) -> bool:
        """Return whether the broker is known to be gone, without waiting. Once True, it stays so."""
        while not self._is_lost and is_readable(self.monitor):
            (event,) = _EVENT.unpack_from(self.monitor.recv_multipart(zmq.NOBLOCK)[0])
            self._is_lost = bool(event & _LOSSES)
        return self._is_lost

    def close(self, linger_ms: int = 0) -> None:
        """Close both; `linger_ms` is how long the context waits for what was sent last. Idempotent."""
        if not self.socket.closed:
            self.socket.monitor(None, 0)
            self.socket.close(linger=linger_ms)
        self.monitor.close(linger=0)


def is_readable(socket: zmq.Socket[bytes]) -> bool:
    """Return whether a message is there.

    Reading EVENTS keeps the interpreter's lock; a `recv` that finds nothing would let it go and queue for it again.
    """
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
