"""Recycling, and terminating what others depend on."""

from __future__ import annotations

import pytest

from actorq.messages.reasons import SHUTDOWN
from actorq.supervisor import (
    Backoff,
    ChildNotFound,
    ChildSpec,
    ChildStartFailed,
    ChildTemporary,
    ChildWaiting,
    DeleteChild,
    DynamicSupervisor,
    Recycle,
    RestartChild,
    StartChild,
    TerminateChild,
    Tree,
    WhichChildren,
)
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import crash, fail

SLOW = Backoff(min_s=60, max_s=60)


@pytest.mark.parametrize(
    ("strategy", "stops", "starts"),
    [
        ("one_for_one", ["m"], ["m"]),
        ("one_for_all", ["k", "a", "m", "z"], ["z", "m", "a", "k"]),
        ("rest_for_one", ["k", "a", "m"], ["m", "a", "k"]),
        ("dependents", ["k", "m"], ["m", "k"]),
    ],
)
def test_recycling_stops_in_reverse_and_starts_in_order_and_costs_no_quota(harness, strategy, stops, starts):
    harness.start(
        *(harness.spec(id) for id in "zma"), harness.spec("k", requires=("m",)), strategy=strategy, intensity=0
    )
    before = harness.child("m")
    harness.journal.clear()
    after = harness.ref.ask(Recycle("m"))
    assert harness.journal.stops() == stops
    assert harness.journal.starts() == starts
    assert harness.journal == [("stop", id) for id in stops] + [("start", id) for id in starts]
    assert after == harness.child("m") != before
    assert [harness.state(id) for id in "zmak"] == ["up"] * 4
    tree = harness.ref.ask(Tree())
    assert tree["quota"] == {"left": 0, "intensity": 0, "period_s": 5.0}
    assert {child["restarts"] for child in tree["children"]} == {0}


def test_recycling_takes_a_ref_and_refuses_the_unknown_and_the_temporary(harness):
    harness.start(harness.spec("a"), harness.spec("t", restart="temporary"))
    old = harness.child("a")
    assert harness.ref.ask(Recycle(old)).is_alive()
    with pytest.raises(ChildNotFound):
        harness.ref.ask(Recycle(old))
    with pytest.raises(ChildNotFound):
        harness.ref.ask(Recycle("nobody"))
    with pytest.raises(ChildTemporary):
        harness.ref.ask(Recycle("t"))


def test_temporary_bystanders_of_a_recycling_are_gone(harness):
    harness.start(harness.spec("a"), harness.spec("t", restart="temporary"), strategy="rest_for_one")
    harness.ref.ask(Recycle("a"))
    assert list(harness.which()) == ["a"]


def test_recycling_starts_at_once_what_is_down(harness):
    harness.start(harness.spec("a"))
    harness.ref.ask(TerminateChild("a"))
    assert harness.ref.ask(Recycle("a")) == harness.child("a")
    assert harness.state("a") == "up"


@pytest.mark.parametrize(
    ("state", "fields"), [("restarting", {"backoff": SLOW}), ("parked", {"exhausted": "park", "backoff": SLOW})]
)
def test_recycling_starts_at_once_what_is_about_to_be_tried_again(harness, state, fields):
    plan = [None, fail]
    harness.start(harness.spec("a", plan=plan, **fields), intensity=2 if state == "restarting" else 1)
    harness.end("a", crash)
    wait_until(lambda: harness.state("a") == state)
    assert harness.ref.ask(Recycle("a")) == harness.child("a")
    assert harness.state("a") == "up"


def test_what_a_recycling_could_not_start_is_retried_and_named(harness):
    quick = Backoff(min_s=0.001, max_s=0.001)
    harness.start(harness.spec("a", plan=[None, fail], backoff=quick), intensity=0)
    with pytest.raises(ChildStartFailed, match="'a' didn't start: LookupError: no"):
        harness.ref.ask(Recycle("a"))
    harness.settle("a")


def test_terminating_takes_the_dependents_along_which_wait_and_come_back_with_it(harness):
    harness.start(
        harness.spec("store"),
        harness.spec("broker", requires=("store",)),
        harness.spec("other"),
        harness.spec("http", requires=("broker",)),
        harness.spec("pool", requires=("broker",), rebind=("broker",)),
        strategy="dependents",
        intensity=0,
    )
    harness.journal.clear()
    harness.ref.ask(TerminateChild("store"))
    assert harness.journal == [("stop", "http"), ("stop", "broker"), ("stop", "store")]
    states = {id: (info.state, info.waiting_on) for id, info in harness.which().items()}
    assert states == {
        "store": ("down", None),
        "broker": ("waiting", "store"),
        "other": ("up", None),
        "http": ("waiting", "broker"),
        "pool": ("up", None),
    }
    for message in (RestartChild("broker"), DeleteChild("broker"), Recycle("broker")):
        with pytest.raises(ChildWaiting):
            harness.ref.ask(message)
    harness.journal.clear()
    assert harness.ref.ask(RestartChild("store")).is_alive()
    harness.settle("store", "broker", "http")
    assert harness.journal.starts() == ["store", "broker", "http"]


