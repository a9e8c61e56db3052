"""Keeps the pool at its size: as many slots as were asked for, at the start or since.

Light; permanent. The slots' supervisor is dynamic and forgets its children when it crashes; this actor requires it, is
restarted after it, and asks for them again. Processes that still run are found in the roster by their places.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from actorq.actors import Actor, Refusal
from actorq.errors import AlreadyStarted
from actorq.log import get_logger
from actorq.node.slot_actor import SlotActor
from actorq.slot.line_view import LineView
from actorq.supervisor import ChildSpec, StartChild, TerminateChild, WhichChildren

if TYPE_CHECKING:
    from collections.abc import Collection

    from actorq.actors import NameRef, Outcome
    from actorq.node.live import LiveSettings
    from actorq.node.messages import Resize
    from actorq.node.roster import Roster
    from actorq.node.seats import Seats
    from actorq.transport.paths import Home

__all__ = ["Sizer", "plan_places"]

log = get_logger(__name__)

START_DEADLINE_S: Final = 30.0
KILL_MARGIN_S: Final = 2.0  # after the grace, for a slot that is just about to end by itself
FILL_AGAIN_S: Final = 0.1
MAX_SLOTS: Final = 1_024


class _Fill:
    """Timer: a place was taken by a slot actor that was about to end."""


class Sizer(Actor):
    """Fills the places that `live` says; several orders may change them."""

    def init(
        self,
        *,
        live: LiveSettings,
        seats: Seats,
        drain_timeout_s: float,
        roster: Roster,
        home: Home,
        zygote: NameRef,
        slots: NameRef,
        link: NameRef,
    ) -> None:
        """Have the places filled."""
        self.live, self.seats, self.slots, self.roster, self.home = live, seats, slots, roster, home
        self._shutdown_s = drain_timeout_s + KILL_MARGIN_S
        self._kwargs = {"roster": roster, "home": home, "zygote": zygote, "link": link}
        self._fill()

    def _make_spec(self, place: int) -> ChildSpec:
        return ChildSpec(
            f"slot-{place}",
            SlotActor,
            kwargs={"place": place, **self._kwargs},
            shutdown=self._shutdown_s,
            name=f"slot-{place}",
        )

    # -- another size --------------------------------------------------------------------------------------------------

    def on_resize(self, message: Resize) -> int:
        """Change the number of places; slots that have to go finish what they run first.

        Raises:
            Refusal: so many can't be.
        """
        wanted = len(self.live.places) + message.by
        if not 0 <= wanted <= MAX_SLOTS:
            raise Refusal(f"expected to end up with 0 to {MAX_SLOTS} slots, got {wanted}")
        busy = [place for place in self.live.places if message.by < 0 and self._is_busy(place)]
        self.live.places = plan_places(self.live.places, busy, wanted)
        self._fill()
        return wanted

    def _is_busy(self, place: int) -> bool:
        process = self.roster.processes.get(place)
        view = None if process is None else LineView.attach(self.home.lines / f"{process.name}.line")
        if view is None:
            return False
        busy = view.executing() is not None
        view.close()
        return busy

    def on_fill(self, _: _Fill) -> None:
        """Look again for places without a slot actor."""
        self._fill()

    def _fill(self) -> None:
        # Where only this actor was started anew, the slots are there already.
        self.ask_then(self.slots, WhichChildren(), START_DEADLINE_S, self._listed)

    def _listed(self, outcome: Outcome) -> None:
        present = {child.id: child.ref for child in outcome.value or ()}
        wanted = {f"slot-{place}": place for place in self.live.places}
        for name, place in wanted.items():
            if name not in present:
                self.ask_then(self.slots, StartChild(self._make_spec(place)), START_DEADLINE_S, self._started)
        for name, ref in present.items():
            if name not in wanted and ref is not None:
                self.slots.tell(TerminateChild(ref))

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
        seats = [self.seats.of(place) for place in self.live.places]
        kinds = Counter(seat.pool if seat.places == 1 else f"{seat.pool}:{seat.places}" for seat in seats)
        pools = ", ".join(kind if count == 1 else f"{kind} x {count}" for kind, count in kinds.items())
        return {"size": len(seats), "pools": pools}


def plan_places(places: Collection[int], busy: Collection[int], size: int) -> list[int]:
    """Return `size` places, as many of the present ones as fit: those that are `busy` stay first, then the lowest."""
    kept = sorted(places, key=lambda place: (place not in busy, place))[:size]
    free = (place for place in range(size + len(places)) if place not in places)
    return sorted([*kept, *(next(free) for _ in range(size - len(kept)))])
