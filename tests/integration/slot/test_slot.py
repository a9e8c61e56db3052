"""A slot and its broker, as long as both live."""

from __future__ import annotations

import os
import pickle
import time

import msgspec
import pytest

from actorq.codec import decode_failure, decode_result, encode_body
from actorq.messages import states
from actorq.messages.task import FLAG_IGNORE_RESULT, TO_THE_BACK, Delivery, TaskMessage
from actorq.messages.wire import DONE, Done
from actorq.slot.bell import bell_path
from actorq.slot.line_view import LineView
from actorq.slot.reports import FLUSH_REPORTS
from actorq.testing.wait import wait_until
from tests.integration.slot.harness import FakeBroker, make


def result_of(broker, node, delivery, name=None):
    name = name or node.start_slot(broker)
    broker.send(name, [delivery])
    (report,) = broker.wait_for(name, 1)
    assert (report.key, report.token) == (delivery.key, delivery.token)
    return report


def value_of(report):
    assert states.NAMES[report.state] == "SUCCESS"
    return decode_result(report.codec_id, report.payload)


def frames_of(broker):
    return [msgspec.msgpack.decode(frame[1:], type=Done) for frame in broker.frames if frame[:1] == DONE]


def test_a_slot_runs_what_it_is_given_in_order(node, broker):
    name = node.start_slot(broker)
    sent = [make("add", number, 1) for number in range(200)]
    broker.send(name, sent)
    reports = broker.wait_for(name, 200)
    assert [report.token for report in reports] == [delivery.token for delivery in sent]
    assert [value_of(report) for report in reports] == list(range(1, 201))


def test_short_tasks_share_frames(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("nothing") for _ in range(640)])
    broker.wait_for(name, 640)
    assert len(frames_of(broker)) < 100
    assert max(len(done.reports) for done in frames_of(broker)) <= FLUSH_REPORTS


def test_a_finished_task_does_not_wait_for_the_long_one_behind_it(node, broker, tmp_path):
    name = node.start_slot(broker)
    broker.send(name, [make("add", 1, 1), make("hold", str(tmp_path / "started"), str(tmp_path / "gate"))])
    broker.wait_for(name, 1)
    wait_until((tmp_path / "started").exists)
    assert node.line(name).executing() is not None
    (tmp_path / "gate").touch()
    broker.wait_for(name, 2)


def test_the_line_says_what_is_running_and_for_how_long(node, broker, tmp_path):
    name = node.start_slot(broker)
    line = node.line(name)
    assert line.executing() is None
    assert line.pid == node.slots[name].pid
    assert line.is_alive()
    delivery = make("hold", str(tmp_path / "started"), str(tmp_path / "gate"), limits=(None, 100.0))
    before_ns = time.monotonic_ns()
    broker.send(name, [delivery])
    wait_until((tmp_path / "started").exists)
    assert line.executing() == (delivery.key, delivery.token)
    assert before_ns < line.executions()[0].started_ns < time.monotonic_ns()
    assert line.deadline_ns == line.executions()[0].started_ns + 100_000_000_000
    (tmp_path / "gate").touch()
    broker.wait_for(name, 1)
    wait_until(lambda: line.executed == 1)
    assert line.executing() is None
    assert line.rss_bytes > 1_000_000
    broker.send(name, [make("add", 1, 1)])
    broker.wait_for(name, 2)
    assert line.deadline_ns == 0


def test_settled_reports_leave_the_ring(node, broker):
    name = node.start_slot(broker)
    line = node.line(name)
    broker.send(name, [make("add", number, 1) for number in range(10)])
    broker.wait_for(name, 10)
    assert len(line.unsettled_reports()) == 10
    broker.send(name, settled=7)
    wait_until(lambda: len(line.unsettled_reports()) == 3)
    assert [value_of(report) for report in line.unsettled_reports()] == [8, 9, 10]
    broker.send(name, settled=5)  # an older number changes nothing
    broker.send(name, settled=10)
    wait_until(lambda: line.unsettled_reports() == [])


