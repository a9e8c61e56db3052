"""What a new broker asks of the store, step by step, without a broker or a store."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec
import pytest

from actorq.codec import decode_failure
from actorq.engine.memory import MemoryEngine
from actorq.errors import SlotLost
from actorq.messages.ids import make_key
from actorq.messages.states import NUMBERS, SUCCESS
from actorq.messages.task import Report, TaskMessage
from actorq.node.desks import SlotDesk
from actorq.node.ledger import Ledger
from actorq.node.recovery import read_lines, recover, wait_through, write_down
from actorq.slot.layout import ONCE
from actorq.slot.line import Line
from actorq.slot.rows import GRANTED

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.node.messages import BeginEpoch, EngineCall

NOW = 1_000.0


def leave(engine: MemoryEngine, count: int) -> tuple[int, list[int]]:
    """Have an earlier hub take `count` tasks and lease them; return the outbox's number and the tokens."""
    ledger = Ledger(engine.open(), max_tasks=100, prefetch_s=0.05)
    no, taken = engine.register_outbox(7)
    ledger.take(ledger.open_outbox(7, no, taken), [TaskMessage(n, "t", b"") for n in range(1, count + 1)], NOW)
    drawn = ledger.draw(SlotDesk("s"), count, NOW)
    sealed = ledger.seal()
    assert sealed is not None
    engine.commit(sealed.transaction)
    return no, [each.token for each in drawn]


def test_what_dead_and_living_slots_had_is_settled_failed_adopted_or_free(tmp_path: Path) -> None:
    engine = MemoryEngine()
    no, tokens = leave(engine, 4)
    living = Line.create(tmp_path / "living.line", 1, "node@here")
    dead = Line.create(tmp_path / "dead.line", 2, "node@there")
    assert dead.begin(make_key(no, 1), tokens[0], 1) is GRANTED
    dead.finish(msgspec.msgpack.encode(Report(make_key(no, 1), tokens[0], NUMBERS[SUCCESS])))
    assert dead.begin(make_key(no, 2), tokens[1], 1) is GRANTED
    dead.close()
    assert living.begin(make_key(no, 3), tokens[2], 1) is GRANTED

    ledger = Ledger(engine.begin_epoch(), max_tasks=100, prefetch_s=0.05)
    found = read_lines(tmp_path, next(ledger.tokens))
    assert [(each.view.name, each.view.node, each.alive) for each in found] == [
        ("dead", "node@there", False),
        ("living", "node@here", True),
    ]
    slot = ledger.slots["living"] = SlotDesk("living")
    asked: list[str] = []

    def ask(step: BeginEpoch | EngineCall) -> object:
        method = getattr(step, "method", "begin_epoch")
        asked.append(method)
        return getattr(engine, method)(*getattr(step, "arguments", ()))

    wait_through(recover(ledger, found, NOW), ask)
    assert asked == ["commit", "adopt", "adopt", "commit"], "first what ended, then what runs"
    assert [record.key for record in engine.results([make_key(no, 1)])] == [make_key(no, 1)]
    assert list(slot.held) == [make_key(no, 3)]
    (failed,) = engine.load([make_key(no, 2)])
    assert failed.deliveries == 1
    free = engine.lease(["default"], 10)
    assert sorted(each.key for each in free) == [make_key(no, 2), make_key(no, 4)]
    for each in found:
        each.view.close()
    living.close()


def ask_engine(engine: MemoryEngine, step: BeginEpoch | EngineCall) -> object:
    return getattr(engine, getattr(step, "method", "begin_epoch"))(*getattr(step, "arguments", ()))


@pytest.mark.parametrize("was_committed", [True, False])
@pytest.mark.parametrize("is_once", [True, False])
def test_what_began_and_is_acknowledged_early_does_not_begin_again_after_everything_has_died(
    tmp_path: Path, was_committed: bool, is_once: bool
) -> None:
    engine = MemoryEngine()
    ledger = Ledger(engine.open(), max_tasks=100, prefetch_s=0.05)
    no, taken = engine.register_outbox(7)
    messages = [TaskMessage(n, "t", b"") for n in (1, 2)]
    ledger.take(ledger.open_outbox(7, no, taken), messages, NOW)
    running, waiting = ledger.draw(SlotDesk("s"), 2, NOW)
    sealed = ledger.seal()
    assert sealed is not None
    if was_committed:
        engine.commit(sealed.transaction)
    dead = Line.create(tmp_path / "dead.line", 2, "node@there")
    assert dead.begin(running.key, running.token, 1) is GRANTED
    dead.words[ONCE] = running.key if is_once else 0
    dead.close()

    ledger = Ledger(engine.begin_epoch(), max_tasks=100, prefetch_s=0.05)
    found = read_lines(tmp_path, next(ledger.tokens))
    wait_through(recover(ledger, found, NOW), functools.partial(ask_engine, engine))
    ledger.take(ledger.outboxes[7], messages, NOW)  # its sender sends again what it doesn't know to be safe
    wait_through(write_down(ledger), functools.partial(ask_engine, engine))
    queue_up = [each.key for each in ledger.draw(SlotDesk("s"), 10, NOW)] + [
        each.key for each in engine.lease(["default"], 10)
    ]
    records = engine.results([running.key])
    if is_once:
        assert queue_up == [waiting.key], "what never started is no loss"
        error, _ = decode_failure(records[0].payload)
        assert isinstance(error, SlotLost)
        assert error.acked_early
    else:
        assert (queue_up, records) == ([running.key, waiting.key], [])
    for each in found:
        each.view.close()
