"""Asking a static supervisor to change, and the dynamic one."""

from __future__ import annotations

import threading

import pytest
import structlog.testing

from actorq.actors import IGNORE, ActorDead, Refusal
from actorq.messages.reasons import KILLED, NORMAL, SHUTDOWN
from actorq.supervisor import (
    Backoff,
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    ChildStartFailed,
    CountChildren,
    DeleteChild,
    DynamicSupervisor,
    RestartChild,
    SpecError,
    StartChild,
    TerminateChild,
    TooManyChildren,
    Tree,
    WhichChildren,
)
from actorq.supervisor.spec import BadSignificant
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Member, PinnedMember, crash, fail, leave

# -- the static one --------------------------------------------------------------------------------------------------------


def test_start_child_adds_at_the_end_and_answers_with_the_ref(harness):
    harness.start(harness.spec("z"))
    ref = harness.ref.ask(StartChild(harness.spec("a")))
    assert ref == harness.child("a")
    assert list(harness.which()) == ["z", "a"]


def test_start_child_of_a_running_one_names_it_and_of_a_known_one_says_present(harness):
    harness.start(harness.spec("a"))
    with pytest.raises(ChildAlreadyStarted) as caught:
        harness.ref.ask(StartChild(harness.spec("a")))
    assert caught.value.ref == harness.child("a")
    harness.ref.ask(TerminateChild("a"))
    with pytest.raises(ChildAlreadyPresent):
        harness.ref.ask(StartChild(harness.spec("a")))


def test_a_bad_spec_is_refused_and_the_supervisor_lives_on(harness):
    harness.start(harness.spec("a"))
    with pytest.raises(SpecError, match="expected restart to be one of"):
        harness.ref.ask(StartChild(harness.spec("b", restart="often")))
    assert harness.state("a") == "up"


def test_an_ignored_child_answers_none(harness):
    harness.start()
    assert harness.ref.ask(StartChild(harness.spec("a", plan=[lambda _: IGNORE]))) is None
    assert harness.state("a") == "ignored"


def test_terminate_is_idempotent_keeps_the_spec_and_takes_id_or_ref(harness):
    harness.start(harness.spec("a"), harness.spec("t", restart="temporary"))
    assert harness.ref.ask(TerminateChild("a")) is None
    assert harness.ref.ask(TerminateChild("a")) is None
    assert harness.state("a") == "down"
    assert harness.ref.ask(TerminateChild(harness.child("t"))) is None
    assert harness.state("t") == "gone"
    with pytest.raises(ChildNotFound):
        harness.ref.ask(TerminateChild("t"))


def test_terminate_cancels_a_pending_restart(harness):
    slow = Backoff(min_s=60, max_s=60)
    harness.start(harness.spec("a", plan=[None, fail], backoff=slow))
    harness.end("a", crash)
    wait_until(lambda: harness.state("a") == "restarting")
    for message in (RestartChild("a"), DeleteChild("a")):
        with pytest.raises(ChildRestarting):
            harness.ref.ask(message)
    harness.ref.ask(TerminateChild("a"))
    assert harness.state("a") == "down"
    assert harness.ref.ask(RestartChild("a")).is_alive()


def test_restart_and_delete_refuse_what_runs_and_what_is_unknown(harness):
    harness.start(harness.spec("a"))
    for message in (RestartChild, DeleteChild):
        with pytest.raises(ChildRunning):
            harness.ref.ask(message("a"))
        with pytest.raises(ChildNotFound):
            harness.ref.ask(message("nobody"))
    harness.ref.ask(TerminateChild("a"))
    harness.ref.ask(DeleteChild("a"))
    assert harness.which() == {}


def test_a_child_whose_restart_by_hand_fails_stays_down(harness):
    harness.start(harness.spec("a", plan=[None, fail]))
    harness.ref.ask(TerminateChild("a"))
    with pytest.raises(ChildStartFailed):
        harness.ref.ask(RestartChild("a"))
    assert harness.state("a") == "down"


