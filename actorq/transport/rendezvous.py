"""The file that says where the broker of a home listens now.

Written by the hub, replaced atomically for every broker epoch, read by clients, slots and joined nodes whenever they have
no broker. A reader trusts it only if the process it names is alive; a stale file is as good as none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.messages.wire import Rendezvous

if TYPE_CHECKING:
    from actorq.transport.paths import Home

__all__ = ["SEEK_S", "read_rendezvous", "remove_rendezvous", "write_rendezvous"]

# How long to wait before another look, at first and at most; twice as long each time.
SEEK_S: Final = (0.02, 0.1)  # first and longest pause between two looks; a look costs a few microseconds

_decoder: Final = msgspec.json.Decoder(Rendezvous)


def read_rendezvous(home: Home) -> Rendezvous | None:
    """Return where the broker is, or None where no living process claims to be it."""
    try:
        found = _decoder.decode(home.rendezvous.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return found if is_process_alive(found.pid) else None


def write_rendezvous(home: Home, rendezvous: Rendezvous) -> None:
    """Replace the file in one step, so that no reader ever sees half of it."""
    fresh = home.rendezvous.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(rendezvous))
    fresh.replace(home.rendezvous)


def remove_rendezvous(home: Home, epoch: int) -> None:
    """Take the file away if it still speaks of `epoch`."""
    found = read_rendezvous(home)
    if found is not None and found.epoch == epoch:
        home.rendezvous.unlink(missing_ok=True)


def is_process_alive(pid: int) -> bool:
    """Return whether a process of that number exists (a zombie counts as gone)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
