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
from actorq.supervisor import ChildSpec, StartChild

if TYPE_CHECKING:
    from actorq.actors import NameRef, Outcome
    from actorq.node.roster import Roster
    from actorq.transport.paths import Home

__all__ = ["Sizer"]

log = get_logger(__name__)

START_DEADLINE_S: Final = 30.0
KILL_MARGIN_S: Final = 2.0  # after the grace, for a slot that is just about to end by itself


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
        """Ask for one slot actor a place."""
        self.size = size
        for place in range(size):
            spec = ChildSpec(
                f"slot-{place}",
                SlotActor,
                kwargs={"place": place, "roster": roster, "home": home, "zygote": zygote, "link": link},
                shutdown=drain_timeout_s + KILL_MARGIN_S,
                name=f"slot-{place}",
            )
            self.ask_then(slots, StartChild(spec), START_DEADLINE_S, self._started)

    def _started(self, outcome: Outcome) -> None:
        # A slot that is there already is what this actor wants: it was started anew by itself, the slots were not.
        if outcome.error is not None and not isinstance(outcome.error.__cause__, AlreadyStarted):
            log.error("slot_not_supervised", error=str(outcome.error))

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"size": self.size}