def test_the_ring_goes_round_under_load(node, broker):
    name = node.start_slot(broker)
    for _ in range(12):
        known = len(broker.heard(name))
        broker.send(name, [make("big", 3000) for _ in range(20)], settled=known)
        broker.wait_for(name, known + 20)
    assert all(len(value_of(report)) == 3000 for report in broker.wait_for(name, 240))


def test_a_result_bigger_than_the_ring_arrives_and_keeps_its_place(node, broker):
    name = node.start_slot(broker)
    sizes = [10, 3_000_000, 20, 200_000, 200_000, 30]
    broker.send(name, [make("big", size) for size in sizes])
    assert [len(value_of(report)) for report in broker.wait_for(name, 6)] == sizes
    line = node.line(name)
    assert [len(value_of(report)) for report in line.unsettled_reports()] == [10, 20, 200_000, 30]
    broker.send(name, settled=6)
    wait_until(lambda: line.unsettled_reports() == [])
    broker.send(name, [make("big", 200_000)], settled=6)
    broker.wait_for(name, 7)
    assert len(line.unsettled_reports()) == 1


def test_results_of_many_megabytes_do_not_stop_a_slot_for_good(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("big", 20_000_000) for _ in range(6)])
    assert [len(report.payload) > 20_000_000 for report in broker.wait_for(name, 6)] == [True] * 6


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("retry_at", 1234.5), ("RETRY", 0, 1234.5)),
        (("reject", True), ("RETRY", TO_THE_BACK, None)),
        (("reject", False), ("REJECTED", 0, None)),
        (("ignore",), ("IGNORED", 0, None)),
        (("nobody",), ("FAILURE", 0, None)),
        (("add", 1, "x"), ("FAILURE", 0, None)),
    ],
)
def test_an_outcome_becomes_its_state(node, broker, call, expected):
    report = result_of(broker, node, make(*call))
    assert (states.NAMES[report.state], report.codec_id, report.due_at) == expected


def test_a_task_whose_result_nobody_wants_reports_nothing_but_success(node, broker):
    report = result_of(broker, node, make("add", 1, 2, flags=FLAG_IGNORE_RESULT))
    assert (states.NAMES[report.state], report.payload) == ("SUCCESS", b"")


def test_a_task_that_expired_in_the_queue_is_not_started(node, broker, tmp_path):
    report = result_of(broker, node, make("append", str(tmp_path / "log"), "x", expires=time.time() - 1))
    assert states.NAMES[report.state] == "REVOKED"
    assert not (tmp_path / "log").exists()


def test_a_body_that_is_nonsense_fails_its_own_task_only(node, broker):
    name = node.start_slot(broker)
    bad = [
        TaskMessage(1, "add", b"\xc1nonsense"),
        TaskMessage(2, "add", b"\x91" * 100_000),
        TaskMessage(3, "add", b"not a pickle", 2),
        TaskMessage(4, "add", b"", 99),
        TaskMessage(5, "add", encode_body((1, 2), {})),
    ]
    broker.send(name, [Delivery(number, number + 10_000, 0, 7, message) for number, message in enumerate(bad)])
    reports = broker.wait_for(name, 5)
    assert [states.NAMES[report.state] for report in reports] == ["FAILURE"] * 4 + ["SUCCESS"]
    assert all("DecodeError" in repr(decode_failure(report.payload)) for report in reports[:4])


def test_a_task_past_its_soft_limit_can_clean_up(node, broker):
    name = node.start_slot(broker)
    calls = ["overrun", "overrun_and_catch", "overrun_in_a_coroutine", "nothing"]
    broker.send(name, [make(call, limits=(0.05, 60.0)) for call in calls])
    first, second, third, fourth = broker.wait_for(name, 4)
    assert "SoftTimeLimitExceeded" in repr(decode_failure(first.payload))
    assert value_of(second) == "cleaned up"
    assert "SoftTimeLimitExceeded" in repr(decode_failure(third.payload))
    assert value_of(fourth) is None


