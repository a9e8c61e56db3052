"""Queues that are paused, peeked into, purged and moved: a real node, with real slots."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from actorq import ActorqError, App, TaskRevoked
from actorq.testing.wait import wait_until
from tests.command_line import make_runner
from tests.nodes import hub_pid

if TYPE_CHECKING:
    from pathlib import Path

TASKS = """
import time
from pathlib import Path

from actorq import App

app = App("shop")

@app.task(bind=True)
def note(self, folder: str, number: int, nap_s: float = 0.0) -> int:
    with (Path(folder) / "begun").open("a") as begun:
        begun.write(f"{number}\\n")
    time.sleep(nap_s)
    return number
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def actorq(home, monkeypatch, capfd):
    for name in ("ACTORQ_APP", "ACTORQ_PLUGIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACTORQ_HOME", str(home))
    return make_runner(capfd)


def send(app: App, folder: Path, numbers, nap_s: float = 0.0, **options):
    sent = [app.send_task("tasks.note", (str(folder), number, nap_s), **options) for number in numbers]
    app.flush(20)
    return sent


def begun(folder: Path) -> list[int]:
    file = folder / "begun"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_a_pause_stops_what_slots_hold_and_lets_what_runs_finish(app, start, folder):
    start(slots=2)
    send(app, folder, range(200))  # the slots learn that these are quick, and hold many
    sent = send(app, folder, range(1000, 1100), 0.2)
    wait_until(lambda: len(begun(folder)) > 202, 20, "the long ones to begin")
    running = app.queues.pause("default")
    after = len(begun(folder))
    assert 0 < running <= 2
    info = app.queues.find("default")
    assert info is not None
    assert (info.paused, info.reserved) == (True, 0)
    wait_until(lambda: app.queues.find("default").running == 0, 20, "what runs to finish")
    late = send(app, folder, [5000])
    assert late[0].state == "PENDING"
    info = app.queues.find("default")
    assert info.ready == 301 - len(begun(folder))
    assert len(begun(folder)) == after
    assert app.queues.resume("default")
    assert [result.get(timeout=60) for result in sent] == list(range(1000, 1100))
    assert late[0].get(timeout=20) == 5000
    order = [number for number in begun(folder) if number >= 1000]
    assert sorted(order) == [*range(1000, 1100), 5000]
    assert len(order) == 101, "none began twice"
    assert order[-1] == 5000


def test_other_queues_go_on_while_one_is_paused(app, start, folder):
    start()
    app.queues.pause("mail")
    waiting = send(app, folder, range(50), queue="mail")
    assert [result.get(timeout=20) for result in send(app, folder, range(50, 100))] == list(range(50, 100))
    assert {result.state for result in waiting} == {"PENDING"}
    app.queues.resume("mail")
    assert [result.get(timeout=20) for result in waiting] == list(range(50))


def test_a_pause_outlives_a_hub_that_is_killed_and_one_that_takes_over(app, start, folder):
    hub, _ = start(), start()
    app.queues.pause("default")
    sent = send(app, folder, range(20))
    hub.kill()
    wait_until(lambda: hub_pid(app.home.path) not in (None, hub.pid), 20, "the other node to be the hub")
    sent += send(app, folder, range(20, 30))
    assert [result.get(timeout=20) for result in send(app, folder, [99], queue="other")] == [99]
    assert begun(folder) == [99]
    info = app.queues.find("default", timeout=20)
    assert (info.paused, info.ready) == (True, 30)
    app.queues.resume("default", timeout=20)
    assert [result.get(timeout=20) for result in sent] == list(range(30))
    assert begun(folder)[1:] == list(range(30)), "in the order in which they were sent"


def test_a_purge_ends_all_that_does_not_run_and_tells_who_waits(app, start, folder):
    start(slots=1)
    send(app, folder, range(100))[-1].get(timeout=20)
    running = send(app, folder, [1000], 1.0)
    wait_until(lambda: 1000 in begun(folder), 20, "the long one to begin")
    held = send(app, folder, range(2000, 2100))
    later = send(app, folder, [3000], eta=time.time() + 3600)
    other = send(app, folder, [4000], queue="other", countdown=3600)
    with App("shop", home=app.home.path) as watcher:
        foreign = watcher.AsyncResult(held[5].id)
        told: list[object] = []
        foreign.then(told.append, told.append)
        assert app.queues.purge("default") == 101
        wait_until(lambda: told, 20, "who waits elsewhere to be told")
    for result in (*held, *later):
        with pytest.raises(TaskRevoked, match="purged with all that waited in queue 'default'"):
            result.get(timeout=20)
    assert held[0].state == "REVOKED"
    assert running[0].get(timeout=20) == 1000
    assert (other[0].state, app.queues.purge("default")) == ("PENDING", 0)
    assert [result.get(timeout=20) for result in send(app, folder, [1])] == [1]
    assert max(begun(folder)) == 1000
    assert app.queues.purge("other") == 1
    wait_until(lambda: app.ask("status")["unfinished"] == 0, 20, "nothing to be unfinished")


