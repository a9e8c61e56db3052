"""What is known, and what is not run again, after somebody died."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

import pytest

from actorq.messages import states
from actorq.slot.layout import trace_path
from actorq.slot.orders import AppReady
from actorq.slot.process import kill_group, reap, reap_strays
from actorq.slot.zygote_process import ZygoteLost
from actorq.testing.wait import wait_until
from actorq.transport.rendezvous import is_process_alive
from tests.integration.slot.harness import APP, ENVIRON, FakeBroker, Node, make, new_name


def tokens(reports):
    return [report.token for report in reports]


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


def test_a_killed_slot_leaves_what_was_done_what_was_running_and_nothing_else(node, broker, tmp_path):
    name = node.start_slot(broker)
    done = [make("add", number, 1) for number in range(5)]
    running = make("hold", str(tmp_path / "started"), str(tmp_path / "gate"))
    never = [make("append", str(tmp_path / "log"), "x") for _ in range(5)]
    broker.send(name, [*done, running, *never])
    wait_until((tmp_path / "started").exists)
    node.kill(name)
    assert node.wait_dead(name) == "SIGKILL"
    line = node.line(name)
    assert not line.is_alive()
    assert tokens(line.remains().reports) == tokens(done)
    assert line.remains().executing == [(running.key, running.token)]
    line.remove()
    assert list(node.home.lines.iterdir()) == []


def test_whenever_a_slot_is_killed_its_line_agrees_with_the_evidence(node, broker, tmp_path):
    chance = random.Random(7)
    split = 0
    for attempt in range(25):
        log = tmp_path / f"log{attempt}"
        name = node.start_slot(broker)
        sent = [make("append", str(log), str(number)) for number in range(400)]
        place = {delivery.token: str(number) for number, delivery in enumerate(sent)}
        broker.send(name, sent[:200])
        broker.send(name, sent[200:])
        threshold = chance.randrange(300)
        wait_until(lambda: len(lines_of(log)) >= threshold)  # noqa: B023  used at once
        node.kill(name)
        node.wait_dead(name)
        remains = node.line(name).remains()
        reported = [place[token] for token in tokens(remains.reports)]
        evidence = lines_of(log)
        executing = [place[token] for _, token in remains.executing]
        assert reported == [str(number) for number in range(len(reported))]
        assert evidence in (reported, reported + executing)
        assert executing in ([], [str(len(reported))])
        split += 0 < len(reported) < 400
    assert split > 10  # most kills came in the middle


def test_a_slot_killed_before_it_was_given_anything_leaves_nothing(node, broker):
    name = node.start_slot(broker)
    node.kill(name)
    node.wait_dead(name)
    assert node.line(name).remains() == ([], [])


def test_what_the_broker_had_settled_is_not_left_behind(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("add", number, 1) for number in range(10)])
    broker.wait_for(name, 10)
    line = node.line(name)
    broker.send(name, settled=8)
    wait_until(lambda: len(line.unsettled_reports()) == 2)
    node.kill(name)
    node.wait_dead(name)
    assert tokens(line.remains().reports) == tokens(broker.wait_for(name, 10)[8:])


def test_reports_made_while_no_broker_was_there_survive_the_slot(node, broker, tmp_path):
    name = node.start_slot(broker)
    rest = [make("add", number, 1) for number in range(20)]
    broker.send(name, [make("hold", str(tmp_path / "started"), str(tmp_path / "gate")), *rest])
    wait_until((tmp_path / "started").exists)
    broker.close()
    (tmp_path / "gate").touch()
    line = node.line(name)
    wait_until(lambda: line.executed == 21)
    node.kill(name)
    node.wait_dead(name)
    assert tokens(line.remains().reports)[1:] == tokens(rest)
    broker.__init__(node.home, 2)  # the fixture closes it again


def test_a_segfault_names_the_signal_and_leaves_its_traceback(node, broker):
    name = node.start_slot(broker)
    delivery = make("segfault")
    broker.send(name, [delivery])
    assert node.wait_dead(name) == "SIGSEGV"
    line = node.line(name)
    assert line.remains().executing == [(delivery.key, delivery.token)]
    trace = trace_path(line.path).read_text()
    assert "Segmentation fault" in trace
    assert "in segfault" in trace


@pytest.mark.parametrize(
    ("call", "cause"), [(("leave", 7), "exit code 7"), (("leave", 0), "exit code 0"), (("die", 6), "SIGABRT")]
)
def test_a_task_that_ends_its_process_is_found_out(node, broker, call, cause):
    name = node.start_slot(broker)
    delivery = make(*call)
    broker.send(name, [make("add", 1, 1), delivery, make("add", 1, 1)])
    assert node.wait_dead(name) == cause
    remains = node.line(name).remains()
    assert len(remains.reports) == 1
    assert remains.executing == [(delivery.key, delivery.token)]


def test_a_task_that_recurses_or_exhausts_memory_fails_and_the_slot_goes_on(node, broker):
    name = node.start_slot(broker)
    broker.send(name, [make("recurse"), make("exhaust"), make("exit"), make("interrupt"), make("add", 1, 1)])
    reports = broker.wait_for(name, 5)
    assert [states.NAMES[report.state] for report in reports] == ["FAILURE"] * 4 + ["SUCCESS"]


def test_what_tasks_leave_running_ends_with_their_slot(node, broker):
    from actorq.codec import decode_result

    name = node.start_slot(broker)
    broker.send(name, [make("orphan")])
    (report,) = broker.wait_for(name, 1)
    orphan = decode_result(report.codec_id, report.payload)
    pid = node.slots[name].pid
    node.kill(name)
    wait_until(lambda: reap(node.slots[name].pidfd))
    assert is_process_alive(orphan)
    kill_group(pid)
    wait_until(lambda: not is_process_alive(orphan))
    reap_strays(set())  # what zygotes of other tests left halfway
    assert reap_strays({pid + 1_000_000}) == 0  # somebody else's
    wait_until(lambda: reap_strays({pid}) == 1)
    assert not os.path.exists(f"/proc/{orphan}")
    os.close(node.slots.pop(name).pidfd)


def test_slots_live_on_when_their_zygote_is_killed(node, broker, home):
    name = node.start_slot(broker)
    os.kill(node.zygote.pid, signal.SIGKILL)
    waiting = node.order()
    lost = node.first(ZygoteLost)
    assert [order.name for order in lost.unanswered] in ([waiting], [])
    assert node.zygote.fileno() == -1
    wait_until(lambda: node.zygote.reap() == "SIGKILL")
    node.zygote.close()
    successor = Node(home)
    try:
        successor.first(AppReady)
        other = successor.start_slot(broker)
        for each in (name, other):
            broker.send(each, [make("add", 1, 1)])
            broker.wait_for(each, 1)
    finally:
        successor.close()


def small_node(home, app, *names):
    program = os.path.join(os.path.dirname(__file__), "small_node.py")
    return subprocess.Popen(
        [sys.executable, program, str(home.path), str(home.runtime), app, *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**ENVIRON, "PYTHONPATH": os.pathsep.join([ENVIRON["PYTHONPATH"], os.getcwd()])},
        text=True,
    )


def test_slots_and_zygote_die_with_their_node(home, broker, tmp_path):
    busy, idle = new_name(), new_name()
    with small_node(home, APP, busy, idle) as program:
        zygote_pid = int(program.stdout.readline())
        pids = [zygote_pid, *map(int, program.stdout.readline().split())]
        wait_until(lambda: broker.knows(busy) and broker.knows(idle))
        broker.send(busy, [make("hold", str(tmp_path / "started"), str(tmp_path / "never"))])
        wait_until((tmp_path / "started").exists)
        assert all(map(is_process_alive, pids))
        program.kill()
        wait_until(lambda: not any(map(is_process_alive, pids)), 1.0, "the end of all slots")


def test_a_zygote_dies_with_its_node_even_while_it_imports(home):
    with small_node(home, "slow_app:app") as program:
        zygote_pid = int(program.stdout.readline())
        assert program.stdout.readline() == "importing\n"
        program.kill()
        wait_until(lambda: not is_process_alive(zygote_pid), 1.0, "the end of the zygote")


def test_a_task_may_outlive_two_brokers(node, broker, home, tmp_path):
    name = node.start_slot(broker)
    delivery = make("hold", str(tmp_path / "started"), str(tmp_path / "gate"))
    broker.send(name, [delivery])
    wait_until((tmp_path / "started").exists)
    broker.close()
    FakeBroker(home, 2).close()
    third = FakeBroker(home, 3)
    (tmp_path / "gate").touch()
    wait_until(lambda: third.knows(name), 10)
    assert tokens(third.wait_for(name, 1)) == [delivery.token]
    third.close()
    broker.__init__(home, 4)


def test_no_slot_lives_that_its_node_was_not_told_of(home):
    chance = random.Random(3)
    before = children()  # dead ones that another test's node left to us
    for _ in range(8):
        node = Node(home)
        node.first(AppReady)
        ordered = [node.order() for _ in range(8)]
        count = chance.randrange(8)
        wait_until(lambda: (node.pump(), len(node.slots) >= count)[-1])  # noqa: B023  used at once
        os.kill(node.zygote.pid, signal.SIGKILL)
        lost = node.first(ZygoteLost)
        assert {order.name for order in lost.unanswered} == set(ordered) - set(node.slots)
        node.close()
        wait_until(lambda: (reap_strays(set()), children() <= before)[-1], 5, "no child to be left")


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as pids:
        return set(pids.read().split())
