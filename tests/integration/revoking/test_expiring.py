"""A task that nobody takes in time ends as REVOKED by itself, wherever it waits, by a real node."""

from __future__ import annotations

import pytest

from actorq import TaskRevoked
from actorq.testing.wait import wait_until
from tests.integration.revoking.test_revoking import finish, occupy, send
from tests.nodes import NodeProcess


def test_tasks_of_a_queue_that_nobody_takes_expire(folder, home, app, trail):
    with NodeProcess("tasks", home, folder, slots=1, options=("-Q", "default")):
        lost = [send(app, "note", str(trail), f"n{number}", queue="mail", expires=1) for number in range(50)]
        kept = send(app, "note", str(trail), "kept", queue="mail", expires=3600)
        for result in lost:
            with pytest.raises(TaskRevoked, match="expired before it could start"):
                result.get(timeout=15)
        assert lost[0].state == "REVOKED"
        assert kept.state == "PENDING"


def test_tasks_behind_a_long_one_of_a_paused_queue_and_for_later_expire_in_time(node, app, trail, run):
    held = occupy(app, trail)
    behind = send(app, "note", str(trail), "behind", expires=1)
    later = send(app, "note", str(trail), "later", countdown=3600, expires=1)
    paused = send(app, "note", str(trail), "paused", queue="still", expires=1)
    assert run("queue", "pause", "still")[0] == 0
    for result in (later, paused, behind):
        with pytest.raises(TaskRevoked, match="expired"):
            result.get(timeout=15)
    finish(app, trail, held)
    assert not {"behind", "later", "paused"} & {path.name for path in trail.folder.iterdir()}


def test_what_expires_while_no_node_runs_ends_when_one_does(folder, home, app, trail):
    with NodeProcess("tasks", home, folder, slots=1, options=("-Q", "default")) as node:
        lost = send(app, "note", str(trail), "lost", queue="mail", expires=0.5)
        lost.confirm()
        node.kill()
    with NodeProcess("tasks", home, folder, slots=1, options=("-Q", "default")):
        with pytest.raises(TaskRevoked, match="expired"):
            lost.get(timeout=20)


def test_a_run_that_began_in_time_isnt_touched(node, app, trail):
    held = send(app, "hold", str(trail), "long", expires=1.5)
    trail.wait("long")
    waiting = send(app, "note", str(trail), "w", queue="nowhere-else", expires=1.6)
    wait_until(waiting.ready, 15, "a task that expires later to have ended")
    trail.let_go("long")
    assert held.get(timeout=10) == "long"
