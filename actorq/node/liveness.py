"""Slots that are there and do nothing: a pure rule, and how the broker applies it.

A slot proves that it lives by consuming. One that has been given tasks, executes none of them, and whose loop hasn't come by for
`STUCK_S`, is stuck: stopped by a signal, or held up by something that isn't a task. It is killed, what it held is handed back
uncounted, and its node replaces it as any slot that ended.

- A slot that executes a task isn't stuck, however long that takes: ending it is the business of the task's limits. So a process
  that was stopped in the middle of a task is left alone, unless the task has a hard limit.
- An idle slot isn't stuck: it sleeps until it is given something, and if it doesn't wake up then, that shows.
- Where this process itself stood still, others may have, too: after a gap between two looks everybody starts anew.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actorq.log import get_logger
from actorq.node.verdicts import pardon

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actorq.clock import Clock
    from actorq.node.peers import SlotPeer

__all__ = ["STUCK_S", "Liveness", "SlotSign", "Suspicions"]

log = get_logger(__name__)

STUCK_S: Final = 5.0  # a loop comes by in milliseconds; seconds are a machine out of memory
SUSPECT_S: Final = 2.0  # from then on it is shown
GAP_S: Final = 2.0  # between two looks, which are half a second apart
TOLD_S: Final = 60.0  # how long a slot that was killed is shown


@dataclass(frozen=True, slots=True)
class SlotSign:
    """What is seen of a slot: `progress` changes whenever its loop comes by or a task ends."""

    name: str
    held: int
    executing: int
    progress: tuple[int, int]


class Suspicions:
    """Since when each slot has given no sign of life; a value without a clock."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[float, tuple[int, int]]] = {}
        self._looked_at = 0.0

    def look(self, signs: Iterable[SlotSign], now: float) -> dict[str, float]:
        """Return `{slot: seconds without a sign of life}` of those that should have given one."""
        before = self._since if now - self._looked_at <= GAP_S else {}
        self._looked_at = now
        self._since = {}
        for sign in signs:
            if not sign.held or sign.executing:
                continue
            since, progress = before.get(sign.name, (now, sign.progress))
            self._since[sign.name] = (since if progress == sign.progress else now, sign.progress)
        return {name: now - since for name, (since, _) in self._since.items()}


class Liveness:
    """Belongs to the broker, which looks at `slots` twice a second while any of them holds something."""

    def __init__(self, slots: Mapping[str, SlotPeer], clock: Clock) -> None:
        self._slots, self._clock = slots, clock
        self._suspicions = Suspicions()
        self._silent: dict[str, float] = {}
        self._killed: dict[str, float] = {}  # when

    def look(self) -> None:
        """Kill the slots that are stuck."""
        now = self._clock.monotonic()
        signs = [
            SlotSign(name, len(peer.desk.held), len(peer.line.executions()), (peer.line.beat_ns, peer.line.executed))
            for name, peer in self._slots.items()
        ]
        self._silent = self._suspicions.look(signs, now)
        for name, for_s in self._silent.items():
            if for_s >= STUCK_S and name not in self._killed:
                self._kill(self._slots[name], now, for_s)

    def _kill(self, peer: SlotPeer, now: float, for_s: float) -> None:
        if peer.pidfd < 0:
            return  # it has ended; whoever buries it is on the way
        desk = peer.desk
        self._killed[desk.name] = now
        log.error(
            "slot_stuck", slot=desk.name, node=desk.node, pid=desk.pid, held=len(desk.held), for_s=round(for_s, 1)
        )
        pardon(peer.line.path)  # a task that it starts at this very moment isn't to blame
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(peer.pidfd, signal.SIGKILL)

    def describe(self) -> dict[str, str]:
        """Return `{"slot <name>": what is wrong with it}` of those that are suspected, or were killed a while ago."""
        now = self._clock.monotonic()
        self._killed = {name: at for name, at in self._killed.items() if now - at < TOLD_S or name in self._slots}
        found = {
            f"slot {name}": f"stuck: it holds tasks and hasn't moved for {for_s:.1f} s"
            for name, for_s in self._silent.items()
            if for_s >= SUSPECT_S and name in self._slots
        }
        killed = {f"slot {name}": f"replaced: it was stuck, {now - at:.0f} s ago" for name, at in self._killed.items()}
        return {**found, **killed}