def test_counts_tell_specs_active_supervisors_and_workers(harness):
    dynamic = ChildSpec("d", DynamicSupervisor, kwargs={"intensity": 1, "period_s": 5}, type="supervisor")
    harness.start(harness.spec("a"), harness.spec("b"), dynamic)
    harness.ref.ask(TerminateChild("a"))
    counts = harness.ref.ask(CountChildren())
    assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (3, 2, 1, 2)


def test_a_taken_name_is_a_start_error(harness, system):
    system.spawn(Member, "x", [], name="taken")
    harness.start()
    with pytest.raises(ChildStartFailed, match="taken"):
        harness.ref.ask(StartChild(harness.spec("a", name="taken")))


def test_administration_after_a_shutdown_began_fails_at_once(harness, system):
    gate = threading.Event()

    class Slow(PinnedMember):
        def terminate(self, reason):
            gate.wait(10)

    harness.start(harness.spec("slow", cls=Slow, shutdown="infinity"))
    system.exit(harness.ref, SHUTDOWN)
    wait_until(lambda: harness.state("slow") == "stopping")
    with pytest.raises(ActorDead):
        harness.ref.ask(RestartChild("slow"), timeout=1)
    gate.set()
    system.wait_down(harness.ref)


def test_arguments_of_temporary_children_are_not_retained(harness):
    harness.start(harness.spec("t", restart="temporary"))
    supervisor = harness.ref._actor_weakref()
    assert supervisor._table["t"].spec.kwargs == {}


# -- the dynamic one -------------------------------------------------------------------------------------------------------


@pytest.fixture
def dynamic(system):
    def start(intensity=3, period_s=60.0, **flags):
        return system.spawn(DynamicSupervisor, intensity=intensity, period_s=period_s, name="pool", **flags)

    return start


def refs(ref):
    return [info.ref for info in ref.ask(WhichChildren())]


def test_dynamic_children_come_and_go_by_ref(harness, dynamic):
    top = dynamic()
    first, second = (top.ask(StartChild(harness.spec(id))) for id in "ab")
    assert refs(top) == [first, second]
    top.ask(TerminateChild(first))
    assert refs(top) == [second]
    with pytest.raises(ChildNotFound):
        top.ask(TerminateChild(first))
    with pytest.raises(Refusal):
        top.ask(TerminateChild("b"))


def test_dynamic_children_restart_each_for_itself(harness, dynamic, system):
    top = dynamic()
    for id in "abc":
        top.ask(StartChild(harness.spec(id)))
    bystanders = refs(top)[::2]
    refs(top)[1].proxy().do.defer(crash)
    wait_until(lambda: harness.journal.starts() == ["a", "b", "c", "b"])
    wait_until(lambda: all(refs(top)))
    assert refs(top)[::2] == bystanders


def test_dynamic_children_that_are_not_restarted_are_forgotten(harness, dynamic):
    top = dynamic()
    transient = top.ask(StartChild(harness.spec("a", restart="transient")))
    temporary = top.ask(StartChild(harness.spec("b", restart="temporary")))
    transient.proxy().do.defer(leave(NORMAL))
    temporary.proxy().do.defer(crash)
    wait_until(lambda: refs(top) == [])
    assert top.ask(StartChild(harness.spec("c", plan=[lambda _: IGNORE]))) is None
    with pytest.raises(ChildStartFailed):
        top.ask(StartChild(harness.spec("d", plan=[fail])))
    assert refs(top) == []


def test_a_dynamic_supervisor_gives_up_like_any_other(harness, dynamic, system):
    top = dynamic(intensity=1)
    top.ask(StartChild(harness.spec("a")))
    for _ in range(2):
        wait_until(lambda: all(refs(top)))
        (ref,) = refs(top)
        ref.proxy().do.defer(crash)
        system.wait_down(ref)
        if not top.is_alive():
            break
    assert str(system.wait_down(top)).startswith("shutdown: gave up on ")


