"""Where the things of one home are.

The *home* is durable: store, lock, outboxes, keys. The *runtime directory* is short-lived and short-named, because the
path of an ipc socket may not exceed 107 bytes: sockets, the rendezvous file and the slots' line files. Both are 0700
and belong to the user who runs actorq; anything else is refused before a single byte is read (checked with lstat, so a
planted symbolic link doesn't help anybody).
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actorq.errors import ConfigError, StoreLocked

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Home", "find_home", "is_default_home", "parse_broker_url"]

MAX_SOCKET_PATH_BYTES: Final = 100  # the kernel's bound is 107; leaves room for a suffix
_LOCAL: Final = "local:"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home. Making the value touches nothing; `create` does."""

    path: Path
    runtime: Path

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.path / "store.db"

    @property
    def lock(self) -> Path:
        """The file whose flock makes a node the hub."""
        return self.path / "hub.lock"

    @property
    def outboxes(self) -> Path:
        """Folder of the callers' outbox files."""
        return self.path / "outbox"

    @property
    def rendezvous(self) -> Path:
        """The file that says where the broker listens now."""
        return self.runtime / "hub.json"

    @property
    def lines(self) -> Path:
        """Folder of the slots' line files."""
        return self.runtime / "slots"

    def create(self) -> Home:
        """Make what is missing and check that all of it is ours.

        Raises:
            StoreLocked: the home or the runtime directory belongs to another user, or can't be made.
        """
        for folder in (self.path, self.outboxes, self.runtime, self.lines):
            make_private(folder)
        return self

    def endpoint(self, epoch: int) -> str:
        """Return a fresh ipc address for the broker of `epoch`; no two calls return the same."""
        return f"ipc://{self.runtime}/b{epoch}-{os.urandom(4).hex()}.sock"


def find_home(
    app_name: str,
    *,
    broker: str | None = None,
    home: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Home:
    """Return the home for an application: `home`, else the broker URL's, else ACTORQ_HOME, else under the user's state.

    Raises:
        ConfigError: the broker URL names an engine that isn't there.
    """
    chosen = home or parse_broker_url(broker) or environ.get("ACTORQ_HOME") or _default_folder(app_name, environ)
    path = Path(os.path.abspath(os.path.expanduser(chosen)))
    return Home(path, runtime_for(path, environ))


def is_default_home(home: Home, app_name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether an application of that name finds `home` without being told of it."""
    return str(home.path) == os.path.abspath(_default_folder(app_name, environ))


def _default_folder(app_name: str, environ: Mapping[str, str]) -> str:
    state = environ.get("XDG_STATE_HOME") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".local/state"
    )
    return os.path.join(state, "actorq", app_name)


def parse_broker_url(url: str | None) -> str | None:
    """Return the folder that a `local:` URL names, or None where it names none.

    Raises:
        ConfigError: the scheme isn't one that this version speaks.
    """
    if not url or url == _LOCAL:
        return None
    if url.startswith(_LOCAL):
        return url.removeprefix(_LOCAL).removeprefix("//") or None
    raise ConfigError(f"expected a broker URL like 'local:' or 'local:///folder', got {url!r}")


def runtime_for(path: Path, environ: Mapping[str, str]) -> Path:
    """Return a short folder that is the same for every process of this user which opens `path`."""
    digest = hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:16]
    base = environ.get("XDG_RUNTIME_DIR") or os.path.join(tempfile.gettempdir(), f"actorq-{os.geteuid()}")
    folder = Path(base) / "actorq" / digest if environ.get("XDG_RUNTIME_DIR") else Path(base) / digest
    if len(str(folder)) + len("/b4294967295-00000000.sock") > MAX_SOCKET_PATH_BYTES:
        folder = Path(f"/tmp/actorq-{os.geteuid()}") / digest  # noqa: S108  checked by lstat before use
    return folder


def make_private(folder: Path) -> None:
    """Make a folder that only this user can look into, or check that it is one.

    Raises:
        StoreLocked: it belongs to somebody else, is no folder, or can't be made.
    """
    try:
        # Parents first: a shared parent (/tmp, ~/.local) keeps its own mode, ours is private from the start.
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StoreLocked(f"expected to be able to use {folder}, got: {error.strerror or error}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise StoreLocked(f"expected {folder} to be a folder, got something else; move it away")
    if found.st_uid != os.geteuid():
        raise StoreLocked(
            f"expected {folder} to belong to user {os.geteuid()}, got user {found.st_uid}; "
            "run as that user, or choose another home with --home or ACTORQ_HOME"
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)
