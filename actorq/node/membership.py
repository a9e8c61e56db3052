"""Takes over when the hub ends.

Light; permanent. A node that isn't the hub watches the hub's process through a pidfd. When it ends, whoever gets the lock
first is the hub: it starts the components that were ignored so far, in the order of the graph. The others watch the new
one. One machine and one file lock: there are never two.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from actorq.actors import Actor
from actorq.log import get_logger
from actorq.supervisor import RestartChild

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.actors import Outcome
    from actorq.node.hub_lock import HubLock

__all__ = ["Membership"]

log = get_logger(__name__)

LOOK_AGAIN_S: Final = 0.05  # the lock's owner isn't known yet, or a start failed
START_DEADLINE_S: Final = 90.0  # opening a store after a crash may have to read its log


class _Look:
    """Timer: who is the hub?"""


class Membership(Actor):
    """Watches the hub, and becomes it."""

    def init(self, *, lock: HubLock, hub_components: Sequence[str]) -> None:
        """Watch, unless this node is the hub."""
        self.lock, self.hub_components = lock, tuple(hub_components)
        self._pidfd = -1
        if not lock.held:
            self._look()

    def terminate(self, reason: object) -> None:
        """Stop watching."""
        self._unwatch()

    def _unwatch(self) -> None:
        if self._pidfd >= 0:
            self.sockets.remove(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def on_look(self, _: _Look) -> None:
        """Try to become the hub, or watch who is."""
        self._look()

    def _look(self) -> None:
        self._unwatch()
        if self.lock.acquire():
            log.warning("hub_taken_over", pid=os.getpid())
            self._start(0)
            return
        owner = self.lock.owner()
        try:
            self._pidfd = os.pidfd_open(owner or 0)
        except OSError:
            self.timers.after(LOOK_AGAIN_S, _Look())
        else:
            self.sockets.add_fd(self._pidfd, self._look)

    def _start(self, place: int) -> None:
        """Start the hub's components one after the other."""
        if place == len(self.hub_components):
            return
        name = self.hub_components[place]

        def started(outcome: Outcome) -> None:
            if not outcome.ok:
                log.error("component_not_started", component=name, error=str(outcome.error))
            self._start(place + 1)

        self.ask_then(self.system.ref("node"), RestartChild(name), START_DEADLINE_S, started)

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"role": "hub" if self.lock.held else "worker", "hub_pid": self.lock.owner()}
