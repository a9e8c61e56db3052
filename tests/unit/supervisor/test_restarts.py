"""Starting, restarting, giving up, parking; the matrix of reasons and strategies is in test_matrix."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import structlog.testing

from actorq.actors import IGNORE, Actor, ActorDead
from actorq.messages.reasons import NORMAL, SHUTDOWN
from actorq.supervisor import Backoff, ChildStartFailed, RestartChild, StartChild, TerminateChild, Tree
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Member, PinnedMember, crash, fail, leave


def test_children_start_in_list_order_and_stop_in_reverse(harness, system):
    ids = ["zeta", "alpha", "mid", "beta"]
    harness.start(*(harness.spec(id) for id in ids))
    assert harness.journal.starts() == ids
    system.exit(harness.ref, SHUTDOWN)
    system.wait_down(harness.ref)
    assert harness.journal.stops() == ids[::-1]


def test_temporary_bystanders_of_a_group_restart_are_stopped_and_dropped(harness):
    harness.start(harness.spec("a"), harness.spec("t", restart="temporary"), harness.spec("b"), strategy="one_for_all")
    harness.journal.clear()
    harness.end("a", crash)
    wait_until(lambda: harness.journal.starts() == ["a", "b"])
    assert harness.state("t") == "gone"


def test_a_crash_is_logged_once_by_its_supervisor_with_its_traceback(harness):
    harness.start(harness.spec("a"))
    with structlog.testing.capture_logs() as logs:
        harness.end("a", crash)
        harness.settle("a")
    (event,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert event["event"] == "child_failed"
    assert event["child_id"] == "a"
    assert event["supervisor"].startswith("top")
    assert "RuntimeError: oops" in event["traceback"]


# -- start ---------------------------------------------------------------------------------------------------------------


def test_a_start_error_stops_those_that_are_up_in_reverse_and_is_raised_as_it_was(harness, system):
    ids = ["zeta", "alpha", "mid", "beta", "omega", "kappa"]
    with pytest.raises(LookupError, match="no") as caught:
        harness.start(*(harness.spec(id) for id in ids), harness.spec("bad", plan=[fail]), harness.spec("late"))
    assert harness.journal.starts() == [*ids, "bad"]
    assert harness.journal.stops() == ids[::-1]
    assert "while starting child 'bad' of top" in caught.value.__notes__[0]
    assert system.whereis("top") is None
    assert system.actors() == []


@pytest.mark.parametrize("position", range(4))
def test_a_kill_of_the_supervisor_at_each_step_of_its_start_leaves_nothing(harness, system, position):
    gate, entered = threading.Event(), threading.Event()

    def hold(_):
        entered.set()
        gate.wait(5)

    ids = ["z", "a", "m", "k"]
    specs = [harness.spec(id, cls=PinnedMember, plan=[hold] if at == position else None) for at, id in enumerate(ids)]
    errors = []

    def start():
        try:
            harness.start(*specs)
        except ActorDead as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    entered.wait(5)
    system.kill(system.whereis("top"))
    gate.set()
    thread.join(5)
    assert len(errors) == 1
    wait_until(lambda: system.actors() == [], what="the children to follow")
    assert harness.journal.starts() == ids[: position + 1]


def test_a_child_that_is_killed_while_it_starts_is_a_start_error_not_a_restart(harness):
    def kill_me(actor):
        actor._cell.kill()

    with pytest.raises(ActorDead):
        harness.start(harness.spec("a"), harness.spec("bad", plan=[kill_me], cls=PinnedMember))
    assert harness.journal.starts() == ["a", "bad"]


def test_an_ignored_child_keeps_its_spec_and_can_be_started_later_one_after_the_other(harness):
    def ignore(_):
        return IGNORE

    harness.start(
        harness.spec("store", plan=[ignore, ignore]),
        harness.spec("broker", plan=[ignore], requires=("store",)),
        harness.spec("pool", requires=("broker",), rebind=("broker",)),
        strategy="dependents",
    )
    assert [harness.state(id) for id in ("store", "broker", "pool")] == ["ignored", "ignored", "up"]
    assert harness.ref.ask(RestartChild("store")) is None
    assert harness.state("store") == "ignored"
    for id in ("store", "broker"):
        assert harness.ref.ask(RestartChild(id)).is_alive()
    assert [harness.state(id) for id in ("store", "broker", "pool")] == ["up", "up", "up"]


def test_an_ignored_temporary_child_is_dropped(harness):
    harness.start(harness.spec("t", plan=[lambda _: IGNORE], restart="temporary"))
    assert harness.state("t") == "gone"


# -- intensity, back-off, park ---------------------------------------------------------------------------------------------


def test_one_incident_too_many_stops_all_in_reverse_and_ends_with_shutdown(harness, system):
    harness.start(harness.spec("z"), harness.spec("a"), intensity=2, period_s=60)
    for _ in range(2):
        harness.end("a", crash)
        harness.settle("a")
    harness.journal.clear()
    harness.end("a", crash)
    assert str(system.wait_down(harness.ref)).startswith("shutdown: gave up on ")
    assert harness.journal == [("stop", "a"), ("stop", "z")]


def test_an_incident_counts_one_however_many_follow(harness):
    harness.start(*(harness.spec(id) for id in "zamk"), strategy="one_for_all", intensity=1, period_s=60)
    harness.end("m", crash)
    wait_until(lambda: harness.journal.starts() == ["z", "a", "m", "k"] * 2)
    harness.settle(*"zamk")


def test_failed_retries_count_and_lead_to_escalation(harness, system):
    quick = Backoff(min_s=0.001, max_s=0.001)
    harness.start(harness.spec("a", plan=[None] + [fail] * 50, backoff=quick), intensity=4, period_s=60)
    harness.end("a", crash)
    assert str(system.wait_down(harness.ref)).startswith("shutdown: gave up on ")
    assert harness.journal.starts() == ["a"] * 5  # the first, the restart, and one for each incident that was allowed


def test_a_nested_supervisor_that_gave_up_is_restarted_by_its_parent(harness, system):
    from actorq.supervisor import ChildSpec, Supervisor

    inner = harness.spec("leaf", name="leaf")
    harness.start(
        ChildSpec(
            "inner", Supervisor, args=([inner],), kwargs={"strategy": "one_for_one", "intensity": 0, "period_s": 5.0},
            type="supervisor",
        )
    )  # fmt: skip
    first = harness.child("inner")
    system.whereis("leaf").proxy().do.defer(crash)
    assert str(system.wait_down(first)).startswith("shutdown: gave up on ")
    harness.settle("inner")
    assert harness.child("inner") != first
    assert system.ref("leaf").is_alive()


def test_a_failed_restart_waits_as_restarting_while_its_dependents_wait_and_others_stay(harness):
    slow = Backoff(min_s=60, max_s=60)
    harness.start(
        harness.spec("store", plan=[None, fail], backoff=slow),
        harness.spec("broker", requires=("store",)),
        harness.spec("http", requires=("broker",)),
        harness.spec("other"),
        strategy="dependents",
    )
    harness.end("store", crash)
    wait_until(lambda: harness.state("store") == "restarting")
    which = harness.which()
    assert [which[id].state for id in ("broker", "http", "other")] == ["waiting", "waiting", "up"]
    assert which["broker"].waiting_on == "store"
    assert harness.journal.starts() == ["store", "broker", "http", "other", "store"]


@pytest.mark.parametrize(
    ("strategy", "starts"),
    [
        ("one_for_all", ["z", "m", "z", "m", "a"]),  # what was up again is stopped again
        ("rest_for_one", ["z", "m", "m", "a"]),  # from the failed one only
        ("dependents", ["z", "m", "m", "a"]),
    ],
)
def test_a_sibling_that_fails_during_a_group_restart_is_retried(harness, strategy, starts):
    quick = Backoff(min_s=0.001, max_s=0.001)
    harness.start(
        harness.spec("z", backoff=quick),
        harness.spec("m", requires=("z",), plan=[None, fail], backoff=quick),
        harness.spec("a", requires=("m",)),
        strategy=strategy,
    )
    harness.journal.clear()
    harness.end("z", crash)
    wait_until(lambda: harness.state("a") == "up" and len(harness.journal.starts()) == len(starts))
    assert harness.journal.starts() == starts


def test_those_of_a_group_that_do_not_need_the_failed_one_do_not_wait_for_it(harness):
    slow = Backoff(min_s=60, max_s=60)
    harness.start(
        harness.spec("root"),
        harness.spec("bad", requires=("root",), plan=[None, fail], backoff=slow),
        harness.spec("good", requires=("root",)),
        strategy="dependents",
    )
    harness.end("root", crash)
    wait_until(lambda: harness.state("bad") == "restarting")
    harness.settle("root", "good")


def test_an_exhausted_optional_component_is_parked_and_uses_no_quota(harness):
    quick = Backoff(min_s=0.001, max_s=0.001)
    harness.start(
        harness.spec("core"),
        harness.spec("extra", plan=[None] + [fail] * 50, exhausted="park", backoff=quick),
        harness.spec("needs", requires=("extra",)),
        strategy="dependents",
        intensity=2,
        period_s=60,
    )
    harness.end("extra", crash)
    wait_until(lambda: harness.state("extra") == "parked")
    assert harness.state("needs") == "waiting"
    for _ in range(2):
        harness.end("core", crash)
        harness.settle("core")


def test_a_parked_component_is_tried_again_and_takes_those_that_waited_with_it(harness):
    harness.start(
        harness.spec("extra", plan=[fail], exhausted="park"),
        harness.spec("needs", requires=("extra",)),
        strategy="dependents",
        park_retry_s=0.005,
    )
    harness.settle("extra", "needs")
    assert harness.journal.starts() == ["extra", "extra", "needs"]


def test_dependents_that_rebind_stay_up_and_are_told(system, harness):
    told: list[tuple[Any, ...]] = []

    class Rebinder(Member):
        def on_provider_down(self, message):
            told.append(("down", message.id))

        def on_provider_up(self, message):
            told.append(("up", message.id, message.ref.is_alive()))

    harness.start(
        harness.spec("broker"), harness.spec("pool", cls=Rebinder, requires=("broker",), rebind=("broker",)),
        strategy="dependents",
    )  # fmt: skip
    pool = harness.child("pool")
    harness.end("broker", crash)
    wait_until(lambda: len(told) == 2)
    assert told == [("down", "broker"), ("up", "broker", True)]
    assert harness.child("pool") == pool


# -- automatic shutdown ------------------------------------------------------------------------------------------------------


def test_any_significant_child_that_ends_well_takes_the_supervisor_with_it(harness, system):
    harness.start(
        harness.spec("a"), harness.spec("s", restart="transient", significant=True), auto_shutdown="any_significant"
    )
    harness.end("s", leave(NORMAL))
    assert system.wait_down(harness.ref) == SHUTDOWN


def test_all_significant_waits_for_the_last_one_and_ends_by_the_api_do_not_count(harness, system):
    harness.start(
        *(harness.spec(id, restart="transient", significant=True) for id in "abc"), auto_shutdown="all_significant"
    )
    harness.ref.ask(TerminateChild("c"))
    harness.end("a", leave(NORMAL))
    wait_until(lambda: harness.state("a") == "down")
    assert harness.state("b") == "up"
    harness.end("b", leave(NORMAL))
    assert system.wait_down(harness.ref) == SHUTDOWN


# -- the tree ----------------------------------------------------------------------------------------------------------------


def test_the_tree_shows_states_restarts_facts_and_last_errors(harness):
    class Told(Member):
        def describe(self):
            return {"fact": 1}

    harness.start(harness.spec("a", cls=Told))
    harness.end("a", crash)
    harness.settle("a")
    tree = harness.ref.ask(Tree())
    assert (tree["id"], tree["kind"], tree["state"]) == ("top", "supervisor", "up")
    (child,) = tree["children"]
    assert (child["id"], child["restarts"], child["last_error"]) == ("a", 1, "RuntimeError: oops")
    assert child["facts"] == {"fact": 1}
    assert child["pid"] == harness.child("a").id


def test_the_tree_does_not_wait_for_the_busy(harness):
    gate, entered = threading.Event(), threading.Event()
    harness.start(harness.spec("busy", cls=PinnedMember), harness.spec("a"))

    def hang(_):
        entered.set()
        gate.wait(10)

    harness.child("busy").proxy().do.defer(hang)
    entered.wait(5)
    tree = harness.ref.ask(Tree(timeout_s=0.1))
    assert [child["facts"] for child in tree["children"]] == [{"busy": True}, {}]
    gate.set()


def test_light_restarts_are_quick_and_exact(harness):
    harness.start(harness.spec("a"), intensity=1_000_000)
    for _ in range(200):
        harness.end("a", crash)
        harness.settle("a")
    assert harness.journal.starts() == ["a"] * 201


def test_start_failures_by_the_api_are_refusals_and_keep_the_supervisor(harness):
    harness.start(harness.spec("a"))
    with pytest.raises(ChildStartFailed) as caught:
        harness.ref.ask(StartChild(harness.spec("bad", plan=[fail])))
    assert isinstance(caught.value.__cause__, LookupError)
    assert harness.state("bad") == "gone"
    assert harness.state("a") == "up"


def test_who_gives_up_under_a_parent_says_so_to_its_children_and_to_its_parent(harness, system):
    """A child whose supervisor will be started anew may leave behind what its successor can use."""
    from actorq.supervisor import ChildSpec, Supervisor

    reasons: list[str] = []

    class Bystander(Actor):
        def terminate(self, reason):
            reasons.append(str(reason))

    inner = [harness.spec("leaf", name="leaf"), ChildSpec("bystander", Bystander)]
    flags = {"strategy": "one_for_one", "intensity": 0, "period_s": 5.0}
    harness.start(ChildSpec("inner", Supervisor, args=(inner,), kwargs=flags, type="supervisor"))
    first = harness.child("inner")
    system.whereis("leaf").proxy().do.defer(crash)
    assert str(system.wait_down(first)) == "shutdown: gave up on 'leaf': RuntimeError: oops"
    harness.settle("inner")
    assert reasons == ["shutdown: gave up on 'leaf': RuntimeError: oops"]
    assert harness.which()["inner"].state == "up"


def test_who_gives_up_at_the_top_ends_its_children_in_order(harness, system):
    reasons: list[str] = []

    class Bystander(Actor):
        def terminate(self, reason):
            reasons.append(str(reason))

    from actorq.supervisor import ChildSpec

    harness.start(ChildSpec("bystander", Bystander), harness.spec("leaf", name="leaf"), intensity=0)
    system.whereis("leaf").proxy().do.defer(crash)
    system.wait_down(harness.ref)
    assert reasons == ["shutdown"]
