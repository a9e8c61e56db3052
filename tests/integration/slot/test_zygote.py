"""The zygote and the node's handle on it."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest

from actorq.codec import decode_result
from actorq.slot.orders import AppFailed, AppReady, SlotOptions
from actorq.slot.process import count_threads
from actorq.slot.zygote_process import SlotStarted, ZygoteProcess
from actorq.testing.wait import wait_until
from tests.integration.slot.harness import ENVIRON, Node, make


def test_a_zygote_tells_what_the_application_is(node):
    ready = node.first(AppReady)
    assert ready.app.name == "slots"
    assert "add" in ready.app.tasks
    assert ready.app.tasks["add"]["max_retries"] == 3
    assert ready.app.conf["default_queue"] == "default"
    assert ready.app.home
    assert (ready.threads, ready.forks) == (1, True)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("broken_app", "RuntimeError: no database"),
        ("no_such_module", "no_such_module"),
        ("slot_tasks:nothing", ""),
    ],
)
def test_an_application_that_cannot_be_imported_is_one_line_and_a_traceback(home, spec, words):
    node = Node(home, spec)
    try:
        failed = node.first(AppFailed)
        wait_until(lambda: node.zygote.reap() == "exit code 3")
    finally:
        node.close()
    assert words in failed.error
    assert "\n" not in failed.error
    assert "Traceback" in failed.traceback


def test_an_application_with_threads_gets_fresh_interpreters(home, broker):
    node = Node(home, "threaded_app")
    try:
        ready = node.first(AppReady)
        assert (ready.threads, ready.forks) == (2, False)
        name = node.start_slot(broker)
        broker.send(name, [make("ask_the_thread")])
        (report,) = broker.wait_for(name, 1)
        assert decode_result(report.codec_id, report.payload) == "from the thread"
        broker.retire(name)
        assert node.wait_dead(name) == "exit code 0"
    finally:
        node.close()


def test_fresh_interpreters_can_be_asked_for(home, broker):
    node = Node(home, fresh=True)
    try:
        assert not node.first(AppReady).forks
        name = node.start_slot(broker)
        broker.send(name, [make("add", 1, 1)])
        broker.wait_for(name, 1)
        status = Path(f"/proc/{node.slots[name].pid}/status").read_text()
        assert f"PPid:\t{os.getpid()}\n" in status
    finally:
        node.close()


def test_a_name_is_used_once(home, broker, capfd):
    node = Node(home)
    name = node.start_slot(broker)
    node.zygote.request_slot(SlotOptions(name, str(node.home.path), str(node.home.runtime), "n"))
    wait_until(lambda: (node.pump(), sum(isinstance(reply, SlotStarted) for reply in node.replies) == 2)[-1])
    assert node.wait_dead(name) == "exit code 1"
    assert "FileExistsError" in capfd.readouterr().err
    (first, _) = (reply for reply in node.replies if isinstance(reply, SlotStarted))
    node.slots[name] = first
    assert node.line(name).is_alive()
    node.close()


def test_orders_given_before_the_application_is_imported_are_kept(home, broker):
    node = Node(home)
    try:
        names = [node.order() for _ in range(20)]
        wait_until(lambda: (node.pump(), all(map(broker.knows, names)))[-1], 20)
        wait_until(lambda: (node.pump(), len(node.slots) == 20)[-1])
    finally:
        node.close()


def test_a_zygote_ends_when_its_node_lets_go_of_it_and_its_slots_do_not(home, broker):
    node = Node(home)
    node.first(AppReady)
    name = node.start_slot(broker)
    node.zygote.close()
    broker.send(name, [make("add", 1, 1)])
    broker.wait_for(name, 1)
    node.close()
    node.close()  # twice is fine


@pytest.mark.slow
def test_two_hundred_slots_leave_nothing_behind(home, broker):
    def descriptors(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    node = Node(home)
    try:
        node.first(AppReady)
        zygote = node.zygote.pid
        counts = []
        for _ in range(20):
            names = [node.order() for _ in range(10)]
            wait_until(lambda: (node.pump(), all(map(broker.knows, names)))[-1], 20)  # noqa: B023  used at once
            wait_until(lambda: (node.pump(), len(node.slots) == 10)[-1])
            for name in names:
                broker.retire(name)
            for name in names:
                assert node.wait_dead(name) == "exit code 0"
                line = node.line(name)
                line.remove()
                line.close()
            gc.collect()
            counts.append((descriptors("self"), descriptors(zygote), count_threads()))
        assert set(counts[1:]) == {counts[1]}
        assert list(home.lines.iterdir()) == []
        with open(f"/proc/{zygote}/task/{zygote}/children", encoding="ascii") as children:
            assert children.read() == ""
    finally:
        node.close()


def test_a_slot_is_forked_quickly_and_shares_the_memory_of_its_zygote(node, broker):
    names, taken = [], []
    for _ in range(10):
        started = time.perf_counter()
        names.append(node.start_slot(broker))
        taken.append(time.perf_counter() - started)
    pss = []
    for name in names:
        with open(f"/proc/{node.slots[name].pid}/smaps_rollup", encoding="ascii") as rollup:
            pss.append(next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")))
    print(f"order to hello {sorted(taken)[5] * 1e3:.1f} ms, PSS {sorted(pss)[5]} KiB")
    assert sorted(taken)[5] < 0.5
    assert sorted(pss)[5] < 12_000


def test_a_program_that_is_not_there_is_reported_where_it_is_started():
    handle = ZygoteProcess("slot_tasks:app", environ={**ENVIRON, "PYTHONHOME": "/nonexistent"})
    handle.start()
    wait_until(handle.read_replies)
    wait_until(lambda: handle.reap() not in (None, "exit code 0"))
    handle.close()
