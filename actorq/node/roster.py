"""The node's slot processes, remembered outside of any actor.

A slot's process may run user code for hours; the actor that looks after it may crash at any moment and start again a
millisecond later. The roster is what the new one finds: which process belongs to which place, so it goes on watching
instead of starting another. It belongs to the process (like the hub lock) and is touched from the node's light loop only.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass

from actorq.slot.process import kill_group

__all__ = ["Roster", "SlotProcess"]


@dataclass(slots=True)
class SlotProcess:
    """One running slot process; `pidfd` becomes readable when it ends."""

    name: str
    pid: int
    pidfd: int

    def kill(self) -> None:
        """End the process and whatever it started, now."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        kill_group(self.pid)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.pidfd)


class Roster:
    """Slot processes by place (0, 1, …), and fresh names for new ones."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.processes: dict[int, SlotProcess] = {}
        self._prefix = re.sub(r"[^A-Za-z0-9_.-]", "-", node)[:40]

    def new_name(self, place: int) -> str:
        """Return a name for a new slot process; never the same twice, also after a restart of the node."""
        return f"{self._prefix}-{place}-{os.urandom(5).hex()}"

    def kill_all(self) -> None:
        """End all slot processes now; what they ran is delivered again, elsewhere or later."""
        for process in list(self.processes.values()):
            process.kill()
