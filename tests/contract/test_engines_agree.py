"""Any sequence of calls: the SQLite engine says what the obvious slow engine says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actorq.engine import (
    Change,
    DeadLetter,
    MemoryEngine,
    MemoryStorage,
    NewTask,
    Settlement,
    SqliteEngine,
    Transaction,
)
from actorq.messages.ids import make_key
from actorq.messages.task import TaskMessage
from actorq.testing.clock import FakeClock
from actorq.testing.engine_script import OTHER_OUTBOX, OUTBOX, make_result, take_picture

QUEUES = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(1, 60)
OUTBOXES = st.sampled_from([1, 2])
KEYS = st.builds(make_key, OUTBOXES, NUMBERS)
DELAYS = st.none() | st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, 50.0])
TTLS = st.none() | st.sampled_from([0.0, 2.0, 100.0])


class EnginesAgree(RuleBasedStateMachine):
    """Both engines get the same calls and the same clock; tokens, receipts and contents must be equal."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.storage = MemoryStorage()
        self.slow = MemoryEngine(self.storage, clock=self.clock)
        self.quick = SqliteEngine(self.folder / "store.db", durability="process", clock=self.clock)
        self.next_number = {1: 1, 2: 1}
        self.tokens: dict[int, list[int]] = {}

    def teardown(self) -> None:
        self.quick.close()
        shutil.rmtree(self.folder)

    def both(self, name: str, *arguments: Any) -> Any:
        """Make the same call on both; a mistake must be the same mistake and change nothing."""
        outcomes = []
        for engine in (self.slow, self.quick):
            try:
                outcomes.append(getattr(engine, name)(*arguments))
            except ValueError:
                outcomes.append("ValueError")
        assert outcomes[0] == outcomes[1], name
        return outcomes[0]

    @initialize()
    def open(self) -> None:
        self.reopen_both()
        for outbox_id in (OUTBOX, OTHER_OUTBOX):
            self.both("register_outbox", outbox_id)

    def reopen_both(self) -> None:
        slow, quick = self.slow.open(), self.quick.open()
        assert (slow.epoch, slow.outboxes, slow.ready, slow.next_due_at) == (
            quick.epoch,
            quick.outboxes,
            quick.ready,
            quick.next_due_at,
        )

    def token(self, data: st.DataObject, key: int) -> int:
        """Return a token the task has had, or one just beside it."""
        known = self.tokens.get(key, [0])
        return data.draw(st.sampled_from(known[-3:])) + data.draw(st.sampled_from([0, 0, 0, 0, -1, 1]))

    def note(self, tasks: list[Any]) -> None:
        for task in tasks:
            self.tokens.setdefault(task.key, []).append(task.token)

    def draw_puts(self, data: st.DataObject, count: int) -> list[NewTask]:
        puts = []
        for _ in range(count):
            outbox_no = data.draw(OUTBOXES)
            number = self.next_number[outbox_no] if data.draw(st.integers(0, 9)) else data.draw(NUMBERS)
            self.next_number[outbox_no] = max(self.next_number[outbox_no], number + 1)
            delay = data.draw(DELAYS)
            message = TaskMessage(
                number,
                "t",
                b"",
                queue=data.draw(QUEUES),
                priority=data.draw(st.sampled_from([0, 0, 5, 9, 12])),
                eta=None if delay is None else self.clock.now() + delay,
                alias=data.draw(st.sampled_from([None, None, None, "first", "second"])),
                result_ttl_s=data.draw(TTLS),
            )
            key = make_key(outbox_no, number)
            token = next(self.slow._tokens) if data.draw(st.integers(0, 3)) == 0 else 0
            if token:
                assert token == next(self.quick._ledger.tokens)
                self.tokens.setdefault(key, []).append(token)
            puts.append(NewTask(key, message, token, data.draw(st.sampled_from([0, 0, 0, 2]))))
        return puts

    @rule(
        data=st.data(),
        puts=st.integers(0, 5),
        changes=st.integers(0, 3),
        settled=st.integers(0, 4),
        dead=st.integers(0, 1),
    )
    def commit(self, data: st.DataObject, puts: int, changes: int, settled: int, dead: int) -> None:
        transaction = Transaction(puts=self.draw_puts(data, puts))
        keys = st.sampled_from(sorted(self.tokens)) if self.tokens else KEYS
        for _ in range(settled):
            key = data.draw(keys)
            result = make_result(key, finished_at=self.clock.now()) if data.draw(st.booleans()) else None
            transaction.settled.append(Settlement(key, self.token(data, key), result))
        for _ in range(changes):
            key = data.draw(keys)
            delay = data.draw(DELAYS)
            message = TaskMessage(
                1, "changed", b"", queue=data.draw(QUEUES), priority=data.draw(st.sampled_from([0, 9]))
            )
            transaction.changed.append(
                Change(
                    key,
                    self.token(data, key),
                    data.draw(st.none() | st.integers(0, 3)),
                    message if data.draw(st.booleans()) else None,
                    None if delay is None else self.clock.now() + delay,
                    data.draw(st.sampled_from([False, False, True])),
                )
            )
        for _ in range(dead):
            key = data.draw(keys)
            letter = DeadLetter(key, self.token(data, key), "c", "t", self.clock.now(), make_result(key))
            transaction.dead.append(letter)
        if data.draw(st.booleans()):
            transaction.taken = {number: following - 1 for number, following in self.next_number.items()}
        transaction.forgotten = data.draw(st.lists(KEYS, max_size=2))
        self.both("commit", transaction)

    @rule(data=st.data(), count=st.integers(1, 4))
    def straight(self, data: st.DataObject, count: int) -> None:
        outbox_no = data.draw(OUTBOXES)
        first = self.next_number[outbox_no]
        keys = [make_key(outbox_no, number) for number in range(first, first + count)]
        self.next_number[outbox_no] = first + count
        transaction = Transaction(
            straight=[make_result(key, finished_at=self.clock.now()) for key in keys],
            aliases=[("straight", keys[0])],
            taken={outbox_no: first + count - 1},
            ttls={keys[0]: 3.0},
        )
        self.both("commit", transaction)

    @rule(
        queues=st.lists(QUEUES, min_size=1, max_size=3),
        limit=st.integers(0, 6),
        ttl_s=st.none() | st.sampled_from([1, 5]),
    )
    def lease(self, queues: list[str], limit: int, ttl_s: float | None) -> None:
        self.note(self.both("lease", queues, limit, ttl_s))

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(limit=st.integers(1, 4))
    def release_expired(self, limit: int) -> None:
        self.both("release_expired", self.clock.monotonic(), limit)

    @rule(limit=st.integers(1, 4))
    def wake_due(self, limit: int) -> None:
        self.both("wake_due", self.clock.now(), limit)

    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        if self.tokens:
            key = data.draw(st.sampled_from(sorted(self.tokens)))
            self.both("extend", [(key, self.token(data, key))], data.draw(st.sampled_from([1.0, 4.0])))

    @rule(data=st.data())
    def adopt(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.tokens)) if self.tokens else KEYS)
        self.both("adopt", key, self.token(data, key))

    @rule(keys=st.lists(KEYS, max_size=5))
    def read(self, keys: list[int]) -> None:
        self.both("load", keys)
        self.both("results", keys)
        self.both("results_between", min(keys, default=0), max(keys, default=0), 3)

    @rule(keys=st.lists(KEYS, max_size=5), everything=st.booleans())
    def dead_letters(self, keys: list[int], everything: bool) -> None:
        if everything:
            self.both("requeue_dead", [letter.key for letter in self.slow.dead(2)])
        self.both("load_dead", keys)
        self.both("purge_dead", keys)

    @rule(queue=QUEUES, limit=st.integers(0, 9))
    def look(self, queue: str, limit: int) -> None:
        self.both("peek", queue, limit)
        slow, quick = (
            sorted(
                (lane.queue, lane.priority, lane.ready, lane.scheduled, lane.oldest_at)
                for lane in engine.lanes()
                if lane.ready or lane.scheduled
            )
            for engine in (self.slow, self.quick)
        )
        assert slow == quick

    @rule(queue=QUEUES, act=st.sampled_from(["purge", "pause", "resume", "resume"]))
    def steer(self, queue: str, act: str) -> None:
        self.both(act, queue)

    @rule(limit=st.integers(1, 9))
    def prune(self, limit: int) -> None:
        self.both("prune", self.clock.now(), limit)

    @rule(is_kill=st.booleans())
    def reopen(self, is_kill: bool) -> None:
        if is_kill:
            slow, quick = self.slow.begin_epoch(), self.quick.begin_epoch()
            assert (slow.ready, slow.next_due_at) == (quick.ready, quick.next_due_at)
            return
        self.slow.close()
        self.quick.close()
        self.reopen_both()

    @invariant()
    def they_hold_the_same(self) -> None:
        if self.storage.owner is not None:
            assert take_picture(self.slow) == take_picture(self.quick)


TestEnginesAgree = EnginesAgree.TestCase
TestEnginesAgree.settings = settings(
    # Explaining a failure takes minutes here; the shrunk steps say enough.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
