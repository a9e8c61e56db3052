"""What a node is called, and that no other node of its home is called the same.

Slots, lines and answers of nodes go by their names, so two of one name would be taken for one another. A name is held by an
flock on a file of the runtime directory: it is free again when its process ends, however that ends.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from actorq.errors import ConfigError
from actorq.node.hub_lock import HubLock

if TYPE_CHECKING:
    from actorq.transport.paths import Home

__all__ = ["LONGEST_NAME", "NameLock", "format_node_name"]

LONGEST_NAME: Final = 100  # it is part of paths
_FIELD: Final = re.compile(r"%(.?)")


def format_node_name(pattern: str, hostname: str) -> str:
    """Return the name that a pattern makes on this machine; as Celery's: `%h` the host, `%n` its first part, `%d` its domain.

    Raises:
        ConfigError: there is something else after a `%`, or the name can't be used.
    """
    short, _, domain = hostname.partition(".")
    fields = {"h": hostname, "n": short, "d": domain, "%": "%"}

    def fill(found: re.Match[str]) -> str:
        if found[1] not in fields:
            raise ConfigError(f"expected %h, %n, %d or %% in the name of a node, got {found[0]!r} in {pattern!r}")
        return fields[found[1]]

    name = _FIELD.sub(fill, pattern)
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or set(name) & set("/, "):
        problem = f"1 to {LONGEST_NAME} characters without '/', ',' and blanks"
        raise ConfigError(f"expected the name of a node to be {problem}, got {name!r}")
    return name


class NameLock:
    """The claim of this process to a name in one home."""

    def __init__(self, home: Home, name: str) -> None:
        self._name = name
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._lock = HubLock(home.runtime / f"name-{digest}.lock")

    def claim(self) -> None:
        """Take the name.

        Raises:
            ConfigError: another node of this home has it. StoreLocked: the file can't be used.
        """
        if not self._lock.acquire():
            problem = f"got one that process {self._lock.owner()} has"
            raise ConfigError(
                f"expected the node name {self._name!r} to be free in this home, {problem}; choose another with --name, or end "
                "that node"
            )

    def release(self) -> None:
        """Give the name back. Idempotent."""
        self._lock.release()
