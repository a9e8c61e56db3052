"""The sockets of a gateway and their limits: the ROUTER it reads from, and the options of its links to others.

Invariant: every socket has a bound on the size of a frame and on how many are in flight; what doesn't fit waits elsewhere.
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import zmq

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FRAME_SPARE_BYTES", "LINK_OPTIONS", "get_context", "open_router"]

FRAME_SPARE_BYTES: Final = 512 * 1024  # what a frame may have beside one message of the greatest size
FRAMES_IN_FLIGHT: Final = 64  # high-water mark of a link; behind it things wait in the outbox
HANDSHAKE_MS: Final = 5_000

LINK_OPTIONS: Final[Mapping[int, int]] = MappingProxyType(
    {
        zmq.SNDHWM: FRAMES_IN_FLIGHT,
        zmq.RCVHWM: FRAMES_IN_FLIGHT,
        zmq.MAXMSGSIZE: FRAME_SPARE_BYTES,  # nothing comes back over a link but that it is fenced
        zmq.HANDSHAKE_IVL: HANDSHAKE_MS,
    }
)


class _Contexts:
    """ZeroMQ's context for the gateways of this process; a forked child has one of its own."""

    pid = 0
    context: Any = None


def get_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return the context. It isn't ended before the process: that would wait for sockets nobody closes."""
    if _Contexts.pid != os.getpid():
        _Contexts.context, _Contexts.pid = zmq.Context(), os.getpid()
    context: zmq.Context[zmq.Socket[bytes]] = _Contexts.context
    return context


def open_router(endpoint: str, max_message_bytes: int) -> zmq.Socket[bytes]:
    """Return a bound ROUTER socket.

    Raises:
        zmq.ZMQError: nobody can listen there.
    """
    router = get_context().socket(zmq.ROUTER)
    try:
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.MAXMSGSIZE, max_message_bytes + FRAME_SPARE_BYTES)
        router.setsockopt(zmq.RCVHWM, FRAMES_IN_FLIGHT)
        router.setsockopt(zmq.SNDHWM, FRAMES_IN_FLIGHT)
        router.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        router.bind(endpoint)
    except BaseException:
        router.close(linger=0)
        raise
    return router
