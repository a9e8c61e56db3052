"""The node's slot processes, remembered outside of any actor.

A slot's process may run user code for hours; the actors that look after it may crash at any moment and start again a
millisecond later. The roster is what the new ones find: which process belongs to which place, which was ordered, and who
watches. It belongs to the process (like the hub lock). Changed from the node's light loop only; `kill_all` may be called
from the main thread, too.

Invariant: a slot process that this node started is in `processes`, or its order is in `orders`, or it is a stray that
`find_strays` finds and ends (its zygote died between the fork and the answer).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actorq.slot.line import LineView
from actorq.slot.process import kill_group, reap_strays

if TYPE_CHECKING:
    from actorq.transport.paths import Home

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
    """Slot processes by place (0, 1, …), orders for new ones, and fresh names."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.processes: dict[int, SlotProcess] = {}
        self.orders: dict[int, str] = {}
        self.watchers: dict[int, int] = {}  # place -> id of the actor that looks after it
        self._prefix = f"{re.sub(r'[^A-Za-z0-9_.-]', '-', node)[:40]}-{os.urandom(3).hex()}"

    def new_name(self, place: int) -> str:
        """Return a name for a new slot process; never the same twice, also after a restart of the node."""
        return f"{self._prefix}-{place}-{os.urandom(5).hex()}"

    def enter(self, place: int, process: SlotProcess) -> bool:
        """Note a process that was ordered; False where it isn't wanted any more, and then it is ended."""
        if self.orders.get(place) != process.name or place in self.processes:
            process.kill()
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)  # killed: microseconds
            process.close()
            return False
        del self.orders[place]
        self.processes[place] = process
        return True

    def kill_all(self) -> None:
        """End all slot processes now; what they ran is delivered again, elsewhere or later."""
        for process in list(self.processes.values()):
            process.kill()

    def reap_strays(self, ended_pid: int) -> None:
        """Reap what an ended slot's tasks had started and left to us."""
        reap_strays({ended_pid, *(process.pid for process in self.processes.values())})

    def find_strays(self, home: Home) -> int:
        """End slots of this node that nobody knows; return how many there were."""
        known = {process.name for process in self.processes.values()} | set(self.orders.values())
        count = 0
        for path in home.lines.glob(f"{self._prefix}-*.line"):
            view = LineView.attach(path) if path.stem not in known else None
            if view is None:
                continue
            if view.is_alive():
                count += 1
                with contextlib.suppress(OSError, ChildProcessError):
                    os.kill(view.pid, signal.SIGKILL)
                    os.waitpid(view.pid, 0)  # killed: microseconds
            view.close()
        return count
