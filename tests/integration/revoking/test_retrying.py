"""A task that has ended is run again where its message is known, and told why where it isn't."""

from __future__ import annotations

import json

import pytest

from actorq import SlotLost
from tests.integration.revoking.test_revoking import send


def test_a_dead_letter_runs_again_and_others_say_why_they_cant(node, app, trail, run):
    dead = send(app, "poison", str(trail))
    with pytest.raises(SlotLost):
        dead.get(timeout=30)
    done = send(app, "note", str(trail), "done")
    done.get(timeout=20)
    later = send(app, "note", str(trail), "later", countdown=600)
    later.confirm()
    cancelled = send(app, "note", str(trail), "cancelled", countdown=600)
    cancelled.confirm()
    cancelled.revoke()
    trail.let_go("poison")
    code, out, error = run("task", "retry", dead.id, done.id, later.id, cancelled.id, "order-17", "--json")
    told = json.loads(out)
    assert (code, told["retried"]) == (1, 1)
    refused = told["refused"]
    assert list(refused) == [done.id, later.id, cancelled.id, "order-17"]
    assert "it ended as SUCCESS, and a result is kept without the arguments" in refused[done.id]
    assert "it hasn't ended: it is due in" in refused[later.id]
    assert "it ended as REVOKED" in refused[cancelled.id]
    assert "no task with this id is known" in refused["order-17"]
    assert done.id in error
    assert app.AsyncResult(dead.id).get(timeout=20) == "cured"


def test_retry_without_ids_is_refused(node, run):
    code, _, error = run("task", "retry")
    assert (code, "expected the ids of tasks, got none" in error) == (2, True)
