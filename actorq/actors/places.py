"""Which systems live in this process, so that an address finds its way home.

Invariant: a system is listed from its making until its shutdown began, and never keeps anything alive by being listed. After
a fork the child's list is empty: the threads of its parent's systems aren't there, so nothing in it is alive.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from actorq.actors.context import current_cell

if TYPE_CHECKING:
    from actorq.actors.remote import Carrier
    from actorq.actors.system import System

__all__ = ["announce", "find_carrier", "find_systems", "get_lock", "withdraw"]


class _Places:
    """What has to be new in a forked child."""

    def __init__(self) -> None:
        # One for all systems: a link or a monitor may join actors of two of them.
        self.lock = threading.RLock()
        self.guard = threading.Lock()
        self.systems: weakref.WeakValueDictionary[str, System] = weakref.WeakValueDictionary()


_here = _Places()


def _renew() -> None:
    global _here  # noqa: PLW0603
    _here = _Places()


os.register_at_fork(after_in_child=_renew)


def get_lock() -> Any:
    """Return the lock under which every system of this process keeps its tables."""
    return _here.lock


def announce(system: System) -> None:
    """Let addresses find `system`."""
    with _here.guard:
        _here.systems[system.boot] = system


def withdraw(system: System) -> None:
    """Let nobody find it any more. Idempotent."""
    with _here.guard:
        _here.systems.pop(system.boot, None)


def find_systems(name: str | None = None) -> list[System]:
    """Return the systems that live here and bear `name`, newest first; all of them if it is None."""
    with _here.guard:
        found = list(_here.systems.values())
    return [system for system in reversed(found) if name is None or system.name == name]


def find_carrier(system: System | None = None) -> Carrier | None:
    """Return who reaches other nodes: for `system`, else for the actor whose code runs here, else of the newest system."""
    if system is not None:
        return system.carrier
    cell = current_cell()
    if cell is not None and cell.system.carrier is not None:
        return cell.system.carrier
    return next((system.carrier for system in find_systems() if system.carrier is not None), None)
