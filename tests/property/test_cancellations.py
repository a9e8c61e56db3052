"""Whatever the order of things between hub and store: what was cancelled before it started never starts, and all end once."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.engine.memory import MemoryEngine
from actorq.messages.ids import format_task_id, make_key
from actorq.messages.states import NUMBERS, RETRY, REVOKED, SUCCESS
from actorq.messages.task import Report, TaskMessage
from actorq.node.cancellations import CANCELLED
from actorq.node.desks import SlotDesk
from actorq.node.ledger import Ledger
from actorq.testing.clock import FakeClock

CLOCK = FakeClock()
NOW, OUTBOX = CLOCK.now(), 7
_SUCCESS, _RETRY, _REVOKED = NUMBERS[SUCCESS], NUMBERS[RETRY], NUMBERS[REVOKED]


class Hub:
    """A ledger and a store that answers late: what is asked of it stands in a queue, and so do its answers."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.engine = MemoryEngine(clock=CLOCK)
        self.ledger = Ledger(self.engine.open(), max_tasks=10**6, prefetch_s=0.05)
        self.no, _ = self.engine.register_outbox(OUTBOX)
        self.desk = self.ledger.open_outbox(OUTBOX, self.no, 0)
        self.slot = self.ledger.slots["s"] = SlotDesk("s")
        self.mailbox: deque[tuple[str, Any]] = deque()
        self.is_writing = False
        self.sent = 0
        self.cancelled: set[int] = set()
        self.started: list[int] = []
        self.ends: Counter[int] = Counter()
        self.states: dict[int, int] = {}

    def key(self, number: int) -> int:
        return make_key(self.no, number)

    def send(self) -> None:
        count = self.rng.randint(1, 4)
        numbers = range(self.sent + 1, self.sent + count + 1)
        self.sent += count
        etas = (None, None, NOW + 50)
        messages = [TaskMessage(each, "t", b"", eta=self.rng.choice(etas)) for each in numbers]
        self.ledger.take(self.desk, messages, NOW)

    def draw(self) -> None:
        if self.ledger.cancellations.needs_look:
            self.ledger.cancellations.look(NOW)
        drawn = self.ledger.draw(self.slot, self.rng.randint(1, 3), NOW)
        for delivery in drawn:
            assert delivery.key not in self.cancelled
            self.started.append(delivery.key)

    def end(self) -> None:
        for delivery in list(self.slot.held.values())[:2]:
            state = self.rng.choice((_SUCCESS, _SUCCESS, _RETRY))
            due_at = None if state == _SUCCESS else self.rng.choice((NOW, NOW + 50))
            report = Report(delivery.key, delivery.token, state, due_at=due_at)
            self.ledger.settle(self.slot, self.slot.reported, [report], NOW)

    def hand_back(self) -> None:
        self.ledger.hand_back(self.slot)

    def ask_store(self) -> None:
        for queue, limit in self.ledger.lanes.refills():
            self.mailbox.append(("lease", (queue, limit)))
        if not self.is_writing and (sealed := self.ledger.seal()) is not None:
            self.is_writing = True
            self.mailbox.append(("commit", sealed))

    def answer(self) -> None:
        if not self.mailbox:
            return
        kind, what = self.mailbox.popleft()
        if kind == "lease":
            self.mailbox.append(("leased", (what[0], self.engine.lease([what[0]], what[1]), what[1])))
        elif kind == "commit":
            self.mailbox.append(("committed", (what, self.engine.commit(what.transaction))))
        elif kind == "leased":
            queue, tasks, limit = what
            self.ledger.refill(queue, tasks, exhausted=len(tasks) < limit)
        else:
            sealed, receipt = what
            self.is_writing = False
            self.ledger.committed(sealed, receipt)
            for record in sealed.results:
                self.ends[record.key] += 1
                self.states[record.key] = record.state
            for tell in sealed.when_safe:
                tell(sealed, receipt)

    def wake(self) -> None:
        woken, _ = self.engine.wake_due(NOW + 100, 10)
        self.ledger.woken(woken)

    def cancel(self) -> None:
        """As `RevokeOrders` does it: what no slot holds ends, what one holds or what isn't here is noted."""
        numbers = {self.rng.randint(1, self.sent + 3) for _ in range(3)}
        keys = {self.key(number) for number in numbers if number <= self.desk.taken}
        cancellations = self.ledger.cancellations
        ended = cancellations.end_waiting(keys, CANCELLED, NOW)
        held = keys & self.slot.held.keys()
        stored = keys - ended - held
        cancellations.end_stored(stored, CANCELLED, NOW)
        self.ledger.when_safe(lambda sealed, receipt: void(cancellations.stored_ended(stored, sealed, receipt)))
        strangers = {number for number in numbers if number > self.desk.taken}
        noted = {key & ((1 << 40) - 1) for key in held} | strangers
        assert cancellations.note([format_task_id(OUTBOX, number) for number in noted], NOW) == []
        self.cancelled |= {self.key(number) for number in numbers}

    def finish(self) -> None:
        """Let everything come to its end."""
        for _ in range(200):
            for step in (self.wake, self.draw, self.end, self.ask_store, *[self.answer] * 6):
                step()


def void(_: object) -> None:
    """Take what a lambda returns that mustn't return anything."""


STEPS = st.lists(
    st.sampled_from(("send", "draw", "end", "hand_back", "ask_store", "answer", "answer", "wake", "cancel")),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(0, 2**32))
def test_what_is_cancelled_before_it_starts_never_starts_and_everything_ends_once(steps: list[str], seed: int) -> None:
    hub = Hub(seed)
    for step in steps:
        getattr(hub, step)()
    hub.finish()
    assert hub.ends == Counter({hub.key(number): 1 for number in range(1, hub.sent + 1)})
    never = {key for key in hub.cancelled if key in hub.ends} - set(hub.started)
    assert all(hub.states[key] == _REVOKED for key in never)
    assert hub.ledger.unfinished == 0
    assert not hub.ledger.cancellations.revoked.names.keys() & {(OUTBOX, number) for number in range(1, hub.sent + 1)}
