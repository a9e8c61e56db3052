"""Tasks are cancelled wherever they are, by a real node: what was cancelled before it started never starts."""

from __future__ import annotations

import json
import time

import pytest

from actorq import App, ResultSet, TaskRevoked
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess


def send(app, name, *args, **options):
    return app.send_task(f"tasks.{name}", args, **options)


def occupy(app, trail, name="long"):
    """Keep the only slot busy."""
    held = send(app, "hold", str(trail), name)
    trail.wait(name)
    return held


def finish(app, trail, held, name="long"):
    """Let the slot go, and have it do one more task: whatever was before that has had its turn."""
    trail.let_go(name)
    assert held.get(timeout=20) == name
    assert send(app, "note", str(trail), "last").get(timeout=20) == "last"


def test_a_task_that_waits_ends_as_revoked_and_never_starts(node, app, trail):
    held = occupy(app, trail)
    waiting = [send(app, "note", str(trail), f"n{number}") for number in range(50)]
    app.flush()
    assert waiting[7].revoke() == "revoked"
    with pytest.raises(TaskRevoked, match="cancelled before it could start"):
        waiting[7].get(timeout=5)
    assert waiting[7].state == "REVOKED"
    finish(app, trail, held)
    assert [each.get(timeout=20) for each in waiting if each is not waiting[7]]
    assert not trail.has("n7")
    assert waiting[7].revoke() == "ended"


def test_whoever_waits_for_a_cancelled_task_hears_of_it_at_once(node, app, trail):
    held = occupy(app, trail)
    waiting = send(app, "note", str(trail), "never")
    waiting.confirm()
    heard = []
    waiting.then(lambda result: heard.append(result.state))
    with App("other", home=node.home) as other:
        other.AsyncResult(waiting.id).revoke()
    wait_until(lambda: heard == ["REVOKED"], 5, "the one who waits to hear of it")
    finish(app, trail, held)


def test_a_task_for_later_ends_now_and_one_that_waits_for_its_retry_too(node, app, trail):
    later = send(app, "note", str(trail), "later", countdown=3600)
    later.confirm()
    retrying = send(app, "again", str(trail), 3600.0)
    trail.wait("again-0")
    trail.let_go("again")
    wait_until(lambda: retrying.state == "RETRY", 10, "the retry to be scheduled")
    assert app.control.revoke([later, retrying]).fates == {later.id: "revoked", retrying.id: "revoked"}
    assert (later.state, retrying.state) == ("REVOKED", "REVOKED")
    with pytest.raises(TaskRevoked):
        later.get(timeout=5)


def test_a_task_that_runs_goes_on_but_doesnt_start_again(node, app, trail):
    running = send(app, "again", str(trail), 0.0)
    trail.wait("again-0")
    assert running.revoke() == "running"
    trail.let_go("again")
    with pytest.raises(TaskRevoked):
        running.get(timeout=20)
    assert not trail.has("again-1")
    held = occupy(app, trail)
    assert held.revoke() == "running"
    finish(app, trail, held)  # with its value


def test_a_task_that_was_cancelled_before_it_arrived_ends_when_it_does(node, app, trail):
    app.flush()
    number = send(app, "note", str(trail), "first").id.rpartition("-")
    coming = f"{number[0]}-{int(number[2]) + 1}"
    assert app.control.revoke([coming, "chosen"]).fates == {coming: "expected", "chosen": "expected"}
    late = send(app, "note", str(trail), "late")
    chosen = send(app, "note", str(trail), "chosen", task_id="chosen")
    assert late.id == coming
    for result in (late, chosen):
        with pytest.raises(TaskRevoked):
            result.get(timeout=20)
    assert send(app, "note", str(trail), "last").get(timeout=20) == "last"
    assert not trail.has("late")
    assert not trail.has("chosen")
    # An id that was used once isn't cursed: the next task that bears it runs.
    assert send(app, "note", str(trail), "chosen", task_id="chosen").get(timeout=20) == "chosen"


def test_an_id_that_its_caller_chose_can_be_cancelled(node, app, trail):
    held = occupy(app, trail)
    waiting = send(app, "note", str(trail), "never", task_id="order-17")
    waiting.confirm()
    assert app.control.revoke("order-17").fates == {"order-17": "revoked"}
    assert app.AsyncResult("order-17").state == "REVOKED"
    assert waiting.state == "REVOKED"
    finish(app, trail, held)
    assert not trail.has("never")


def test_ten_thousand_are_cancelled_at_once(node, app, trail):
    held = occupy(app, trail)
    waiting = ResultSet([send(app, "note", str(trail), f"n{number}") for number in range(10_000)])
    app.flush(30)
    started = time.monotonic()
    done = waiting.revoke(timeout=30)
    took_s = time.monotonic() - started
    assert len(done.list("revoked")) == 10_000
    assert took_s < 20
    assert waiting.completed_count() == 0
    finish(app, trail, held)
    assert not [path for path in trail.folder.iterdir() if path.name.startswith("n")]
    assert {result.state for result in list(waiting)[::1000]} == {"REVOKED"}


def test_what_was_cancelled_stays_so_when_the_hub_is_killed_right_after_the_answer(node, folder, app, trail):
    occupy(app, trail)
    waiting = [send(app, "note", str(trail), f"n{number}") for number in range(200)]
    later = send(app, "note", str(trail), "later", countdown=2)
    app.flush()
    coming = f"{later.id.rpartition('-')[0]}-{int(later.id.rpartition('-')[2]) + 1}"
    fates = app.control.revoke([*waiting, later, coming]).fates
    node.kill()
    assert set(fates.values()) == {"revoked", "expected"}
    late = send(app, "note", str(trail), "late")
    assert late.id == coming
    trail.let_go("long")
    with NodeProcess("tasks", node.home, folder, slots=1):
        with pytest.raises(TaskRevoked):
            late.get(timeout=20)
        assert {result.state for result in (*waiting, later)} == {"REVOKED"}
        assert send(app, "note", str(trail), "last").get(timeout=20) == "last"
        assert {path.name for path in trail.folder.iterdir()} == {"long", "let-go-long", "last"}


def test_the_command_cancels_by_id_and_says_what_became_of_each(node, app, trail, run):
    held = occupy(app, trail)
    first, second = send(app, "note", str(trail), "first"), send(app, "note", str(trail), "second")
    app.flush()
    code, out, _ = run("task", "cancel", first.id, held.id, "nobody", "--json")
    assert (code, json.loads(out)) == (0, {first.id: "revoked", held.id: "running", "nobody": "expected"})
    code, out, _ = run("task", "cancel", second.id)
    assert (code, "it has ended as REVOKED" in out) == (0, True)
    finish(app, trail, held)


def test_what_isnt_an_id_is_refused(node, app, run):
    for bad, error in ((["x" * 256], ValueError), ([""], ValueError), ([7], TypeError), (7, TypeError)):
        with pytest.raises(error, match="expected"):
            app.control.revoke(bad)
    with pytest.raises(Exception, match="bad arguments for 'revoke'"):
        app.ask("revoke", {"ids": "abc"})
    code, _, error = run("task", "cancel")
    assert (code, "expected the ids of tasks, got none" in error) == (2, True)
    code, _, error = run("task", "cancel", "x" * 256)
    assert (code, "expected ids of 1 to 255 characters" in error) == (2, True)