def test_a_move_keeps_order_priorities_ids_and_etas(app, start, folder):
    start("-Q", "default")
    app.queues.pause("default")
    sent = [*send(app, folder, range(5)), *send(app, folder, range(5, 10), priority=7)]
    due_at = time.time() + 3600
    late = send(app, folder, [100], eta=due_at)
    assert app.queues.move("default", "spare", 7) == 7
    assert [task.id for task in app.queues.peek("spare")] == [each.id for each in (*sent[5:], *sent[:2])]
    assert app.queues.move("default", "spare") == 4
    peeked = app.queues.peek("spare", arguments=True)
    assert [task.id for task in peeked] == [each.id for each in (*sent[5:], *sent[:5], *late)]
    assert peeked[-1].eta == pytest.approx(due_at)
    assert [task.priority for task in peeked] == [7] * 5 + [0] * 6
    assert peeked[0].args == (str(folder), 5, 0.0)
    assert app.queues.find("spare").priorities == {7: 5, 0: 5}
    app.queues.resume("default")
    assert app.queues.move("spare", "default", 3) == 3
    assert [result.get(timeout=20) for result in sent[5:8]] == [5, 6, 7]
    assert app.queues.move("spare", "default") == 8
    assert [result.get(timeout=20) for result in sent] == list(range(10))
    assert begun(folder) == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]
    assert app.queues.purge("default") == 1