def test_a_bound_on_children_is_kept(harness, dynamic):
    top = dynamic(max_children=2)
    for id in "ab":
        top.ask(StartChild(harness.spec(id)))
    with pytest.raises(TooManyChildren):
        top.ask(StartChild(harness.spec("c")))


def test_significant_dynamic_children_are_rejected(harness, dynamic):
    with pytest.raises(BadSignificant):
        dynamic().ask(StartChild(harness.spec("a", restart="transient", significant=True)))


def test_dynamic_children_stop_in_parallel_under_one_timer(harness, dynamic, system):
    gate = threading.Event()

    class Deaf(PinnedMember):
        def terminate(self, reason):
            gate.wait(10)

    top = dynamic()
    children = [top.ask(StartChild(harness.spec(f"d{n}", cls=Deaf, shutdown=0.1))) for n in range(8)]
    with structlog.testing.capture_logs() as logs:
        system.exit(top, SHUTDOWN)
        assert system.wait_down(top, 0.6) == SHUTDOWN, "eight times 0.1 s one after the other would take longer"
    assert {child.cell.reason for child in children} == {KILLED}
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["child_killed"] * 8
    gate.set()


def test_dynamic_children_start_in_parallel(harness, dynamic):
    gate = threading.Event()
    top = dynamic()
    slow = top.ask(
        StartChild(harness.spec("slow", cls=PinnedMember, plan=[lambda _: gate.wait(10) and None])), block=False
    )
    assert top.ask(StartChild(harness.spec("quick"))).is_alive()
    gate.set()
    assert slow.get().is_alive()


def test_a_dynamic_supervisor_retries_failed_restarts_with_a_back_off(harness, dynamic):
    top = dynamic(intensity=10)
    top.ask(StartChild(harness.spec("a", plan=[None, fail, fail, None], backoff=Backoff(min_s=0.001, max_s=0.002))))
    refs(top)[0].proxy().do.defer(crash)
    wait_until(lambda: harness.journal.starts() == ["a"] * 4)
    wait_until(lambda: all(refs(top)))


def test_the_tree_goes_down_to_the_leaves(harness):
    dynamic = ChildSpec("d", DynamicSupervisor, kwargs={"intensity": 1, "period_s": 5}, type="supervisor", name="d")
    harness.start(dynamic)
    harness.system.ref("d").ask(StartChild(harness.spec("leaf")))
    tree = harness.ref.ask(Tree())
    assert [child["id"] for child in tree["children"]] == ["d"]
    assert [child["id"] for child in tree["children"][0]["children"]] == ["leaf"]
    assert tree["children"][0]["facts"]["strategy"] == "dynamic"


def test_a_look_does_not_wait_for_a_child_that_ends_meanwhile(harness, gated):
    harness.start(harness.spec("a"), harness.spec("held", cls=PinnedMember), intensity=5)

    def crash_when_let_go(member):
        gated.wait()
        crash(member)

    harness.child("held").proxy().do.defer(crash_when_let_go)
    assert gated.entered.wait(5)
    tree = harness.ref.ask(Tree(timeout_s=60), block=False, timeout=30)
    assert harness.which()["held"].state == "up", "the supervisor goes on while it waits for the answer"
    gated.gate.set()
    children = {child["id"]: child for child in tree.get(timeout=10)["children"]}
    assert list(children) == ["a", "held"]
    held = children["held"]
    assert held["state"] != "up" or held["pid"] is not None, "nobody is up who is not there"
    harness.settle("a", "held")
    assert harness.ref.ask(Tree())["children"][1]["restarts"] == 1


def test_a_thousand_dynamic_children_come_and_go(harness, dynamic, system):
    top = dynamic()
    waiting = [top.ask(StartChild(harness.spec("many")), block=False) for _ in range(1_000)]
    assert all(future.get().is_alive() for future in waiting)
    system.exit(top, SHUTDOWN)
    assert system.wait_down(top) == SHUTDOWN
    assert system.actors() == []
