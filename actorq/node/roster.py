"""The node's slot processes, remembered outside of any actor.

A slot's process may run user code for hours; the actors that look after it may crash at any moment and start again a
millisecond later. The roster is what the new ones find: which processes belong to which place, which was ordered, and who
watches. It belongs to the process (like the hub lock). Changed from the node's light loop only; `kill_all` may be called
from the main thread, too.

A place has one process that works; sometimes a successor that waits for it; and those that were told to go and run their
last task. An order is for the successor where there is a process, else for the process.

Invariant: a slot process that this node started is in one of `processes`, `successors` and `leaving`, or its order is in
`orders`, or it is a stray that `find_strays` finds and ends (its zygote died between the fork and the answer).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actorq.node.verdicts import pardon
from actorq.slot.line_view import LineView
from actorq.slot.process import kill_group, reap_strays

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.transport.paths import Home

__all__ = ["Roster", "SlotProcess", "place_of"]


@dataclass(slots=True)
class SlotProcess:
    """One running slot process; `pidfd` becomes readable when it ends."""

    name: str
    pid: int
    pidfd: int
    place: int = -1

    def kill(self) -> None:
        """End the process and whatever it started, now."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        kill_group(self.pid)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.pidfd)


def place_of(name: str) -> str:
    """Return the place of a slot process by its name, as text; see `Roster.new_name`."""
    return name.rpartition("-")[0].rpartition("-")[2]


class Roster:
    """Slot processes by place (0, 1, …), orders for new ones, and fresh names."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.processes: dict[int, SlotProcess] = {}
        self.successors: dict[int, SlotProcess] = {}
        self.leaving: dict[str, SlotProcess] = {}  # by name
        self.orders: dict[int, str] = {}
        self.watchers: dict[int, int] = {}  # place -> id of the actor that looks after it
        self._prefix = f"{re.sub(r'[^A-Za-z0-9_.-]', '-', node)[:40]}-{os.urandom(3).hex()}"

    def new_name(self, place: int) -> str:
        """Return a name for a new slot process; never the same twice, also after a restart of the node."""
        return f"{self._prefix}-{place}-{os.urandom(5).hex()}"

    def everyone(self) -> list[SlotProcess]:
        """Return all slot processes, also those that wait and those that go."""
        return [*self.processes.values(), *self.successors.values(), *self.leaving.values()]

    def of_place(self, place: int) -> list[SlotProcess]:
        """Return all processes of a place."""
        return [process for process in self.everyone() if process.place == place]

    def enter(self, place: int, process: SlotProcess) -> bool:
        """Note a process that was ordered; False where it isn't wanted any more, and then it is ended."""
        if self.orders.get(place) != process.name or place in self.successors:
            process.kill()
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)  # killed: microseconds
            process.close()
            return False
        del self.orders[place]
        process.place = place
        (self.successors if place in self.processes else self.processes)[place] = process
        return True

    def hand_over(self, place: int) -> SlotProcess:
        """Give the place to its successor; return the process that leaves."""
        old = self.processes[place]
        self.leaving[old.name] = old
        self.processes[place] = self.successors.pop(place)
        return old

    def dismiss(self, place: int) -> None:
        """Let the successor of a place leave."""
        process = self.successors.pop(place)
        self.leaving[process.name] = process

    def remove(self, process: SlotProcess) -> None:
        """Forget a process that has ended; the successor of one that had the place takes it."""
        place = process.place
        self.leaving.pop(process.name, None)
        if self.successors.get(place) is process:
            del self.successors[place]
        if self.processes.get(place) is process:
            del self.processes[place]
            if place in self.successors:
                self.processes[place] = self.successors.pop(place)

    def kill_all(self, lines: Path | None = None) -> None:
        """End all slot processes now; what they ran is delivered again, elsewhere or later.

        `lines` is the folder of their lines: what they ran isn't to be counted against it.
        """
        for process in self.everyone():
            if lines is not None:
                pardon(lines / f"{process.name}.line")
            process.kill()

    def reap_strays(self, ended_pid: int) -> None:
        """Reap what an ended slot's tasks had started and left to us."""
        reap_strays({ended_pid, *(process.pid for process in self.everyone())})

    def find_strays(self, home: Home) -> int:
        """End slots of this node that nobody knows; return how many there were."""
        known = {process.name for process in self.everyone()} | set(self.orders.values())
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
