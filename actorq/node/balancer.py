"""Takes back what a slot holds and hasn't started, when another slot is idle: `balance` decides, this applies it.

Recalling is a word in shared memory and a short wait (see `slot.line`): no message, so it works on a slot in the middle of
a long task, too. Used from the broker's loop only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors.signals import Invoke
from actorq.log import get_logger
from actorq.node.balance import PATIENCE_S, RECALL_WAIT_S, SlotLoad, plan_recalls
from actorq.node.liveness import Liveness

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from actorq.actors.timers import Timer, Timers
    from actorq.clock import Clock
    from actorq.messages.queues import QueueChoice
    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer
    from actorq.node.switchboard import Switchboard

__all__ = ["Balancer"]

log = get_logger(__name__)

WITHDRAW_S: Final = 2.0  # a slot that takes longer to give tasks back stands still, and starts none
LOOK_S: Final = 0.5  # how long a finished task may wait behind a long one before its report is fetched


class Balancer:
    """Looks at `slots` as often as they need it. `recalls` counts."""

    def __init__(
        self, ledger: Ledger, slots: Mapping[str, SlotPeer], switchboard: Switchboard, timers: Timers, clock: Clock
    ) -> None:
        self.recalls = 0
        self.liveness = Liveness(slots, clock)
        self._ledger, self._slots, self._switchboard = ledger, slots, switchboard
        self._timers, self._clock = timers, clock
        self._timer: Timer | None = None
        self._is_soon = False
        self._recalling: dict[SlotPeer, list[Callable[[], object]]] = {}

    def arm(self) -> None:
        """Look at the slots again soon if one is idle and another has a list, else now and then while any is at work."""
        if self._timer is not None and self._is_soon:
            return
        idle = busy = lists = False
        for peer in self._slots.values():
            held = len(peer.desk.held)
            idle = idle or (held < peer.desk.places and not peer.desk.closed)
            busy = busy or held > 0
            lists = lists or held > peer.desk.places
        is_soon = idle and lists
        if self._timer is not None:
            if not is_soon:
                return
            self._timer.cancel()  # set when nobody was idle yet
        elif not busy:
            return
        self._is_soon = is_soon
        self._timer = self._timers.after(PATIENCE_S if is_soon else LOOK_S, Invoke(self._look))

    def _look(self) -> None:
        """Take what slots finished before a long task and haven't sent; recall what waits there if somebody is idle."""
        self._timer = None
        self.liveness.look()
        loads = []
        idle = [
            peer.desk.takes
            for peer in self._slots.values()
            if not peer.desk.closed and len(peer.desk.held) < peer.desk.places
        ]
        for name, peer in self._slots.items():
            desk, running = peer.desk, peer.line.running_keys()
            running_s = peer.line.running_s() if running else 0.0
            if desk.held and running_s >= PATIENCE_S:
                self._ledger.settle_early(desk, peer.line.unsettled_reports(), self._clock.now())
            is_wanted = _is_wanted(peer, idle, running)
            load = SlotLoad(name, len(desk.held), running_s, not desk.closed, is_wanted, desk.places, len(running))
            loads.append(load)
        # Where something waits that an idle slot takes, that is handed out first.
        if idle and not any(map(self._ledger.lanes.count_waiting, idle)):
            for name in plan_recalls(loads):
                self.recall(self._slots[name])

    def withdraw(self, queue: str, then: Callable[[], object]) -> None:
        """Take back what slots hold of a queue and haven't started, then call `then`.

        A slot that is dead gives back what it has when it is buried, which is waited for.
        """
        self._withdraw(queue, then, self._clock.monotonic() + WITHDRAW_S)

    def _withdraw(self, queue: str, then: Callable[[], object], until: float) -> None:
        slots = [peer for peer in self._slots.values() if _holds(peer, queue)]
        if not slots or self._clock.monotonic() >= until:
            if slots:
                log.warning("slots_not_withdrawn", queue=queue, slots=[peer.desk.name for peer in slots])
            then()
            return
        for peer in slots:
            if not peer.desk.closed:
                self.recall(peer)
        self._timers.after(RECALL_WAIT_S, Invoke(self._look_again, queue, then, until))

    def _look_again(self, queue: str, then: Callable[[], object], until: float) -> None:
        for peer in list(self._slots.values()):
            if peer.desk.retiring and _holds(peer, queue):
                self._take_back(peer)  # its fence was set when it began to retire
        self._withdraw(queue, then, until)

    def recall(self, peer: SlotPeer, then: Callable[[], object] | None = None) -> None:
        """Take back what a slot holds and hasn't started; `then` is called when that has happened, or the slot is gone."""
        waiting = self._recalling.get(peer)
        if waiting is None:  # else it gets nothing since: one fence does for both
            waiting = self._recalling[peer] = []
            self.recalls += 1
            peer.desk.closed = True
            peer.line.set_fence(next(self._ledger.tokens))
            self._timers.after(RECALL_WAIT_S, Invoke(self._recalled, peer))
        if then is not None:
            waiting.append(then)

    def _recalled(self, peer: SlotPeer) -> None:
        """By now the slot has seen the fence: it keeps what it runs, the rest is dealt again."""
        desk = peer.desk
        if self._slots.get(desk.name) is peer:
            if not self._take_back(peer):
                self._timers.after(RECALL_WAIT_S, Invoke(self._recalled, peer))
                return
            desk.closed = desk.retiring or desk.doomed or bool(desk.after) or not self._switchboard.is_watched(peer)
        for then in self._recalling.pop(peer):
            then()

    def _take_back(self, peer: SlotPeer) -> bool:
        """Take all that a fenced slot doesn't run; False: a report too big for its line is on its way, wait for it."""
        desk, line = peer.desk, peer.line
        running = line.running_keys()
        self._ledger.settle_early(desk, line.unsettled_reports(), self._clock.now())
        if line.has_unprotected_reports(desk.reported):
            return False
        self._ledger.hand_back(desk, keep=running)
        return True


def _holds(peer: SlotPeer, queue: str) -> bool:
    """Return whether a slot holds a task of this queue that it doesn't run."""
    running = peer.line.running_keys()
    return any(delivery.message.queue == queue and key not in running for key, delivery in peer.desk.held.items())


def _is_wanted(peer: SlotPeer, idle: Sequence[QueueChoice | None], running: Container[int]) -> bool:
    """Return whether one of the idle takes something of what this slot holds and doesn't run."""
    if None in idle or not idle:
        return True
    choices = [takes for takes in idle if takes is not None]
    queues = {delivery.message.queue for key, delivery in peer.desk.held.items() if key not in running}
    return any(takes.takes(queue) for queue in queues for takes in choices)
