"""A run is terminated by ending its slot's process: only that run, and nobody else's."""

from __future__ import annotations

import signal

import pytest

from actorq import TaskRevoked
from actorq.testing.wait import wait_until
from tests.integration.revoking.test_revoking import finish, occupy, send
from tests.nodes import NodeProcess


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "int"])
def test_a_run_is_terminated_and_others_that_the_slot_held_run_once_each(node, app, trail, name):
    held = occupy(app, trail)
    behind = [send(app, "count", str(trail), f"b{number}") for number in range(20)]
    app.flush()
    [pid] = node.slot_pids()
    assert held.revoke(terminate=True, signal=name) == "terminating"
    with pytest.raises(TaskRevoked, match="terminated by SIG"):
        held.get(timeout=10)
    assert held.state == "REVOKED"
    assert [each.get(timeout=20) for each in behind] == [1] * 20
    assert [pid] != node.slot_pids()
    assert app.dead_letters.count() == 0


def test_a_task_may_clean_up_when_it_is_terminated(node, app, trail):
    tidy = send(app, "tidy", str(trail))
    trail.wait("tidy")
    assert tidy.revoke(terminate=True) == "terminating"
    assert tidy.get(timeout=10) == "cleaned up"  # it ended by itself, so that is its end
    assert tidy.revoke(terminate=True) == "ended"
    assert send(app, "note", str(trail), "after").get(timeout=20) == "after"


def test_nobody_is_killed_for_a_task_that_doesnt_run(node, app, trail):
    app.flush()
    done = send(app, "note", str(trail), "done")
    done.get(timeout=20)
    [pid] = node.slot_pids()
    held = occupy(app, trail)
    waiting = send(app, "note", str(trail), "waiting")
    app.flush()
    fates = app.control.revoke([done, waiting, "nobody"], terminate=True, signal="SIGKILL").fates
    assert list(fates.values()) == ["ended", "revoked", "expected"]
    finish(app, trail, held)
    assert node.slot_pids() == [pid]


def test_terminating_while_tasks_end_harms_none_of_the_others(node, app, trail):
    """Each is aimed at while it is about to end: it ends as REVOKED or with its value, and every other runs once."""
    for number in range(30):
        aimed = send(app, "blink", str(trail), f"aimed-{number}")
        others = [send(app, "count", str(trail), f"o{number}-{each}") for each in range(3)]
        trail.wait(f"aimed-{number}")
        fate = aimed.revoke(terminate=True, signal="SIGKILL")
        assert fate in ("terminating", "ended", "running")
        try:
            aimed.get(timeout=20)
        except TaskRevoked:
            assert fate == "terminating"
        assert [each.get(timeout=20) for each in others] == [1, 1, 1]
    assert app.dead_letters.count() == 0


def test_a_node_that_only_joined_ends_its_slot_for_the_hub(node, folder, home, app, trail):
    occupy(app, trail)
    with NodeProcess("tasks", home, folder, slots=1) as joined:
        other = occupy(app, trail, "other")
        [pid] = joined.slot_pids()
        assert other.revoke(terminate=True) == "terminating"
        with pytest.raises(TaskRevoked, match="terminated by SIGTERM"):
            other.get(timeout=10)
        wait_until(lambda: joined.slot_pids() not in ([], [pid]), 10, "another slot process")


def test_what_was_terminated_stays_so_when_the_hub_is_killed_at_the_same_moment(node, folder, home, app, trail):
    held = occupy(app, trail)
    assert held.revoke(terminate=True, signal="SIGKILL") == "terminating"
    node.kill()
    with NodeProcess("tasks", home, folder, slots=1):
        with pytest.raises(TaskRevoked):
            held.get(timeout=20)
        assert not list(trail.folder.glob("let-go*"))


def test_a_wrong_signal_is_refused_wherever_it_is_given(node, app, run):
    for bad in ("SIGSTOP", "SIGNOTHING", "", 9):
        with pytest.raises(ValueError, match="expected signal to be one of SIGTERM"):
            app.control.revoke(["a"], terminate=True, signal=bad)
    with pytest.raises(Exception, match="expected signal to be one of"):
        app.ask("revoke", {"ids": ["a"], "terminate": True, "signal": "SIGSTOP"})
    code, _, error = run("task", "cancel", "a", "--terminate", "--signal", "HUP")
    assert (code, "expected signal to be one of" in error) == (2, True)
    assert app.control.revoke(["a"], terminate=True, signal=signal.SIGKILL).fates == {"a": "expected"}


def test_what_was_cancelled_while_it_ran_doesnt_start_again_under_the_next_hub(node, folder, home, app, trail):
    occupy(app, trail)
    with NodeProcess("tasks", home, folder, slots=1):
        running = send(app, "again", str(trail), 0.0)
        trail.wait("again-0")
        assert running.revoke() == "running"
        node.kill()
        trail.let_go("again")
        with pytest.raises(TaskRevoked):
            running.get(timeout=30)
        assert not trail.has("again-1")