def test_a_dependent_that_was_terminated_while_it_waited_stays_down(harness):
    harness.start(
        harness.spec("a"), harness.spec("b", requires=("a",)), harness.spec("c", requires=("b",)), strategy="dependents"
    )
    harness.ref.ask(TerminateChild("a"))
    harness.ref.ask(TerminateChild("b"))
    harness.ref.ask(RestartChild("a"))
    harness.ref.ask(
        TerminateChild("nobody"), block=False
    )  # whatever was queued before this is done when it is answered
    wait_until(lambda: harness.state("c") == "waiting")
    assert (harness.state("a"), harness.state("b")) == ("up", "down")
    assert harness.which()["c"].waiting_on == "b"
    harness.ref.ask(RestartChild("b"))
    harness.settle("b", "c")


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one", "dependents"])
def test_what_was_terminated_stays_down_when_its_siblings_restart(harness, strategy):
    harness.start(
        harness.spec("a"), harness.spec("b", requires=("a",)), harness.spec("c", requires=("a",)), strategy=strategy
    )
    harness.ref.ask(TerminateChild("b"))
    harness.end("a", crash)
    harness.settle("a", "c")
    assert harness.state("b") == "down"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_group_goes_on_without_a_failing_member_that_was_terminated(harness, strategy):
    harness.start(
        harness.spec("a", plan=[None, fail], backoff=SLOW), harness.spec("b"), harness.spec("c"), strategy=strategy
    )
    harness.end("a", crash)
    wait_until(lambda: harness.state("a") == "restarting" and harness.state("c") == "waiting")
    harness.ref.ask(TerminateChild("a"))
    harness.settle("b", "c")
    assert harness.state("a") == "down"


def test_a_new_child_is_refused_while_one_it_needs_is_down(harness):
    harness.start(harness.spec("a"), strategy="dependents")
    harness.ref.ask(TerminateChild("a"))
    with pytest.raises(ChildWaiting, match="'b' can't start without 'a'"):
        harness.ref.ask(StartChild(harness.spec("b", requires=("a",))))
    assert harness.state("b") == "gone"


def test_a_child_is_found_by_the_name_it_is_registered_under(harness):
    harness.start(harness.spec("redis", name="store"))
    assert harness.ref.ask(Recycle("store")) == harness.child("redis")
    harness.ref.ask(TerminateChild("store"))
    assert harness.state("redis") == "down"


# -- the dynamic supervisor ------------------------------------------------------------------------------------------------


@pytest.fixture
def dynamic(system):
    return system.spawn(DynamicSupervisor, intensity=0, period_s=60.0, name="pool")


def test_a_dynamic_child_is_recycled_by_ref_or_by_an_id_that_only_it_has(harness, dynamic):
    first = dynamic.ask(StartChild(harness.spec("a")))
    second = dynamic.ask(Recycle(first))
    assert second.is_alive()
    assert second != first
    third = dynamic.ask(Recycle("a"))
    assert [info.ref for info in dynamic.ask(WhichChildren())] == [third]
    dynamic.ask(StartChild(harness.spec("a")))
    for unknown in ("a", "nobody", first):
        with pytest.raises(ChildNotFound):
            dynamic.ask(Recycle(unknown))
    temporary = dynamic.ask(StartChild(harness.spec("t", restart="temporary")))
    with pytest.raises(ChildTemporary):
        dynamic.ask(Recycle(temporary))


def test_a_dynamic_recycling_that_fails_is_named_and_retried_without_quota(harness, dynamic):
    quick = Backoff(min_s=0.001, max_s=0.001)
    ref = dynamic.ask(StartChild(harness.spec("a", plan=[None, fail], backoff=quick)))
    with pytest.raises(ChildStartFailed):
        dynamic.ask(Recycle(ref))
    wait_until(lambda: all(info.ref for info in dynamic.ask(WhichChildren())))
    assert dynamic.ask(Tree())["quota"]["left"] == 0


def test_a_terminate_wins_over_a_recycling_that_has_not_stopped_yet(harness, dynamic, gated):
    ref = dynamic.ask(StartChild(harness.spec("a", cls=gated.stopping, shutdown="infinity")))
    recycled = dynamic.ask(Recycle(ref), block=False)
    terminated = dynamic.ask(TerminateChild(ref), block=False)
    assert [info.state for info in dynamic.ask(WhichChildren())] == ["stopping"]  # so both have been taken in
    gated.gate.set()
    assert terminated.get() is None
    with pytest.raises(ChildStartFailed) as caught:
        recycled.get()
    assert caught.value.reason == SHUTDOWN
    assert dynamic.ask(WhichChildren()) == []


# -- the tree --------------------------------------------------------------------------------------------------------------


def test_an_entry_of_the_tree_says_who_since_when_and_how_much_is_left(harness, system):
    inner = ChildSpec(
        "inner", DynamicSupervisor, kwargs={"intensity": 2, "period_s": 9.0}, type="supervisor", name="inner"
    )
    harness.start(harness.spec("a"), inner, intensity=3)
    before = system.clock.now()
    harness.end("a", crash)
    harness.settle("a")
    top = harness.ref.ask(Tree())
    assert list(top) == [
        "id", "kind", "actor", "state", "restarts", "pid", "mailbox", "last_error", "last_error_at", "up_since", "info",
        "facts", "quota", "children",
    ]  # fmt: skip
    assert (top["actor"], top["quota"]) == ("Supervisor", {"left": 2, "intensity": 3, "period_s": 5.0})
    a, dynamic = top["children"]
    assert set(a) == set(dynamic) == set(top)
    assert (a["actor"], a["kind"], a["quota"]) == ("Member", "worker", None)
    assert before <= a["last_error_at"] <= a["up_since"] <= system.clock.now()
    assert top["up_since"] <= before
    assert (dynamic["actor"], dynamic["kind"]) == ("DynamicSupervisor", "supervisor")
    assert dynamic["quota"] == {"left": 2, "intensity": 2, "period_s": 9.0}
    harness.ref.ask(TerminateChild("a"))
    (a, _) = harness.ref.ask(Tree())["children"]
    assert (a["state"], a["pid"], a["up_since"]) == ("down", None, None)
