"""What waits for later, and what must not start, is listed by a real node."""

from __future__ import annotations

import json

import pytest

from actorq import ActorqError
from tests.integration.revoking.test_revoking import send


def test_what_waits_for_later_and_what_must_not_start_is_listed(node, app, trail, run):
    later = [send(app, "note", str(trail), f"n{each}", countdown=each, queue=f"q{each}") for each in (900, 300, 600)]
    send(app, "note", str(trail), "now").get(timeout=20)
    app.control.revoke(["order-17", "0123456789abcdef-3"])
    [(hub, tasks)] = app.control.inspect(timeout=5).scheduled().items()
    assert [task["id"] for task in tasks] == [later[1].id, later[2].id, later[0].id]
    assert (tasks[0]["queue"], tasks[0]["task"]) == ("q300", "tasks.note")
    [revoked] = app.control.inspect(timeout=5).revoked().values()
    assert [each["id"] for each in revoked] == ["order-17", "0123456789abcdef-3"]
    code, out, _ = run("inspect", "scheduled", "--json")
    assert (code, len(json.loads(out)[hub])) == (0, 3)
    code, out, _ = run("inspect", "revoked")
    assert (code, "order-17  remembered for 23 h" in out) == (0, True)
    assert "in 4 min" in run("inspect", "scheduled")[1]


def test_a_node_that_isnt_there_is_refused(node, app):
    with pytest.raises(ActorqError, match="expected one of the nodes"):
        app.control.inspect(["nobody"], timeout=5).scheduled()
