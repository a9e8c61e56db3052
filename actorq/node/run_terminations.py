"""Ends the process of a slot for one run that somebody wants terminated, and for no other.

A part of the slot actor. The hub has fenced the slot before it asks, so after this run nothing else starts there. Still the run
may end by itself at any moment:

1. the line says that it runs; 2. its name is written there as the one the process is ended for (`verdicts`); 3. the signal is
sent; 4. it is looked at again every few milliseconds: over means spared, and `GRACE_S` after the signal the process is killed.

A slot doesn't end of SIGTERM or SIGINT; a task that handles them has that grace to clean up. SIGKILL has none.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Final

from actorq.log import get_logger
from actorq.node.messages import RunSpared, TerminateRun
from actorq.slot.line_view import LineView
from actorq.slot.rows import Condemned

if TYPE_CHECKING:
    from actorq.actors import Actor, NameRef
    from actorq.node.slot_watch import SlotWatch

__all__ = ["LookTerminated", "RunTerminations"]

log = get_logger(__name__)

GRACE_S: Final = 0.5
LOOK_S: Final = 0.02


class LookTerminated:
    """Timer: is it over?"""

    __slots__ = ("kill_at", "run")

    def __init__(self, run: TerminateRun, kill_at: float) -> None:
        self.run, self.kill_at = run, kill_at


class RunTerminations:
    """Belongs to `actor`, in whose context everything here runs; `hub_link` carries what was spared to the hub."""

    def __init__(self, actor: Actor, hub_link: NameRef) -> None:
        self._actor, self._hub_link = actor, hub_link

    def begin(self, run: TerminateRun, watch: SlotWatch | None) -> None:
        """Send the signal, if that run is still there; `watch` is None where its process isn't."""
        view = None if watch is None else LineView.attach(watch.line)
        if watch is None or view is None or not view.executes(run.key, run.token):
            self._hub_link.tell(RunSpared(run.name))
        else:
            view.condemn(Condemned(run.key, run.token, 0, run.signal))
            log.warning("run_terminated", slot=run.name, signal=signal.Signals(run.signal).name)
            if run.signal == signal.SIGKILL:
                watch.process.kill()
            else:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(watch.process.pidfd, run.signal)
                self._look_later(LookTerminated(run, self._actor.clock.monotonic() + GRACE_S))
        if view is not None:
            view.close()

    def look(self, message: LookTerminated, watch: SlotWatch | None) -> None:
        """Kill the process when its time is over, spare it where the run is."""
        run = message.run
        view = None if watch is None else LineView.attach(watch.line)
        if watch is None or view is None:
            return  # it has ended
        if not view.executes(run.key, run.token):
            view.acquit()
            self._hub_link.tell(RunSpared(run.name))
        elif self._actor.clock.monotonic() >= message.kill_at:
            watch.process.kill()
        else:
            self._look_later(message)
        view.close()

    def _look_later(self, message: LookTerminated) -> None:
        self._actor.timers.after(LOOK_S, message)
