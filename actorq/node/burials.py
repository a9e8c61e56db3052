"""What a dead slot held, split in three; and its line file, which goes when everything in it is in the store.

Used from the broker's loop only. Invariant: a line is removed only after the commit of what was read from it, so a broker
that dies in between leaves it to its successor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.errors import ActorqError
from actorq.log import get_logger
from actorq.node.recovery import NODE_ENDED, wait_through, write_down
from actorq.node.verdicts import judge
from actorq.slot.line_view import LineView

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from actorq.actors import NameRef
    from actorq.clock import Clock
    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer
    from actorq.node.switchboard import Switchboard

__all__ = ["Burials"]

log = get_logger(__name__)

ESTATES_DEADLINE_S: Final = 3.0  # at the end; what isn't written then is recovered by the next hub


class Burials:
    """Buries slots: takes them out of `slots` and out of the ledger. `count` counts."""

    def __init__(
        self, ledger: Ledger, slots: MutableMapping[str, SlotPeer], switchboard: Switchboard, lines: Path, clock: Clock
    ) -> None:
        self.count = 0
        self._ledger, self._slots, self._switchboard = ledger, slots, switchboard
        self._lines, self._clock = lines, clock
        self._open: list[LineView] = []  # their reports aren't sealed yet
        self._sealed: list[LineView] = []
        self._kept: list[LineView] = []  # safe, but for reports whose tasks are yet to be sent again

    def bury(self, name: str, cause: str, traceback: str = "") -> None:
        """Split what a dead slot held: reported → ended; running → a failed delivery; the rest → handed back in order."""
        peer = self._slots.pop(name, None)
        if peer is None:
            self._bury_stranger(name)
            return
        self.count += 1
        self._switchboard.drop(peer)
        desk, now, ledger = peer.desk, self._clock.now(), self._ledger
        reports, running = judge(peer.line, cause, traceback, desk.held)
        ledger.legacy.keep(desk, reports)
        ledger.settle_early(desk, reports, now)
        for key, _ in running if not desk.retiring else ():
            if key in desk.held:
                task = desk.held[key].message.task
                dead = ledger.fail_delivery(desk, key, cause, traceback, now)
                log.warning("slot_died", slot=name, node=desk.node, cause=cause, task=task, dead_letter=dead)
        ledger.legacy.lose(desk)
        back = ledger.hand_back(desk)
        del ledger.slots[name]
        self.add(peer.line)
        if back:
            log.info("deliveries_handed_back", slot=name, count=back)

    def _bury_stranger(self, name: str) -> None:
        """Clear away the line of a slot that died before it ever connected: nothing was delivered to it."""
        view = LineView.attach(self._lines / f"{name}.line")
        if view is None:
            return
        if view.is_alive() or view.remains() != ([], []):
            view.close()
        else:
            self._kept.append(view)
            self._clear()

    def settle_estates(self, store: NameRef) -> None:
        """At an end in good order the slots have gone first: write what they left, so that nobody has to recover it."""
        for name, peer in list(self._slots.items()):
            if not peer.line.is_alive():
                self.bury(name, NODE_ENDED)
        self.seal()  # what was sealed before is ahead of this in the store's mailbox
        try:
            wait_through(write_down(self._ledger), lambda step: store.ask(step, timeout=ESTATES_DEADLINE_S))
        except ActorqError as error:
            log.warning("estates_not_settled", why=str(error))
        else:
            self.committed()

    def add(self, line: LineView) -> None:
        """Remove this line once what was read from it is safe."""
        self._open.append(line)

    def seal(self) -> None:
        """Take note that what was read so far is in a transaction."""
        self._sealed += self._open
        self._open.clear()

    def committed(self) -> None:
        """Take note that the sealed transaction is safe."""
        self._kept += self._sealed
        self._sealed.clear()
        self._clear()

    def _clear(self) -> None:
        """Remove lines; not while reports in them wait for their tasks to be sent again."""
        if self._ledger.legacy.has_reports:
            return
        for view in self._kept:
            view.remove()
            view.close()
        self._kept.clear()

    def close(self) -> None:
        """Let go of the lines; their files stay."""
        for view in (*self._open, *self._sealed, *self._kept):
            view.close()
