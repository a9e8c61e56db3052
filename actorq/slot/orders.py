"""What a node orders from its zygote, and what it hears back.

Frames on a stream socket: a 32-bit length, then a MessagePack-encoded order or reply.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from actorq.messages.queues import QueueChoice

__all__ = [
    "AppFailed",
    "AppInfo",
    "AppReady",
    "Reply",
    "SlotFailed",
    "SlotForked",
    "SlotOptions",
    "ZygoteOptions",
    "pack_frame",
    "split_frames",
]

_LENGTH: Final = struct.Struct("<I")


class ZygoteOptions(msgspec.Struct, frozen=True):
    """What a zygote is started with. `app` is a spec for `load_app`; empty: no application (tests).

    `fresh` makes every slot a new interpreter which imports the application by itself. `plugins` are those of the command
    line, as `module:object`, and `values` what their options and those of installed plugins were given, by their names.
    """

    node_pid: int
    app: str = ""
    fresh: bool = False
    plugins: tuple[str, ...] = ()
    values: dict[str, dict[str, Any]] = {}


class SlotOptions(msgspec.Struct, frozen=True):
    """What a slot is started with.

    `name` is that of its line file and belongs to one incarnation: a name is never used twice. `home` and `runtime` are
    the two folders of `transport.paths.Home`; `node` is the node's name, `takes` the queues of its slots (None: all).
    `limits` is `(soft_s, hard_s)` for tasks that have none of their own. `after` are the slots whose place it takes: it gets
    nothing to do before they are through. `max_tasks` and `max_rss_bytes` are its share of work (0: no end; see `slot.wear`).
    `pool` is the kind of its pool, and `places` how many tasks it runs at once.
    """

    name: str
    home: str
    runtime: str
    node: str
    takes: QueueChoice | None = None
    limits: tuple[float | None, float | None] | None = None
    after: tuple[str, ...] = ()
    max_tasks: int = 0
    max_rss_bytes: int = 0
    pool: str = "process"
    places: int = 1


class AppInfo(msgspec.Struct, frozen=True):
    """What a node may know of an application without importing it; plain data only.

    `node_plugins` are the names of the application's own plugins that have something for the node: where there are any, the
    node imports the application, too. `plugins_disabled` is what the application leaves out.
    """

    name: str
    home: str = ""
    tasks: dict[str, dict[str, Any]] = {}
    conf: dict[str, Any] = {}
    node_plugins: tuple[str, ...] = ()
    plugins_disabled: tuple[str, ...] = ()


class AppReady(msgspec.Struct, frozen=True, tag="ready"):
    """The application is imported. `threads` beyond 1 were started by it: slots are fresh interpreters then."""

    app: AppInfo
    threads: int
    forks: bool
    boot_s: float


class AppFailed(msgspec.Struct, frozen=True, tag="failed"):
    """The application can't be imported; the zygote has ended. `error` is one line."""

    error: str
    traceback: str


class SlotForked(msgspec.Struct, frozen=True, tag="forked"):
    """The slot `name` runs as process `pid`, a child of the node."""

    name: str
    pid: int


class SlotFailed(msgspec.Struct, frozen=True, tag="refused"):
    """The slot `name` couldn't be forked."""

    name: str
    error: str


Reply = AppReady | AppFailed | SlotForked | SlotFailed


def pack_frame(value: msgspec.Struct) -> bytes:
    """Return the value with its length in front."""
    data = msgspec.msgpack.encode(value)
    return _LENGTH.pack(len(data)) + data


def split_frames(buffer: bytearray) -> list[bytes]:
    """Take the complete frames out of what was received so far."""
    frames = []
    while len(buffer) >= _LENGTH.size:
        (size,) = _LENGTH.unpack_from(buffer)
        if len(buffer) < _LENGTH.size + size:
            break
        frames.append(bytes(buffer[_LENGTH.size : _LENGTH.size + size]))
        del buffer[: _LENGTH.size + size]
    return frames
