"""Which orders are refused, and that the reason says what to do instead."""

from __future__ import annotations

import pytest

from actorq.node.orders import Order, refuse_order

NAMES = {"control": 1, "link": 2, "broker": 3, "store": 4}
ROOT = {"facts": {"strategy": "dependents"}}
DYNAMIC = {"facts": {"strategy": "dynamic"}}


def refuse(verb, path, state="up", pid=99, parent=ROOT, **order):
    return refuse_order(Order("1", verb, path, pid, **order), {"state": state, "pid": pid}, parent, NAMES)


@pytest.mark.parametrize("path", ["store", "broker", "control", "link", "pool", "pool/slots/slot-0", "heartbeat"])
def test_anything_but_the_root_may_be_restarted(path):
    assert refuse("restart", path) == ""


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_the_root_takes_no_orders(verb):
    assert "end the node" in refuse(verb, "")


@pytest.mark.parametrize(("path", "pid"), [("control", 1), ("link", 2), ("better-control", 1)])
def test_what_hears_orders_cant_be_stopped_even_by_force(path, pid):
    for force in (False, True):
        assert "restart it instead" in refuse("stop", path, pid=pid, force=force)


@pytest.mark.parametrize(("path", "pid"), [("broker", 3), ("store", 4), ("better-store", 4)])
def test_what_answers_come_through_is_stopped_by_force_only(path, pid):
    assert "--force" in refuse("stop", path, pid=pid)
    assert refuse("stop", path, pid=pid, force=True) == ""


def test_a_child_of_a_dynamic_supervisor_cant_be_stopped_because_it_would_be_forgotten():
    assert "restart it" in refuse("stop", "pool/slots/slot-0", parent=DYNAMIC)
    assert refuse("restart", "pool/slots/slot-0", parent=DYNAMIC) == ""
    assert refuse("start", "pool/slots/slot-0", parent=DYNAMIC) == ""
    assert "by itself" in refuse("start", "pool/slots/slot-0", "restarting", parent=DYNAMIC)


def test_what_only_the_hub_runs_is_left_alone_elsewhere():
    assert "only the hub" in refuse("start", "timers", "ignored", None)
    assert "only the hub" in refuse("restart", "timers", "ignored", None)


@pytest.mark.parametrize("state", ["up", "down", "parked", "restarting", "waiting(store)"])
@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_any_other_component_takes_any_order_in_any_state(verb, state):
    assert refuse(verb, "timers", state, None) == ""
