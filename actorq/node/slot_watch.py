"""One slot process under the eyes of its slot actor: its end, its hard limit, and the bell by which it asks to be looked at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from actorq.node.hard_limits import HardLimit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actorq.actors import Actor
    from actorq.node.roster import SlotProcess

__all__ = ["SlotWatch"]


class SlotWatch:
    """Belongs to `actor`, in whose context `ended` and `worn` are called; `worn` with what `slot.wear` says."""

    def __init__(
        self,
        actor: Actor,
        process: SlotProcess,
        lines: Path,
        *,
        ended: Callable[[SlotProcess], None],
        worn: Callable[[SlotProcess, int], None],
    ) -> None:
        self.process, self.line = process, lines / f"{process.name}.line"
        self.started_at = actor.clock.monotonic()
        self.retired_at: float | None = None  # when it was told to go
        self._actor = actor
        # A descriptor of its own: the loop may still poll that of an incarnation before this one.
        self._fd = os.dup(process.pidfd)
        actor.sockets.add_fd(self._fd, lambda: ended(process), close=True)
        self._limit = HardLimit(actor, self.line, process.kill, lambda wear: worn(process, wear))

    def look(self) -> None:
        """Look at the slot's line now."""
        self._limit.look()

    def close(self, *, ended: bool = False) -> None:
        """Watch no more. Idempotent."""
        self._limit.close(ended=ended)
        if self._fd >= 0:
            self._actor.sockets.remove(self._fd, close=True)
            self._fd = -1