def test_coroutine_tasks_share_one_loop(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("coroutine", 1), make("coroutine", 2)])
    first, second = (value_of(report) for report in broker.wait_for(name, 2))
    assert (first[0], second[0]) == (2, 3)
    assert first[1] == second[1]


def test_siblings_draw_different_random_numbers(node, broker):
    drawn = {tuple(value_of(result_of(broker, node, make("draw")))) for _ in range(4)}
    assert len({pid for pid, _ in drawn}) == 4
    assert len({bits for _, bits in drawn}) == 4


def test_stop_signals_are_left_to_the_node_but_work_on_programs_that_tasks_start(node, broker):
    name = node.start_slot(broker)
    assert value_of(result_of(broker, node, make("signal_self"), name)) == "still here"
    broker.send(name, [make("terminate_a_child")])
    assert value_of(broker.wait_for(name, 2)[1]) == -15


def test_a_child_that_task_code_forked_does_not_become_a_second_slot(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("fork_and_return"), make("add", 1, 1)])
    reports = broker.wait_for(name, 2)
    assert value_of(reports[0]) == node.slots[name].pid
    assert len([done for done in frames_of(broker) for _ in done.reports]) == 2


def test_pickled_arguments_bring_a_pickled_result(node, broker):
    report = result_of(broker, node, make("add", {1, 2}.__class__, 2, codec_id=2))
    assert states.NAMES[report.state] == "FAILURE"  # a type and a number don't add up
    other = result_of(broker, node, make("add", (1,), (2,), codec_id=2))
    assert pickle.loads(other.payload) == (1, 2)


def test_a_slot_told_to_retire_finishes_its_task_and_leaves_the_rest(node, broker, tmp_path):
    name = node.start_slot(broker)
    rest = [make("append", str(tmp_path / "log"), str(number)) for number in range(3000)]
    broker.send(name, [make("hold", str(tmp_path / "started"), str(tmp_path / "gate")), *rest])
    wait_until((tmp_path / "started").exists)
    broker.retire(name)
    (tmp_path / "gate").touch()
    assert node.wait_dead(name) == "exit code 0"
    reports = broker.wait_for(name, 1)
    assert value_of(reports[0]) == "held"
    started = (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []
    assert len(started) == len(reports) - 1 < 3000


def test_nothing_recalled_starts_even_if_the_slot_is_busy_and_its_queue_full(node, broker, tmp_path):
    name = node.start_slot(broker)
    running = make("hold", str(tmp_path / "started"), str(tmp_path / "gate"))
    old = [make("append", str(tmp_path / "log"), f"old {number}") for number in range(100)]
    new = [make("append", str(tmp_path / "log"), f"new {number}") for number in range(3)]
    broker.send(name, [running, *old])
    wait_until((tmp_path / "started").exists)
    line = node.line(name)
    line.set_fence(new[0].token)
    assert line.executing() == (running.key, running.token)
    broker.send(name, new)
    (tmp_path / "gate").touch()
    reports = broker.wait_for(name, 4)
    assert [report.token for report in reports] == [running.token, *(delivery.token for delivery in new)]
    assert (tmp_path / "log").read_text().splitlines() == ["new 0", "new 1", "new 2"]


def test_a_replaced_broker_gets_every_report_that_was_not_settled(node, broker, home, tmp_path):
    name = node.start_slot(broker)
    broker.send(name, [make("add", number, 0) for number in range(10)])
    broker.wait_for(name, 10)
    broker.send(name, [make("hold", str(tmp_path / "started"), str(tmp_path / "gate")), make("add", 5, 5)], settled=4)
    wait_until((tmp_path / "started").exists)
    broker.close()
    later = FakeBroker(home, epoch=2)
    try:
        (tmp_path / "gate").touch()
        wait_until(lambda: later.knows(name), 10, "a hello to the new broker")
        later.wait_for(name, 8)
        assert sorted(later.heard(name)) == list(range(4, 12))
        later.send(name, [make("add", 7, 7)], settled=12)
        assert value_of(later.wait_for(name, 9)[-1]) == 14
        assert len(node.line(name).unsettled_reports()) == 1
    finally:
        later.close()


def test_a_slot_finds_its_way_through_fifty_brokers_and_leaks_nothing(node, broker, home):
    name = node.start_slot(broker)
    descriptors = f"/proc/{node.slots[name].pid}/fd"
    counts, current = [], broker
    for epoch in range(2, 52):
        current.close()
        current = FakeBroker(home, epoch)
        wait_until(lambda: current.knows(name), 10, "a hello to the new broker")  # noqa: B023  used at once
        counts.append(len(os.listdir(descriptors)))
    current.send(name, [make("add", 1, 1)])
    current.wait_for(name, 1)
    current.close()
    assert max(counts[25:]) <= max(counts[:25])


def test_a_slot_that_is_turned_away_asks_again(node, broker):
    broker.turn_away = "not yet"
    name = node.order()
    wait_until(lambda: (node.pump(), broker.pump(), len(broker.hellos) >= 3)[-1], 10, "three hellos")
    broker.turn_away = ""
    count = len(broker.hellos)
    wait_until(lambda: (broker.pump(), len(broker.hellos) > count)[-1], 10, "another hello")
    wait_until(lambda: (node.pump(), name in node.slots)[-1])
    broker.send(name, [make("add", 1, 1)])
    broker.wait_for(name, 1)


def test_an_idle_slot_sleeps(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("add", 1, 1)])
    broker.wait_for(name, 1)
    status = f"/proc/{node.slots[name].pid}/status"

    def switches():
        with open(status, encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))

    seen = [switches()]

    def rests():
        seen.append(switches())
        return len(seen) > 10 and seen[-1] == seen[-10]

    wait_until(rests, 5, "a slot at rest")


