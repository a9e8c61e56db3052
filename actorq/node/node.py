"""A node as a value with a life: its system of actors, its lock, its slots' roster.

`Node` builds the component graph into a tree and takes it down again; `launch` puts a command line around it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from actorq.actors import System, Watchdog
from actorq.errors import ActorqError
from actorq.log import get_logger
from actorq.messages.queues import choose_queues
from actorq.node.components import ROOT_INTENSITY, ROOT_PERIOD_S, NodeParts, list_commands, plan_node
from actorq.node.hub_lock import HubLock
from actorq.node.live import LiveSettings
from actorq.node.messages import Reload
from actorq.node.naming import NameLock
from actorq.node.roster import Roster
from actorq.node.seats import plan_seats
from actorq.slot.process import become_subreaper
from actorq.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actorq.actors import ActorRef
    from actorq.config import Settings
    from actorq.plugins import Plugin
    from actorq.slot.orders import AppInfo
    from actorq.slot.zygote_process import ZygoteProcess
    from actorq.transport.paths import Home

__all__ = ["Node"]

log = get_logger(__name__)

STOP_DEADLINE_S: Final = 10.0


def _tell_chain(error: BaseException) -> str:
    """Return an error with who was being started, outermost first, in one line; supervisors have noted themselves on it."""
    whom = [*reversed(getattr(error, "__notes__", ())), f"{type(error).__name__}: {error}"]
    return ": ".join(" ".join(part.split()) for part in whom)


class Node:
    """One node in this process; `start` once, `stop`, then `finish`.

    Its components are put together when it is made: what doesn't fit is refused before anything of it exists.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        info: AppInfo,
        name: str,
        zygote: ZygoteProcess,
        *,
        plugins: Sequence[Plugin] = (),
    ) -> None:
        """Keep it all and plan the tree.

        Raises:
            ConfigError: the components, or the plugins they come from, don't fit together.
        """
        self.home, self.settings, self.info, self.name = home, settings, info, name
        self.lock = HubLock(home.lock)
        self._claim = NameLock(home, name)
        self.roster = Roster(name)
        self.seats = plan_seats(settings)
        self.system = System(name)
        self._zygote: ZygoteProcess = zygote
        self._has_first_zygote = True
        self._watchdog = Watchdog(self.system, self._stuck)
        self._root: ActorRef[Any] | None = None
        self._end: object = None
        self.has_ended = False
        self._was_asked = False
        self._on_end: Callable[[], None] = lambda: None
        parts = NodeParts(
            home=home,
            settings=settings,
            lock=self.lock,
            roster=self.roster,
            info=info,
            node=name,
            seats=self.seats,
            start_zygote=self._next_zygote,
            live=LiveSettings(list(range(len(self.seats))), choose_queues(settings.queues, settings.exclude_queues)),
            plugins=plugins,
            commands=list_commands(plugins),
        )
        self._specs = plan_node(parts)

    def start(self) -> None:
        """Start the tree.

        Raises:
            ActorqError: a component couldn't start; nothing is left running.
        """
        become_subreaper()
        self._claim.claim()
        self.lock.acquire()  # before anything asks whether this is the hub
        try:
            self._root = self.system.spawn(
                Supervisor,
                self._specs,
                strategy="dependents",
                intensity=ROOT_INTENSITY,
                period_s=ROOT_PERIOD_S,
                name="node",
            )
        except BaseException as error:
            self.roster.kill_all()
            self.system.shutdown(STOP_DEADLINE_S)
            self.lock.release()
            self._claim.release()
            if isinstance(error, ActorqError) or not isinstance(error, Exception):
                raise
            raise ActorqError(f"the node can't start: {_tell_chain(error)}") from error
        else:
            self._root.watch(self._root_ended)
            self._watchdog.start()

    def _next_zygote(self) -> ZygoteProcess:
        """Return the zygote that was started before the node, once; then new ones."""
        if self._has_first_zygote:
            self._has_first_zygote = False
            return self._zygote
        fresh = self._zygote.another()
        fresh.start()
        return fresh

    def _stuck(self, reason: str) -> None:
        """End at once: what is stuck can't be ended in order. Whoever started the node starts it again."""
        log.error("node_stuck", why=reason)
        os._exit(1)

    def _root_ended(self, _id: int, _ref: object, reason: object) -> None:
        self._end, self.has_ended = reason, True
        self._on_end()

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback`, from any thread, when the tree has ended."""
        self._on_end = callback
        if self.has_ended:
            callback()

    def stop(self) -> None:
        """Ask the tree to end; slots may finish their tasks. Returns at once."""
        self._was_asked = True
        if self._root is not None:
            self._root.stop(block=False)

    def reload(self) -> None:
        """Import the application anew and have slots of it take the places of the present ones. Returns at once."""
        self.system.ref("zygote").tell(Reload())

    def kill_slots(self) -> None:
        """End all slot processes now; nothing they ran is counted against it."""
        self.roster.kill_all(self.home.lines)

    def finish(self) -> int:
        """Take down what is left and return the exit code: 0, or 1 where the tree gave up by itself."""
        self._watchdog.stop()
        self.roster.kill_all(self.home.lines if self._was_asked else None)
        self.system.shutdown(STOP_DEADLINE_S)
        self.lock.release()
        self._claim.release()
        if self._was_asked:
            return 0
        log.error("node_gave_up", reason=str(self._end), intensity=ROOT_INTENSITY, period_s=ROOT_PERIOD_S)
        return 1
