"""Where ready tasks wait, as a value: the heads of all lanes in memory, and how much of each is in the store.

A *lane* is one queue at one priority. Its window is its head in memory; what doesn't fit stays in the store and comes
back in order by refills. A fresh task may enter the window only while nothing of its lane waits in the store (`is_open`),
so the order of arrival holds.

A *held* queue gives nothing out: its windows are emptied into the store and nothing is read back, so whatever waits of it is
in the store. It is held while it is paused, and while it is purged or moved.

Invariant: `waiting` is the sum of all windows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actorq.messages.task import PRIORITIES, Delivery
from actorq.node.ageing import find_next

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from actorq.engine.protocol import StoredTask
    from actorq.messages.queues import QueueChoice

__all__ = ["Lane", "Lanes"]

WINDOW_TASKS: Final = 65_536
REFILL_BELOW: Final = 4_096  # tasks in a window; lower, and a refill might come too late
REFILL_TASKS: Final = 2_048  # tasks read at once: bounds how long one read keeps the store from committing


@dataclass(slots=True, eq=False)
class _Queue:
    name: str
    lanes: list[Lane] = field(default_factory=list)  # highest priority first
    unknown: int = 0  # tasks in the store whose lane isn't known: of an earlier epoch, or woken by their eta
    unknown_from: int = PRIORITIES[-1]  # the highest priority that one of those may have
    refilling: bool = False

    @property
    def drawable(self) -> int:
        """Tasks in the windows that needn't wait for an unknown one: what a refill is for. Others mustn't count.

        A full window of a low priority waits for unknown tasks, which may be of a higher one; if it kept them from being
        read, both would wait for ever.
        """
        count = 0
        for lane in self.lanes:
            count += len(lane.window)
            if lane.priority <= self.unknown_from:
                break
        return count


@dataclass(slots=True, eq=False)
class Lane:
    """One queue at one priority."""

    queue: _Queue
    priority: int
    window: deque[Delivery] = field(default_factory=deque)
    stored: int = 0  # committed tasks of this lane that are in the store alone
    spilling: int = 0  # the same, not yet committed

    @property
    def is_open(self) -> bool:
        """Whether a fresh task may enter the window without overtaking one that waits in the store."""
        return not (self.stored or self.spilling or self.queue.unknown or len(self.window) >= WINDOW_TASKS)


class Lanes:
    """All lanes of a hub."""

    def __init__(self, ready: dict[str, int]) -> None:
        """Begin with empty windows, and `ready` tasks of each queue in the store."""
        self.waiting = 0  # tasks in the windows, ready to be drawn
        self._queues: dict[str, _Queue] = {}
        self._lanes: dict[tuple[str, int], Lane] = {}
        self.ageing_s: float | None = None  # after which a waiting task gains a level; None: never
        self.paused: set[str] = set()
        self.held: set[str] = set()  # those that are paused among them
        self.woken(ready)

    def get_lane(self, queue: str, priority: int) -> Lane:
        """Return the lane, made if need be."""
        lane = self._lanes.get((queue, priority))
        if lane is None:
            known = self._queue(queue)
            lane = self._lanes[queue, priority] = Lane(known, priority)
            known.lanes.append(lane)
            known.lanes.sort(key=lambda each: -each.priority)
        return lane

    def _queue(self, name: str) -> _Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue(name)
        return queue

    def append(self, lane: Lane, delivery: Delivery) -> None:
        """Add a task at the end of a window."""
        lane.window.append(delivery)
        self.waiting += 1

    def put_back(self, deliveries: Iterable[Delivery]) -> None:
        """Put tasks at the front of their windows, in the order given."""
        for delivery in reversed(list(deliveries)):
            self.get_lane(delivery.message.queue, delivery.message.priority).window.appendleft(delivery)
            self.waiting += 1

    def draw(
        self, held: dict[int, Delivery], token: int, limit: int, now: float, takes: QueueChoice | None = None
    ) -> tuple[list[Delivery], list[Delivery]]:
        """Move up to `limit` tasks to `held` under `token`, by priority within a queue, queues in turn; only those it `takes`.

        Return those, and the ones that turned out to have expired.
        """
        drawn: list[Delivery] = []
        expired: list[Delivery] = []
        for queue in list(self._queues.values()):
            if takes is not None and not takes.takes(queue.name):
                continue
            # What is unknown may be older, or more urgent: until it is known the order is the strict one.
            is_ageing = self.ageing_s is not None and not queue.unknown
            if is_ageing:
                while len(drawn) < limit and (aged := self._find_aged(queue, now)) is not None:
                    delivery = aged.window.popleft()
                    delivery.token = token
                    self.waiting -= 1
                    is_over = delivery.message.expires is not None and delivery.message.expires <= now
                    (expired if is_over else drawn).append(delivery)
                held.update((each.key, each) for each in drawn)
            for lane in () if is_ageing else queue.lanes:
                window = lane.window
                before = len(window)
                while window and len(drawn) < limit:
                    delivery = window.popleft()
                    delivery.token = token
                    expires = delivery.message.expires
                    if expires is not None and expires <= now:
                        expired.append(delivery)
                        continue
                    held[delivery.key] = delivery
                    drawn.append(delivery)
                self.waiting -= before - len(window)
                if lane.stored or (queue.unknown and lane.priority <= queue.unknown_from):
                    break  # more of this priority is on its way from the store: lower ones wait
            if len(drawn) >= limit:
                self._queues[queue.name] = self._queues.pop(queue.name)  # its turn is over: to the end
                break
        return drawn, expired

    def _find_aged(self, queue: _Queue, now: float) -> Lane | None:
        """Return the lane whose first task is next where tasks age."""
        heads = [
            (lane.priority, max(lane.window[0].message.sent_at, lane.window[0].message.eta or 0.0))
            if lane.window
            else (lane.priority, None)
            if lane.stored or lane.spilling
            else None
            for lane in queue.lanes
        ]
        place = None if self.ageing_s is None else find_next(heads, now, self.ageing_s)
        return None if place is None else queue.lanes[place]

    def take_out(self, is_wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take tasks out of the windows, the others keep their order. Slow: looks at all of them, once."""
        found: list[Delivery] = []
        for lane in self._lanes.values():
            out = [delivery for delivery in lane.window if is_wanted(delivery)]
            if out:
                gone = {delivery.key for delivery in out}
                lane.window = deque(delivery for delivery in lane.window if delivery.key not in gone)
                found += out
        self.waiting -= len(found)
        return found

    def count_waiting(self, takes: QueueChoice | None) -> int:
        """Return how many tasks in the windows are of queues that it takes."""
        if takes is None:
            return self.waiting
        queues = (queue for name, queue in self._queues.items() if takes.takes(name))
        return sum(len(lane.window) for queue in queues for lane in queue.lanes)

    # -- queues that give nothing out ----------------------------------------------------------------------------------

    def hold(self, queue: str) -> None:
        """Read nothing more of this queue from the store. What is in its windows the caller takes out with `empty`."""
        self.held.add(queue)

    def free(self, queue: str) -> None:
        """Undo `hold`, unless the queue is paused."""
        if queue not in self.paused:
            self.held.discard(queue)

    def pause(self, queue: str) -> None:
        """Hold a queue until `resume`."""
        self.paused.add(queue)
        self.hold(queue)

    def resume(self, queue: str) -> None:
        """Undo `pause`."""
        self.paused.discard(queue)
        self.free(queue)

    def empty(self, queue: str) -> Iterator[tuple[Lane, list[Delivery]]]:
        """Take all tasks out of the windows of a queue; yield them by lane, in order."""
        known = self._queues.get(queue)
        for lane in known.lanes if known else ():
            if lane.window:
                taken = list(lane.window)
                lane.window.clear()
                self.waiting -= len(taken)
                yield lane, taken

    def is_refilling(self, queue: str) -> bool:
        """Return whether tasks of this queue are on their way from the store."""
        known = self._queues.get(queue)
        return known is not None and known.refilling

    # -- what is in the store ------------------------------------------------------------------------------------------

    def woken(self, queues: dict[str, int]) -> None:
        """Remember that tasks became ready: they are in the store, in lanes that aren't known here."""
        for name, count in queues.items():
            queue = self._queue(name)
            queue.unknown += count
            queue.unknown_from = PRIORITIES[-1]

    def left_store(self, queue: str) -> None:
        """Remember that one of a queue's unknown tasks isn't to be read any more."""
        known = self._queue(queue)
        known.unknown = max(0, known.unknown - 1)

    def left_lane(self, queue: str, priority: int) -> None:
        """Remember that a ready task in the store isn't one of this lane any more: it has ended, or was moved."""
        lane = self.get_lane(queue, priority)
        if lane.stored:
            lane.stored -= 1
        elif lane.queue.unknown:
            lane.queue.unknown -= 1

    def refills(self) -> list[tuple[str, int]]:
        """Return `(queue, limit)` for each queue that should be read from the store now, and remember that it is."""
        asked = []
        for queue in self._queues.values():
            if queue.refilling or queue.name in self.held:
                continue
            hungry = any(lane.stored and len(lane.window) < REFILL_BELOW for lane in queue.lanes)
            if hungry or (queue.unknown and queue.drawable < REFILL_BELOW):
                queue.refilling = True
                asked.append((queue.name, REFILL_TASKS))
        return asked

    def refill(self, name: str, tasks: Sequence[StoredTask], *, exhausted: bool) -> None:
        """Take what the store leased to the hub; `exhausted` says that nothing of this queue is left there."""
        queue = self._queue(name)
        queue.refilling = False
        for task in tasks:
            lane = self.get_lane(name, task.message.priority)
            self.append(lane, Delivery(task.key, task.token, task.deliveries, task.outbox_id, task.message))
            if lane.stored:
                lane.stored -= 1
            elif queue.unknown:
                queue.unknown -= 1
        if tasks:  # the store gives the highest priority first: what is left there has this one at most
            queue.unknown_from = min(queue.unknown_from, tasks[-1].message.priority)
        if exhausted:
            queue.unknown = 0
            for lane in queue.lanes:
                lane.stored = 0

    # -- what can be seen ----------------------------------------------------------------------------------------------

    def find(self, key: int) -> Delivery | None:
        """Return a task that waits in a window. Slow: for questions."""
        return next((each for each in self.iterate() if each.key == key), None)

    def iterate(self) -> Iterator[Delivery]:
        """Yield what is in the windows."""
        return (delivery for lane in self._lanes.values() for delivery in lane.window)

    def windows(self, queue: str) -> Iterator[tuple[int, Iterable[Delivery]]]:
        """Yield `(priority, tasks)` for each lane of a queue, highest first."""
        known = self._queues.get(queue)
        for lane in known.lanes if known else ():
            yield lane.priority, lane.window

    @property
    def names(self) -> set[str]:
        """The queues that this hub has heard of."""
        return set(self._queues)

    def in_memory(self) -> dict[tuple[str, int], int]:
        """Return how many tasks of each lane wait in its window, or are on their way into the store."""
        return {name: len(lane.window) + lane.spilling for name, lane in self._lanes.items()}

    def length(self, queue: str) -> int:
        """Return how many tasks of a queue are ready, in memory and in the store."""
        known = self._queues.get(queue)
        if known is None:
            return 0
        return known.unknown + sum(len(lane.window) + lane.stored + lane.spilling for lane in known.lanes)

    def lengths(self) -> dict[str, int]:
        """Return the ready tasks of each queue, in memory and in the store."""
        return {name: self.length(name) for name in self._queues}
