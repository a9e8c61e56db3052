"""What happened, read from files that actorq doesn't write, and the invariants that must hold whatever was killed.

- each task whose `delay()` returned has exactly one terminal state;
- a task ran more than once only where a process was killed while it ran it: every attempt but the last of a task must be
  the last thing that its process, one of those that were killed, ever did.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Attempt:
    task_id: str
    pid: int
    started_ns: int
    ended: bool
    is_last_of_process: bool


def read_sent(paths: Iterable[Path]) -> dict[str, int]:
    """Return `{task_id: number}` of every send that was written down; a torn last line is no evidence."""
    sent: dict[str, int] = {}
    for path in paths:
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                task_id, number = line.split()
                assert task_id not in sent, f"two sends got the id {task_id}"
                sent[task_id] = int(number)
    return sent


def read_attempts(folder: Path) -> dict[str, list[Attempt]]:
    """Return `{task_id: attempts}`, oldest first."""
    attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
    for path in folder.glob("slot-*.log"):
        lines = [line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        starts = [place for place, line in enumerate(lines) if line[2] == "start"]
        for place in starts:
            task_id, pid, _, at = lines[place]
            ended = place + 1 < len(lines) and lines[place + 1][:1] == [task_id] and lines[place + 1][2] == "end"
            attempts[task_id].append(Attempt(task_id, int(pid), int(at), ended, place == starts[-1]))
    for found in attempts.values():
        found.sort(key=lambda each: each.started_ns)
    return attempts


def check_attempts(attempts: dict[str, list[Attempt]], killed: Collection[int]) -> Counter[str]:
    """Fail where a task ran again without its process having been killed while it ran it. Return some counts."""
    counts: Counter[str] = Counter()
    for task_id, found in attempts.items():
        counts["tasks"] += 1
        counts["attempts"] += len(found)
        for attempt in found[:-1]:
            counts["repeated"] += 1
            assert attempt.pid in killed, f"{task_id} ran again though process {attempt.pid} wasn't killed: {found}"
            assert attempt.is_last_of_process, f"{task_id} ran again though its process went on to others: {found}"
    return counts


def count_events(folder: Path, event: str) -> Counter[str]:
    """Return how often each task noted `event`."""
    counts: Counter[str] = Counter()
    for path in folder.glob("slot-*.log"):
        for line in path.read_text().splitlines(keepends=True):
            words = line.split()
            if line.endswith("\n") and words[2] == event:
                counts[words[0]] += 1
    return counts
