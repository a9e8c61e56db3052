"""Starts slot processes for the pool: the actor around the preloaded process that forks them.

Light; permanent. It owns one `ZygoteProcess`. If that ends, so does this actor, and its supervisor starts both anew;
slots that run are children of the node and don't notice. Every order is answered: by a process in the roster, or by
`ForkFailed`, also when this actor ends with orders in hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors import Actor
from actorq.errors import Exit
from actorq.log import get_logger
from actorq.messages.reasons import Crashed
from actorq.node.messages import ForkFailed, ForkSlot, LookForStrays, Reload, ReplaceSlot, SlotForked
from actorq.node.roster import SlotProcess
from actorq.slot import orders
from actorq.slot.wear import NO_WEAR
from actorq.slot.zygote_process import SlotStarted, ZygoteLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.messages.reasons import ExitReason
    from actorq.node.live import LiveSettings
    from actorq.node.roster import Roster
    from actorq.node.seats import Seats
    from actorq.slot.limits import Limits
    from actorq.slot.wear import Wear
    from actorq.slot.zygote_process import ZygoteProcess
    from actorq.transport.paths import Home

__all__ = ["Zygote"]

log = get_logger(__name__)

STRAYS_S: Final = 1.0  # after a start: by then whatever an earlier zygote forked has made its line


class _StraysShow:
    """Timer: whatever was forked has made its line by now."""


class Zygote(Actor):
    """Passes on orders for slots and their answers; `start` makes a running zygote process.

    `seats` says what the slot of each place is, `limits` are `(soft_s, hard_s)` for tasks that have none of
    their own, `wear` is what a slot may do in its life.
    """

    def init(
        self,
        *,
        start: Callable[[], ZygoteProcess],
        live: LiveSettings,
        home: Home,
        node: str,
        roster: Roster,
        seats: Seats,
        limits: Limits | None = None,
        wear: Wear = NO_WEAR,
    ) -> None:
        """Start the process; slots can be ordered at once, it answers when the application is imported."""
        self.home, self.node, self.roster = home, node, roster
        self.seats, self.limits, self.wear = seats, limits, wear
        self.live, self._start = live, start
        self._next: ZygoteProcess | None = None  # of newer code, while it imports
        self._waiting: dict[str, int] = {}
        self._why = "the zygote process ended"
        self._process = start()
        self.sockets.add_fd(self._process.fileno(), self._on_replies)
        self.timers.after(STRAYS_S, _StraysShow())  # an earlier zygote may have died between a fork and its answer

    def terminate(self, reason: ExitReason) -> None:
        """End the process; take what it has forked already, and give back what it hasn't."""
        if not hasattr(self, "_process"):
            return
        self._give_up_next()
        if self._process.fileno() >= 0:
            self.sockets.remove(self._process.fileno())
        for reply in self._process.read_replies():
            if isinstance(reply, SlotStarted):
                self._enter(reply)
        self._process.close()
        for name in list(self._waiting):
            self._fail(name, "the zygote ended")

    # -- newer code ----------------------------------------------------------------------------------------------------

    def on_reload(self, _: Reload) -> None:
        """Import the application in another process; the present one serves until that has gone well."""
        self._give_up_next()  # what was to be newer isn't any more
        following = self._next = self._start()
        log.info("code_reloading", pid=following.pid)
        self.sockets.add_fd(following.fileno(), self._on_next)

    def _on_next(self) -> None:
        following = self._next
        if following is None:
            return
        fd = following.fileno()
        for reply in following.read_replies():
            match reply:
                case orders.AppReady(app=info, boot_s=boot_s):
                    self.sockets.remove(fd)
                    self._change_to(following)
                    self.live.info = info
                    log.info("code_reloaded", pid=following.pid, boot_s=round(boot_s, 3), tasks=len(info.tasks))
                    return
                case orders.AppFailed(error=error):
                    self._keep_old_code(following, fd, f"the application can't be imported: {error}")
                    return
                case ZygoteLost():
                    self._keep_old_code(following, fd, "the process that imported the application ended")
                    return
                case _:
                    pass

    def _keep_old_code(self, following: ZygoteProcess, fd: int, why: str) -> None:
        log.error("code_not_reloaded", why=why)
        self.sockets.remove(fd)
        self._next = None
        following.close()

    def _change_to(self, following: ZygoteProcess) -> None:
        old, self._process, self._next = self._process, following, None
        self.sockets.remove(old.fileno())
        for reply in old.read_replies():
            if isinstance(reply, SlotStarted):
                self._enter(reply)
        old.close()
        self.sockets.add_fd(following.fileno(), self._on_replies)
        for name in list(self._waiting):
            self._fail(name, "there is newer code")
        for place in {*self.roster.processes, *self.roster.orders}:
            self.system.ref(f"slot-{place}").tell(ReplaceSlot())

    def _give_up_next(self) -> None:
        following, self._next = self._next, None
        if following is not None:
            if following.fileno() >= 0:
                self.sockets.remove(following.fileno())
            following.close()

    # -- orders --------------------------------------------------------------------------------------------------------

    def on_fork_slot(self, message: ForkSlot) -> None:
        """Order a slot."""
        self._waiting[message.name] = message.place
        paths = str(self.home.path), str(self.home.runtime)
        seat = self.seats.of(message.place)
        options = orders.SlotOptions(
            message.name,
            *paths,
            self.node,
            seat.takes,
            self.limits,
            after=tuple(process.name for process in self.roster.of_place(message.place)),
            max_tasks=self.wear.max_tasks,
            max_rss_bytes=self.wear.max_rss_bytes,
            pool=seat.pool,
            places=seat.places,
        )
        self._process.request_slot(options)

    def on_look_for_strays(self, _: LookForStrays) -> None:
        """Look in a while."""
        self.timers.after(STRAYS_S, _StraysShow())

    def on_strays_show(self, _: _StraysShow) -> None:
        """End slots that nobody was told of."""
        count = self.roster.find_strays(self.home)
        if count:
            log.warning("stray_slots_ended", count=count)

    def _on_replies(self) -> None:
        fd = self._process.fileno()
        for reply in self._process.read_replies():
            match reply:
                case SlotStarted():
                    self._enter(reply)
                case orders.SlotFailed(name=name, error=error):
                    self._fail(name, error)
                case orders.AppFailed(error=error):
                    self._why = f"the application can't be imported: {error}"
                case orders.AppReady(boot_s=boot_s, forks=forks):
                    log.debug("application_imported", boot_s=boot_s, forks=forks)
                case ZygoteLost():
                    self.sockets.remove(fd)
                    raise Exit(Crashed("ZygoteEnded", self._why, ""))

    def _enter(self, started: SlotStarted) -> None:
        place = self._waiting.pop(started.name, -1)
        if self.roster.enter(place, SlotProcess(started.name, started.pid, started.pidfd)):
            self.system.ref(f"slot-{place}").tell(SlotForked(started.name))

    def _fail(self, name: str, error: str) -> None:
        place = self._waiting.pop(name, -1)
        self.system.ref(f"slot-{place}").tell(ForkFailed(name, error))

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"pid": self._process.pid}
