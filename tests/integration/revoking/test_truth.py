"""What a task is told to wait for is what it waits for: by the command, and by a get() that times out."""

from __future__ import annotations

import json

import pytest

from actorq import App, ResultTimeout
from tests.integration.revoking.test_revoking import finish, occupy, send
from tests.nodes import NodeProcess


@pytest.fixture
def why(run):
    """The main reasons, as the command says them."""

    def ask(task_id):
        code, out, error = run("task", "why", str(task_id), "--json")
        assert code in (0, 1), error
        said = json.loads(out)
        assert (code == 1) == (said["state"] == "UNKNOWN")
        return "; ".join(said["why"])

    return ask


def test_a_task_says_what_it_waits_for(node, app, trail, why, run):
    held = occupy(app, trail)
    others = [send(app, "note", str(trail), f"n{number}") for number in range(5)]
    low = send(app, "note", str(trail), "low", priority=0, queue="default")
    later = send(app, "note", str(trail), "later", countdown=3600)
    lost = send(app, "note", str(trail), "lost", expires=3000, countdown=1000)
    app.flush()
    assert "it has been running for" in why(held)
    said = why(low)
    assert "behind" in said
    assert "busy" in said or "which has been running" in said
    assert "it is due in 3" in why(later)
    assert "it expires in" in why(lost)
    with pytest.raises(ResultTimeout, match="behind"):
        others[-1].get(timeout=0.1)
    assert run("queue", "pause", "default")[0] == 0
    assert "its queue 'default' is paused" in why(low)
    with pytest.raises(ResultTimeout, match="is paused"):
        low.get(timeout=0.1)
    assert run("queue", "resume", "default")[0] == 0
    finish(app, trail, held)
    assert "it ended as SUCCESS" in why(held)


def test_a_queue_that_nobody_takes_is_named(folder, home, app, trail, why):
    with NodeProcess("tasks", home, folder, slots=1, options=("-Q", "default")):
        waiting = send(app, "note", str(trail), "never", queue="mail")
        app.flush()
        assert "no slot takes that queue: start a node with -Q mail" in why(waiting)


def test_a_retry_says_when_it_is_due(node, app, trail, why):
    retrying = send(app, "again", str(trail), 600.0)
    trail.wait("again-0")
    trail.let_go("again")
    with pytest.raises(ResultTimeout, match="retry 1 of it is due in"):
        retrying.get(timeout=2)
    assert "retry 1 of it is due in 5" in why(retrying)


def test_unknown_ids_say_what_is_known_of_them(node, app, trail, why):
    done = send(app, "note", str(trail), "done")
    done.get(timeout=20)
    outbox, _, number = done.id.rpartition("-")
    assert "that process has sent 1 tasks here" in why(f"{outbox}-{int(number) + 7}")
    assert "no task of that process was ever accepted" in why("0123456789abcdef-3")
    assert "no task with this id is known" in why("order-17")
    app.control.revoke(["order-18"])
    assert "it was cancelled, and ends should it arrive" in why("order-18")
    done.forget()
    app.flush()
    assert "its result was forgotten or has expired" in why(done)


def test_a_task_that_no_node_has_seen_is_found_in_its_outbox(folder, home, trail, why, run):
    with App("shop", home=home) as early:
        waiting = send(early, "note", str(trail), "early")
        assert "still in the outbox of process" in why(waiting)
        code, out, _ = run("task", "show", waiting.id, "--json")
        assert (code, json.loads(out)["state"]) == (0, "PENDING")
        code, _, error = run("task", "show", "0123456789abcdef-3")
        assert code == 69, error


def test_show_tells_the_whole_life_of_a_task(node, app, trail, run):
    held = send(app, "note", str(trail), "shown", priority=3, headers={"trace": "t-1"}, time_limit=50, countdown=900)
    held.confirm()
    code, out, _ = run("task", "show", held.id, "--args", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["task"], facts["queue"], facts["priority"]) == ("tasks.note", "default", 3)
    assert (facts["headers"], facts["time_limit"]) == ({"trace": "t-1"}, 50)
    assert (facts["args"], facts["retries"], facts["deliveries"]) == ([str(trail), "shown"], 0, 0)
    code, out, _ = run("task", "show", held.id)
    assert code == 0
    assert "shown" not in out  # arguments are private unless they are asked for
    assert "it is due in" in out
    failed = send(app, "note", "/nowhere/at/all", "x")
    with pytest.raises(Exception, match="nowhere"):
        failed.get(timeout=20)
    code, out, _ = run("task", "show", failed.id)
    assert code == 0
    assert "FAILURE" in out
    assert "Traceback" in out
    assert "FileNotFoundError" in out


def test_what_cant_be_an_id_is_refused(node, run):
    code, _, error = run("task", "why", "x" * 256)
    assert (code, "expected an id of 1 to 255 characters" in error) == (2, True)
    assert run("task", "show")[0] == 2
