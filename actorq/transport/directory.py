"""Where nodes of one machine find each other: a private folder with a file for each node.

A file says where the gateway of a node listens now, which process it is in, and which life of it. It is replaced in one step
and taken away at the end. Folder and sockets belong to one user and are closed to all others, checked before a byte is read.

Invariant: a name belongs to one living process at a time. A process is known by its number and the moment it was started,
so a number that was given out again is nobody's claim. An endpoint is used by one life of a gateway and never again (K7).
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from actorq.actors.places import find_systems
from actorq.errors import ConfigError, StoreLocked
from actorq.transport.paths import make_private, runtime_for

__all__ = ["Directory", "Entry"]

MAX_FILE_BYTES: Final = 4_096
LONGEST_SOCKET_PATH: Final = 100  # the kernel's bound is 107


class Entry(msgspec.Struct, frozen=True):
    """One node: `boot` is the life of its gateway, `life` that of its System, `started` the start of its process."""

    node: str
    boot: str
    life: str
    pid: int
    started: int
    endpoint: str


_decoder: Final = msgspec.json.Decoder(Entry)
# A killed gateway takes its entry away in one thread while its successor publishes in another; other processes don't matter,
# for a name is only claimed from the dead.
_changing: Final = threading.Lock()


class Directory:
    """The files of one folder."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Make the folder, if need be.

        Raises:
            ConfigError: it belongs to somebody else, or can't be made.
        """
        self.folder = Path(os.path.abspath(os.path.expanduser(folder)))
        self._sockets = self.folder
        if len(str(self.folder)) + len("/0123456789ab-01234567.sock") > LONGEST_SOCKET_PATH:
            self._sockets = runtime_for(self.folder, os.environ)
        try:
            make_private(self.folder)
            make_private(self._sockets)
        except StoreLocked as error:
            raise ConfigError(f"expected a private folder for the gateway: {error}") from error

    def find(self, node: str) -> Entry | None:
        """Return where `node` is; None where no living process claims to be it."""
        try:
            with open(self._file(node), "rb") as file:
                entry = _decoder.decode(file.read(MAX_FILE_BYTES))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        if entry.node != node or not entry.endpoint.startswith("ipc://"):
            return None
        return entry if entry.started == start_of(entry.pid) else None

    def claim(self, node: str, boot: str, life: str) -> Entry:
        """Return a fresh entry for `node`, not yet published; what a dead predecessor left is cleared away.

        Raises:
            ConfigError: another living process, or another System of this one, has the name.
        """
        found = self.find(node)
        if found is not None and (
            found.pid != os.getpid() or (found.life != life and any(each.boot == found.life for each in find_systems()))
        ):
            raise ConfigError(
                f"expected the node name {node!r} to be free in {self.folder}, got process {found.pid}, which has it; "
                "give this System another name, or end that process"
            )
        prefix = hashlib.sha256(node.encode()).hexdigest()[:12]
        for left in self._sockets.glob(f"{prefix}-*.sock"):
            left.unlink(missing_ok=True)
        pid = os.getpid()
        return Entry(node, boot, life, pid, start_of(pid), f"ipc://{self._sockets}/{prefix}-{boot[:8]}.sock")

    def publish(self, entry: Entry) -> None:
        """Let others find it: replaces the file in one step."""
        file = self._file(entry.node)
        fresh = f"{file}.{entry.pid}-{entry.boot[:8]}"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as written:
            written.write(msgspec.json.encode(entry))
        with _changing:
            os.replace(fresh, file)

    def withdraw(self, entry: Entry) -> None:
        """Take the entry away, if it is still the present one, and its socket. Idempotent."""
        with _changing:
            found = self.find(entry.node)
            if found is not None and found.boot == entry.boot:
                Path(self._file(entry.node)).unlink(missing_ok=True)
        Path(entry.endpoint.removeprefix("ipc://")).unlink(missing_ok=True)

    def _file(self, node: str) -> str:
        name = quote(node, safe="")
        if len(name) > 120:
            name = f"{name[:60]}~{hashlib.sha256(node.encode()).hexdigest()[:32]}"
        return f"{self.folder}/{name}.node"


def start_of(pid: int) -> int:
    """Return when a living process was started, in ticks since the machine was; 0 for one that is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
