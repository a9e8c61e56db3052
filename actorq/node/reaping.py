"""Dead processes that nobody waits for: as a subreaper, and as PID 1 of a container, a node inherits them.

What slots' tasks leave in their sessions is reaped when the slot ends (`slot.process.reap_strays`). This is for the rest:
daemons that made sessions of their own, and whatever else a container's PID 1 is given. Invariant: nobody who waits for a child
of his own is robbed of its status. Slots and zygotes are known; other children of this process are left a while, and only
PID 1 takes those of its own session, which are likely to be a plugin's.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from actorq.node.roster import Roster

__all__ = ["Child", "Reaper", "plan_reaping"]

PATIENCE_S: Final = 2.0  # whoever waits for it has taken it by then
ZYGOTE_NAME: Final = "actorq:zygote"


class Child(NamedTuple):
    """A child of this process that is dead and not reaped."""

    pid: int
    name: str
    session: int


def plan_reaping(
    dead: Iterable[Child],
    seen: dict[int, float],
    now: float,
    *,
    known: Collection[int],
    own_session: int,
    is_init: bool,
) -> tuple[list[int], dict[int, float]]:
    """Return which to reap, and `{pid: since when it was seen dead}` of those to look at again."""
    reap, wait = [], {}
    for child in dead:
        is_foreign = is_init or child.session != own_session
        if child.pid in known or child.name == ZYGOTE_NAME or not is_foreign:
            continue
        since = seen.get(child.pid, now)
        if now - since >= PATIENCE_S:
            reap.append(child.pid)
        else:
            wait[child.pid] = since
    return reap, wait


class Reaper:
    """Used by the main thread: `look` whenever a child has ended, and again while that returns True."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._seen: dict[int, float] = {}
        self.count = 0

    def look(self, now: float) -> bool:
        """Reap what nobody waits for; return whether to look again in `PATIENCE_S`."""
        reap, self._seen = plan_reaping(
            _find_dead_children(),
            self._seen,
            now,
            known={process.pid for process in self._roster.everyone()},
            own_session=os.getsid(0),
            is_init=os.getpid() == 1,
        )
        for pid in reap:
            with contextlib.suppress(ChildProcessError):
                self.count += os.waitpid(pid, os.WNOHANG)[0] == pid
        return bool(self._seen)


def _find_dead_children() -> list[Child]:
    found = []
    for pid in _list_children():
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                name, _, rest = stat.read().partition(b"(")[2].rpartition(b")")
        except OSError:
            continue
        state, _, _, session = rest.split()[:4]
        if state == b"Z":
            found.append(Child(pid, name.decode(errors="replace"), int(session)))
    return found


def _list_children() -> list[int]:
    """Return the children of all threads: each thread has those that it forked, and the first those it inherits."""
    pids: list[int] = []
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb") as children:
            pids += map(int, children.read().split())
    return pids
