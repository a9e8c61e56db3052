"""Keeps the pool at its size: as many slots as were asked for.

Light; permanent. The slots' supervisor is dynamic and forgets its children when it crashes; this actor requires it, is
restarted after it, and asks for them again. Processes that still run are found in the roster by their places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors import Actor
from actorq.errors import AlreadyStarted
from actorq.log import get_logger
from actorq.node.slot_actor import SlotActor
from actorq.supervisor import ChildSpec, StartChild, WhichChildren

if TYPE_CHECKING:
    from actorq.actors import NameRef, Outcome
    from actorq.node.roster import Roster
    from actorq.transport.paths import Home

__all__ = ["Sizer"]

log = get_logger(__name__)

START_DEADLINE_S: Final = 30.0
KILL_MARGIN_S: Final = 2.0  # after the grace, for a slot that is just about to end by itself
FILL_AGAIN_S: Final = 0.1


class _Fill:
    """Timer: a place was taken by a slot actor that was about to end."""


class Sizer(Actor):
    """Fills the places 0 to `size` - 1."""

    def init(
        self,
        *,
        size: int,
        drain_timeout_s: float,
        roster: Roster,
        home: Home,
        zygote: NameRef,
        slots: NameRef,
        link: NameRef,
    ) -> None:
        """Have the places filled."""
        self.size, self.slots = size, slots
        self._specs = [
            ChildSpec(
                f"slot-{place}",
                SlotActor,
                kwargs={"place": place, "roster": roster, "home": home, "zygote": zygote, "link": link},
                shutdown=drain_timeout_s + KILL_MARGIN_S,
                name=f"slot-{place}",
            )
            for place in range(size)
        ]
        self._fill()

    def on_fill(self, _: _Fill) -> None:
        """Look again for places without a slot actor."""
        self._fill()

    def _fill(self) -> None:
        # Where only this actor was started anew, the slots are there already.
        self.ask_then(self.slots, WhichChildren(), START_DEADLINE_S, self._listed)

    def _listed(self, outcome: Outcome) -> None:
        present = {child.id for child in outcome.value or ()}
        for spec in self._specs:
            if spec.id not in present:
                self.ask_then(self.slots, StartChild(spec), START_DEADLINE_S, self._started)

    def _started(self, outcome: Outcome) -> None:
        if outcome.error is None:
            return
        if isinstance(outcome.error.__cause__, AlreadyStarted):
            # Of an earlier supervisor, and about to end: until then it bears the name.
            self.timers.after(FILL_AGAIN_S, _Fill())
        else:
            log.error("slot_not_supervised", error=str(outcome.error))

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"size": self.size}
