"""ZeroMQ sockets and plain descriptors whose readiness is handled among the actor's messages.

A socket belongs to the loop of the actor that added it: it is polled, read and closed in that thread only. What an actor
leaves behind when it ends is closed by its loop, sockets with linger 0.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from actorq.actors.cell import Cell

__all__ = ["Pollable", "Socket", "Sockets", "Source"]

Socket: TypeAlias = "zmq.Socket[bytes]"
Pollable: TypeAlias = "Socket | int"
# ZeroMQ's own numbers, written down because loading zmq takes as long as all of this room: only a loop does.
POLLIN: Final = 1
POLLOUT: Final = 2

OnFrames: TypeAlias = "Callable[[list[bytes]], None]"
OnReady: TypeAlias = "Callable[[], None]"


class Source:
    """One registered socket or descriptor: who handles it, and who closes it."""

    __slots__ = ("cell", "close", "on_frames", "on_readable", "on_writable", "pollable")

    def __init__(
        self,
        cell: Cell,
        pollable: Pollable,
        *,
        close: bool,
        on_frames: OnFrames | None = None,
        on_readable: OnReady | None = None,
        on_writable: OnReady | None = None,
    ) -> None:
        self.cell, self.pollable, self.close = cell, pollable, close
        self.on_frames, self.on_readable, self.on_writable = on_frames, on_readable, on_writable

    @property
    def events(self) -> int:
        """Return what to poll for."""
        readable = POLLIN if self.on_frames or self.on_readable else 0
        return readable | (POLLOUT if self.on_writable else 0)

    def dispose(self) -> None:
        """Close it, if that is the loop's business; only in the loop's thread."""
        if not self.close:
            return
        if isinstance(self.pollable, int):
            with contextlib.suppress(OSError):
                os.close(self.pollable)
        else:
            self.pollable.close(linger=0)


class Sockets:
    """What an actor sees as `self.sockets`."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def add(self, socket: Socket, handler: OnFrames, *, on_writable: OnReady | None = None) -> None:
        """Hand every message of `socket` to `handler` as a list of frames, and the socket itself to the loop."""
        loop = self._cell.own_loop("sockets")
        loop.add_source(Source(self._cell, socket, close=True, on_frames=handler, on_writable=on_writable))

    def add_fd(
        self, fd: int, handler: OnReady | None, *, on_writable: OnReady | None = None, close: bool = False
    ) -> None:
        """Call `handler` whenever `fd` is readable (level-triggered); `close` gives the descriptor to the loop."""
        loop = self._cell.own_loop("sockets")
        loop.add_source(Source(self._cell, fd, close=close, on_readable=handler, on_writable=on_writable))

    def want_write(self, pollable: Pollable, handler: OnReady | None) -> None:
        """Call `handler` whenever something added before is writable; None ends that.

        Raises:
            KeyError: it was never added, or was removed.
        """
        loop = self._cell.own_loop("sockets")
        source = loop.sources[pollable]
        source.on_writable = handler
        loop.watch(source)

    def remove(self, pollable: Pollable, *, close: bool = False) -> None:
        """Stop handling it. Idempotent. It is the caller's to close again, unless `close`."""
        loop = self._cell.own_loop("sockets", dying=True)
        source = loop.remove_source(pollable)
        if source is not None and close:
            source.close = True
            source.dispose()