def test_more_tasks_than_the_hub_has_in_memory_are_moved_and_purged_exactly(app, start, folder):
    start("-Q", "nothing")
    count = 70_000
    template = app.task(name="tasks.note")(lambda: None)
    template.apply_async(queue="big")
    for _ in range(count // 1000):
        with app.pipeline():
            for _ in range(1000):
                template.apply_async(queue="big")
    assert app.queues.find("big").ready == count + 1
    assert app.queues.move("big", "bigger", timeout=30) == count + 1
    assert app.queues.find("big").ready == 0
    assert app.queues.find("bigger").ready == count + 1
    assert app.queues.purge("bigger", timeout=30) == count + 1
    assert app.queues.find("bigger").ready == 0
    assert app.ask("status")["unfinished"] == 0


@pytest.mark.parametrize("verb", ["purge", "move"])
def test_a_hub_that_is_killed_meanwhile_leaves_each_task_ended_moved_or_as_it_was(verb, app, start, folder):
    hub = start("-Q", "nothing")
    task = app.task(name="tasks.note")(lambda number: number)
    sent = [task.apply_async((number,), queue="from") for number in range(20_000)]
    app.flush(60)

    def is_under_way():
        return 0 < app.queues.find("from").ready < len(sent)

    def act():
        try:
            app.queues.purge("from", timeout=60) if verb == "purge" else app.queues.move("from", "to", timeout=60)
        except ActorqError:
            pass

    thread = threading.Thread(target=act)
    thread.start()
    wait_until(is_under_way, 20, "it to be under way")
    hub.kill()
    thread.join(60)
    start("-Q", "nothing")
    left = app.queues.find("from", timeout=20).ready
    if verb == "purge":
        revoked = sum(
            1
            for facts in app._session.get_facts_of([each._key for each in sent]).values()
            if facts["state"] == "REVOKED"
        )
        assert (left > 0, left + revoked) == (True, len(sent))
        assert app.queues.purge("from", timeout=60) == left
    else:
        moved = app.queues.find("to").ready
        assert (left > 0, left + moved) == (True, len(sent))
        assert app.queues.move("from", "to", timeout=60) == left
        assert app.queues.peek("to", 1000)[999].id == sent[999].id
    assert app.queues.find("from").ready == 0


def test_the_command_line_does_the_same(app, start, folder, actorq):
    start()
    assert actorq("queue", "pause", "mail") == (0, "paused\n", "")
    send(app, folder, [1, 2], queue="mail", headers={"tenant": "a"})
    send(app, folder, [3], queue="mail", priority=4, countdown=3600)
    code, told, _ = actorq("queue", "ls", "--json")
    (mail,) = [each for each in json.loads(told)["queues"] if each["queue"] == "mail"]
    assert (code, mail["ready"], mail["scheduled"], mail["paused"], mail["consumers"]) == (0, 2, 1, True, 1)
    assert mail["priorities"] == {"0": 2}
    code, told, _ = actorq("queue", "ls")
    assert ("paused" in told, "mail" in told) == (True, True)
    code, told, _ = actorq("queue", "peek", "mail", "-n", "2")
    assert (code, told.count("tasks.note"), '"tenant": "a"' in told, str(folder) in told) == (0, 2, True, False)
    code, told, _ = actorq("queue", "peek", "mail", "--args", "--json")
    assert [task["args"][1] for task in json.loads(told)["tasks"]] == [1, 2, 3]
    assert actorq("queue", "move", "mail", "post", "--limit", "1") == (0, "1 moved\n", "")
    code, told, said = actorq("queue", "purge", "mail")
    assert (code, told, "expected --yes" in said) == (2, "", True)
    assert actorq("queue", "purge", "mail", "--yes") == (0, "2 purged\n", "")
    code, told, _ = actorq("queue", "purge", "mail", "--yes", "--json")
    assert json.loads(told) == {"queue": "mail", "purged": 0}
    assert actorq("queue", "resume", "mail") == (0, "resumed\n", "")
    assert actorq("queue", "resume", "mail") == (0, "it was not paused\n", "")
    wait_until(lambda: begun(folder) == [1], 20, "the one that was moved")


def test_what_is_no_queue_is_refused_with_a_hint(app, start, folder, actorq):
    start()
    send(app, folder, [1], queue="mail")[0].get(timeout=20)
    for verb in (("peek",), ("purge", "--yes"), ("move",)):
        code, _, said = actorq("queue", verb[0], "mial", *(("post",) if verb[0] == "move" else ()), *verb[1:])
        assert (code, "did you mean 'mail'?" in said) == (2, True)
    code, _, said = actorq("queue", "move", "mail", "mail")
    assert (code, "got 'mail' itself" in said) == (2, True)
    assert actorq("queue", "peek", "mail", "-n", "0")[0] == 2
    with pytest.raises(ActorqError, match=r"expected one of the queues .*, got 'mial'; did you mean 'mail'"):
        app.queues.purge("mial")
    with pytest.raises(ValueError, match="itself"):
        app.queues.move("mail", "mail")
    with pytest.raises(ValueError, match="expected limit"):
        app.queues.move("mail", "post", 0)
    with pytest.raises(ValueError, match="expected the name of a queue"):
        app.queues.pause("")
    with pytest.raises(ActorqError, match="bad arguments for 'queue'"):
        app.ask("queue", {"verb": "burn", "queue": "mail"})
    with pytest.raises(ActorqError, match="itself"):
        app.ask("queue", {"verb": "move", "queue": "mail", "to": "mail"})


def test_nobody_answers_without_a_node(actorq, home):
    home.mkdir()
    code, _, said = actorq("queue", "ls", "--timeout", "0.2")
    assert (code, "start one with" in said) == (69, True)


def test_what_was_scheduled_before_a_restart_is_counted_once(app, start, folder):
    hub = start()
    (late,) = send(app, folder, [1], countdown=2.0)
    (later,) = send(app, folder, [2], countdown=3600)
    hub.kill()
    start()
    wait_until(lambda: app.ask("status", timeout=20)["unfinished"] == 2, 20, "both to be counted")
    assert late.get(timeout=20) == 1
    assert app.ask("status")["unfinished"] == 1
    assert app.queues.purge("default") == 1
    with pytest.raises(TaskRevoked):
        later.get(timeout=20)
    assert app.ask("status")["unfinished"] == 0


def test_a_pause_takes_back_what_places_of_a_thread_pool_have_not_begun(app, start, folder):
    start("-P", "thread", slots=4)
    send(app, folder, range(300))[-1].get(timeout=20)
    sent = send(app, folder, range(1000, 1040), 0.3)
    wait_until(lambda: any(number >= 1000 for number in begun(folder)), 20, "the long ones to begin")
    running = app.queues.pause("default")
    after = len(begun(folder))
    assert running >= 1
    wait_until(lambda: app.queues.find("default").running == 0, 20, "what runs to finish")
    assert len(begun(folder)) == after
    assert app.queues.purge("default") == 340 - after
    ended = [_end_of(result) for result in sent]
    assert (ended.count("SUCCESS"), ended.count("REVOKED")) == (after - 300, 340 - after)


def test_a_purge_reaches_what_the_slots_of_two_nodes_hold(app, start, folder):
    start()
    start()
    wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots")
    send(app, folder, range(300))[-1].get(timeout=20)
    sent = send(app, folder, range(1000, 1100), 0.5)
    wait_until(lambda: sum(number >= 1000 for number in begun(folder)) == 2, 20, "both slots to be busy")
    count = app.queues.purge("default")
    ran = sum(number >= 1000 for number in begun(folder))
    assert count == 100 - ran
    ended = [_end_of(result) for result in sent]
    assert (ended.count("SUCCESS"), ended.count("REVOKED")) == (ran, count)


def _end_of(result):
    try:
        result.get(timeout=20)
    except TaskRevoked:
        return "REVOKED"
    return "SUCCESS"