def test_what_a_task_sends_goes_to_the_home_of_its_node(node, broker, home):
    assert value_of(result_of(broker, node, make("where"))) == str(home.path)


def test_prints_of_tasks_come_out_at_once(home, broker, capfd):
    from actorq.slot.orders import AppReady
    from tests.integration.slot.harness import Node

    node = Node(home)
    try:
        node.first(AppReady)
        name = node.start_slot(broker)
        broker.send(name, [make("say", "hello from a task")])
        broker.wait_for(name, 1)
        assert "hello from a task\n" in capfd.readouterr().out
        assert LineView.attach(home.lines / "nobody.line") is None
    finally:
        node.close()


def test_a_slot_rings_only_for_a_deadline_that_its_node_would_not_see_in_time(node, broker):
    name = node.start_slot(broker)
    bell = os.open(ring_of(node, name), os.O_RDWR | os.O_NONBLOCK)
    try:

        def rings_after(*deliveries):
            before = len(broker.heard(name))
            broker.send(name, deliveries)
            broker.wait_for(name, before + len(deliveries))
            try:
                return len(os.read(bell, 4096))
            except BlockingIOError:
                return 0

        line = node.line(name)
        assert rings_after(*(make("add", 1, 1) for _ in range(50))) == 0
        assert rings_after(make("add", 1, 1, limits=(5.0, None))) == 0
        assert rings_after(make("add", 1, 1, limits=(None, 50.0))) == 1
        line.set_look(time.monotonic_ns() + 20_000_000_000)
        assert rings_after(*(make("add", 1, 1, limits=(None, 50.0)) for _ in range(50))) == 0
        assert rings_after(make("add", 1, 1, limits=(None, 10.0))) == 1
        line.set_look(time.monotonic_ns())
        assert rings_after(make("add", 1, 1, limits=(None, 50.0))) == 1, "that look is over"
        line.close()
    finally:
        os.close(bell)


def ring_of(node, name):
    path = bell_path(node.home.lines / f"{name}.line")
    os.mkfifo(path)
    return path
