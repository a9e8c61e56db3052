"""Nobody but the store waits for the disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from actorq import App
from actorq.actors import Refusal
from actorq.actors.watchdog import Watchdog
from actorq.engine.sqlite import SqliteEngine
from actorq.messages.reasons import Crashed
from actorq.messages.wire import Answer
from actorq.node.messages import Reply, Snapshot
from actorq.testing.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.node.node import Node


def test_a_store_that_takes_its_time_blocks_no_other_loop(
    node: Node, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, asked = threading.Event(), threading.Event()
    begin_epoch = SqliteEngine.begin_epoch

    def slow(engine: SqliteEngine) -> object:
        asked.set()
        gate.wait(20)
        return begin_epoch(engine)

    monkeypatch.setattr(SqliteEngine, "begin_epoch", slow)
    broker = node.system.whereis("broker")
    assert broker is not None
    broker.cell.exit(None, Crashed("InjectedError", "for a test"))
    assert asked.wait(10)
    reasons: list[str] = []
    watchdog = Watchdog(node.system, reasons.append, limit_s=0.5)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        watchdog.look()
        time.sleep(0.05)
    assert reasons == [], "the broker waits for its answer without standing still"
    states = {each.name: each.state for each in node.system.actors()}
    assert states["broker"] == "starting"
    gate.set()
    with App("shop", home=home) as app:
        assert app.send_task("tasks.add", [1, 2]).get(timeout=20) == 3


def test_a_question_in_the_middle_of_recovery_is_refused_and_harms_nobody(
    node: Node, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, asked = threading.Event(), threading.Event()
    begin_epoch = SqliteEngine.begin_epoch

    def slow(engine: SqliteEngine) -> object:
        asked.set()
        gate.wait(20)
        return begin_epoch(engine)

    monkeypatch.setattr(SqliteEngine, "begin_epoch", slow)
    first = node.system.whereis("broker")
    assert first is not None
    first.cell.exit(None, Crashed("InjectedError", "for a test"))
    assert asked.wait(10)
    wait_until(lambda: (now := node.system.whereis("broker")) is not None and now.id != first.id, 10)
    second = node.system.whereis("broker")
    assert second is not None
    second.tell(Reply(b"nobody", Answer(1)))
    with pytest.raises(Refusal, match="starting"):
        second.ask(Snapshot())
    gate.set()
    wait_until(lambda: getattr(second.cell.actor, "is_open", False), 10, "the same broker to open")
