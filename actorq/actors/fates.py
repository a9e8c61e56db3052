"""Who shares the fate of an actor, and who is told of it: the tables of links and monitors of one incarnation.

Invariant: every entry is in both ends' tables or in neither, and both change under the system's lock, so linking to the
dying is either early enough to be told or late enough to see that it is dead. An end takes its entries out of everybody
else's tables in one step (`part_with_all`); the news travel afterwards, without the lock, and count only if the receiver
still wants them when they arrive: `pending_exits` and `monitoring` remember that. Rules: Erlang reference manual,
"Processes", sections on links, monitors and error handling.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

from actorq.actors.signals import DownSignal, LinkSignal
from actorq.errors import Exit
from actorq.log import get_logger
from actorq.messages.reasons import NOPROC, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from actorq.actors.loop import Loop
    from actorq.actors.ref import ActorRef
    from actorq.actors.system import System
    from actorq.messages.reasons import ExitReason

__all__ = ["Fates", "Heirs", "OnEnd"]

log = get_logger(__name__)

OnEnd: TypeAlias = "Callable[[int, ActorRef[Any], ExitReason], None]"

_monitor_ids = itertools.count(1)


class Heirs:
    """Who is to be told of one end."""

    __slots__ = ("links", "monitors")

    def __init__(self, links: set[Any], monitors: dict[int, Any]) -> None:
        self.links, self.monitors = links, monitors

    def tell(self, ref: ActorRef[Any], reason: ExitReason) -> None:
        """Send the news; without the system's lock, because a watcher's callback may do anything."""
        for peer in self.links:
            peer.loop.post_signal(peer, LinkSignal(ref, reason))
        for monitor_id, watcher in self.monitors.items():
            if isinstance(watcher, Fates):
                watcher.loop.post_signal(watcher, DownSignal(monitor_id, ref, reason))  # type: ignore[arg-type]
            else:
                _call(watcher, monitor_id, ref, reason)


class Fates:
    """The side of a `Cell` that knows others."""

    __slots__ = ("links", "monitoring", "monitors", "pending_exits")

    # What a cell brings along.
    id: int
    system: System
    loop: Loop
    ref: ActorRef[Any]
    reason: ExitReason

    def __init__(self) -> None:
        self.links: set[Self] = set()
        self.monitors: dict[int, Self | OnEnd] = {}  # who watches this one
        self.monitoring: dict[int, Self | None] = {}  # whom this one watches; None: gone, the Down is on its way
        self.pending_exits: set[int] = set()  # ids of linked actors whose end hasn't been handled yet

    @property
    def is_dead(self) -> bool:
        """Return whether this incarnation has ended."""
        raise NotImplementedError

    def link(self, other: Self) -> None:
        """Share fates; linking to the dead is an exit with `noproc`, linking to oneself is nothing."""
        if other is self:
            return
        with self.system.lock:
            self._check_counts()
            late = other.is_dead
            if late:
                self.pending_exits.add(other.id)
            else:
                self.links.add(other)
                other.links.add(self)
        if not late:
            other.bond_changed(self, linked=True)
            return
        self.loop.post_signal(self, LinkSignal(other.ref, NOPROC))  # type: ignore[arg-type]

    def unlink(self, other: Self) -> None:
        """Part again; after this returned nothing of `other`'s end arrives."""
        with self.system.lock:
            was_linked = other in self.links
            self.links.discard(other)
            other.links.discard(self)
            self.pending_exits.discard(other.id)
        if was_linked:
            other.bond_changed(self, linked=False)

    def monitor(self, other: Self) -> int:
        """Ask to be told of `other`'s end; monitoring the dead is a Down with `noproc`."""
        monitor_id = next(_monitor_ids)
        with self.system.lock:
            self._check_counts()
            late = other.is_dead
            self.monitoring[monitor_id] = None if late else other
            if not late:
                other.monitors[monitor_id] = self
        if late:
            self.loop.post_signal(self, DownSignal(monitor_id, other.ref, NOPROC))  # type: ignore[arg-type]
        else:
            other.bond_changed(self)
        return monitor_id

    def demonitor(self, monitor_id: int) -> None:
        """Take it back; after this returned no Down of it arrives. Idempotent."""
        with self.system.lock:
            other = self.monitoring.pop(monitor_id, None)
            if other is not None:
                other.monitors.pop(monitor_id, None)
        if other is not None:
            other.bond_changed(self)

    def bond_changed(self, other: Fates, *, linked: bool | None = None) -> None:
        """Take note that `other` linked or unlinked (`linked`), or else began or ended to monitor, this one.

        Nothing to do, unless this one stands for an actor of another node, which has to be told.
        """

    def watch(self, callback: OnEnd) -> int:
        """Call `callback` in whichever thread ends this actor; at once if it is dead. For threads without a loop."""
        monitor_id = next(_monitor_ids)
        with self.system.lock:
            if not self.is_dead:
                self.monitors[monitor_id] = callback
                return monitor_id
        _call(callback, monitor_id, self.ref, self.reason)
        return monitor_id

    def unwatch(self, monitor_id: int) -> None:
        """Take a `watch` back. Idempotent."""
        with self.system.lock:
            self.monitors.pop(monitor_id, None)

    def _check_counts(self) -> None:
        """Refuse a new entry of one that was killed in the meantime: nobody would ever take it out again."""
        if self.is_dead:
            raise Exit(self.reason)

    def part_with_all(self) -> Heirs:
        """Take this one out of everybody's tables; with the system's lock held, once, as it becomes dead."""
        links, self.links = self.links, set()
        monitors, self.monitors = self.monitors, {}
        for peer in links:
            peer.links.discard(self)
            peer.pending_exits.add(self.id)
        for monitor_id, watched in self.monitoring.items():
            if watched is not None:
                watched.monitors.pop(monitor_id, None)
        for monitor_id, watcher in monitors.items():
            if isinstance(watcher, Fates):
                watcher.monitoring[monitor_id] = None
        self.monitoring.clear()
        return Heirs(links, monitors)


def _call(callback: OnEnd, monitor_id: int, ref: ActorRef[Any], reason: ExitReason) -> None:
    """Call a watcher; one that fails mustn't keep the news from the others, nor end whoever happens to bring them."""
    try:
        callback(monitor_id, ref, reason)
    except BaseException as error:  # noqa: BLE001
        log.warning("watcher_failed", actor=str(ref), error=safe_text(error))
