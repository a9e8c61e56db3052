"""What gets in front of what: a slow start holds up nobody who wants to be rid of it, and a shutdown holds for nothing."""

from __future__ import annotations

import threading

import pytest

from actorq.actors import ActorDead, Ready, Refusal
from actorq.messages.reasons import SHUTDOWN
from actorq.supervisor import (
    Backoff,
    ChildSpec,
    ChildStartFailed,
    Recycle,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
    Tree,
)
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Member, PinnedMember, crash, fail

SLOW = Backoff(min_s=60, max_s=60)


def starter(harness, specs, **flags):
    """Start a supervisor in a thread of its own, because its boot is held up; return the thread and where errors go."""
    errors = []

    def start():
        try:
            harness.ref = harness.start(*specs, **flags)
        except ActorDead as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    wait_until(lambda: harness.system.whereis("top") is not None)
    harness.ref = harness.system.whereis("top")
    return thread, errors


def test_terminating_a_child_that_starts_gives_up_its_start_and_tells_who_asked_for_it(harness, gated):
    harness.start(harness.spec("a"))
    slow = harness.spec("slow", cls=PinnedMember, plan=[gated.wait], shutdown=0.02)
    asked = harness.ref.ask(StartChild(slow), block=False, timeout=10)
    assert gated.entered.wait(5)
    others = [harness.ref.ask(TerminateChild("slow"), block=False) for _ in range(2)]
    with pytest.raises(ChildStartFailed) as caught:
        asked.get()
    assert caught.value.reason == SHUTDOWN
    assert others[0].get() is None
    with pytest.raises(Refusal):  # it waited for its turn, and then the child that never started was unknown
        others[1].get()
    assert list(harness.which()) == ["a"]


def test_a_restart_by_hand_that_hangs_is_given_up_and_keeps_the_spec(harness, gated):
    harness.start(harness.spec("a", cls=PinnedMember, plan=[None, gated.wait], shutdown=0.02))
    harness.ref.ask(TerminateChild("a"))
    asked = harness.ref.ask(RestartChild("a"), block=False, timeout=10)
    assert gated.entered.wait(5)
    assert harness.ref.ask(TerminateChild("a")) is None
    with pytest.raises(ChildStartFailed):
        asked.get()
    assert harness.state("a") == "down"
    gated.gate.set()
    assert harness.ref.ask(RestartChild("a")).is_alive()


def test_a_recycling_that_hangs_is_given_up(harness, gated):
    harness.start(harness.spec("a", cls=PinnedMember, plan=[None, gated.wait], shutdown=0.02), harness.spec("b"))
    asked = harness.ref.ask(Recycle("a"), block=False, timeout=10)
    assert gated.entered.wait(5)
    assert harness.ref.ask(TerminateChild("a")) is None
    with pytest.raises(ChildStartFailed) as caught:
        asked.get()
    assert caught.value.reason == SHUTDOWN
    assert [harness.state(id) for id in "ab"] == ["down", "up"]


def test_giving_up_a_start_during_the_boot_lets_the_boot_go_on_without_it(harness, gated):
    specs = [
        harness.spec("a"),
        harness.spec("slow", cls=PinnedMember, plan=[gated.wait], shutdown=0.02),
        harness.spec("needs", requires=("slow",)),
        harness.spec("b"),
    ]
    thread, errors = starter(harness, specs, strategy="dependents")
    assert gated.entered.wait(5)
    assert harness.state("b") == "waiting"
    assert harness.ref.ask(TerminateChild("slow")) is None
    thread.join(5)
    assert errors == []
    assert [harness.state(id) for id in ("a", "slow", "needs", "b")] == ["up", "down", "waiting", "up"]
    gated.gate.set()
    harness.ref.ask(RestartChild("slow"))
    harness.settle("slow", "needs")


def test_what_was_terminated_before_the_boot_came_to_it_is_not_started(harness, gated):
    specs = [harness.spec("slow", cls=PinnedMember, plan=[gated.wait]), harness.spec("late"), harness.spec("b")]
    thread, _ = starter(harness, specs)
    assert gated.entered.wait(5)
    assert harness.ref.ask(TerminateChild("late")) is None
    gated.gate.set()
    thread.join(5)
    assert harness.journal.starts() == ["slow", "b"]
    assert harness.state("late") == "down"


def test_giving_up_a_start_within_a_group_lets_the_rest_of_it_go_on(harness, gated):
    harness.start(
        harness.spec("a"),
        harness.spec("slow", cls=PinnedMember, plan=[None, gated.wait], shutdown=0.02),
        harness.spec("b"),
        strategy="one_for_all",
    )
    harness.end("a", crash)
    assert gated.entered.wait(5)
    assert (harness.state("slow"), harness.state("b")) == ("starting", "waiting")
    harness.ref.ask(TerminateChild("slow"))
    harness.settle("a", "b")
    assert harness.state("slow") == "down"
    assert harness.ref.ask(Tree())["facts"]["incidents"] == 1, "what was given up on request is no failure"


def test_terminating_who_waits_in_a_group_is_heard_before_its_turn(harness, gated):
    harness.start(
        harness.spec("a", cls=PinnedMember, plan=[None, gated.wait]),
        harness.spec("b"),
        harness.spec("c"),
        strategy="rest_for_one",
    )
    harness.end("a", crash)
    assert gated.entered.wait(5)
    harness.journal.clear()
    assert harness.ref.ask(TerminateChild("b")) is None
    gated.gate.set()
    harness.settle("a", "c")
    assert harness.journal.starts() == ["c"]
    assert harness.state("b") == "down"


@pytest.mark.parametrize("doing", ["boot", "start", "restart", "recycle", "terminate", "retry"])
def test_a_shutdown_pre_empts_whatever_the_supervisor_does(harness, system, gated, doing):
    """The one that holds it up has 20 ms to end; what it was asked for is answered with ActorDead."""
    plan = {"boot": [gated.wait], "start": [gated.wait], "retry": [None, fail]}.get(doing, [None, gated.wait])
    cls = gated.stopping if doing == "terminate" else PinnedMember
    spec = harness.spec("slow", cls=cls, plan=[None] if doing == "terminate" else plan, shutdown=0.02, backoff=SLOW)
    asked = thread = None
    errors = []
    if doing == "boot":
        thread, errors = starter(harness, [harness.spec("a"), spec])
    else:
        harness.start(harness.spec("a"), *([] if doing == "start" else [spec]))
        message = {"start": StartChild(spec), "recycle": Recycle("slow"), "terminate": TerminateChild("slow")}.get(
            doing
        )
        if message is None:
            harness.end("slow", crash)
        else:
            asked = harness.ref.ask(message, block=False, timeout=10)
    if doing == "retry":
        wait_until(lambda: harness.state("slow") == "restarting")
    else:
        assert gated.entered.wait(5)
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 5) == SHUTDOWN
    if asked is not None:
        with pytest.raises(ActorDead):
            asked.get()
    if thread is not None:
        thread.join(5)
        assert len(errors) == 1
    assert harness.journal.stops()[-1:] == ["a"]
    gated.gate.set()
    wait_until(lambda: system.actors() == [])


def test_a_slow_start_of_a_nested_supervisor_is_given_up_with_all_that_was_up_in_it(harness, system, gated):
    inner = [harness.spec("quick"), harness.spec("slow", cls=PinnedMember, plan=[gated.wait], shutdown=0.02)]
    harness.start()
    flags = {"strategy": "one_for_one", "intensity": 1, "period_s": 5.0}
    asked = harness.ref.ask(
        StartChild(ChildSpec("inner", Supervisor, args=(inner,), kwargs=flags, type="supervisor")),
        block=False,
        timeout=10,
    )
    assert gated.entered.wait(5)
    assert harness.ref.ask(TerminateChild("inner")) is None
    with pytest.raises(ChildStartFailed):
        asked.get()
    assert harness.journal.stops() == ["quick"]


# -- ok with info ----------------------------------------------------------------------------------------------------------


def test_an_init_may_say_that_it_is_ready_and_what_is_worth_knowing(harness):
    harness.start(
        harness.spec("a", plan=[lambda _: Ready({"port": 8080}), lambda _: Ready({"port": 8081})]), harness.spec("b")
    )
    assert [info.info for info in harness.which().values()] == [{"port": 8080}, None]
    assert [child["info"] for child in harness.ref.ask(Tree())["children"]] == [{"port": 8080}, None]
    harness.end("a", crash)
    harness.settle("a")
    assert harness.which()["a"].info == {"port": 8081}
    harness.ref.ask(TerminateChild("a"))
    assert harness.which()["a"].info is None


def test_an_actor_that_confirms_later_says_it_then(harness):
    from actorq.actors import DEFER

    class Late(Member):
        def init(self, id, journal, plan=None):
            super().init(id, journal, plan)
            self.self_ref.tell("go")
            return DEFER

        def on_receive(self, message):
            if message == "go":
                self.confirm_start(info=("x", 1))
                return None
            return super().on_receive(message)

    harness.start(harness.spec("a", cls=Late))
    assert harness.which()["a"].info == ("x", 1)


def test_what_no_program_can_read_is_shown_as_text_in_the_tree(harness):
    harness.start(
        harness.spec("a", plan=[lambda _: Ready({1, 2})]), harness.spec("b", plan=[lambda _: Ready((1, "x"))])
    )
    assert [child["info"] for child in harness.ref.ask(Tree())["children"]] == ["{1, 2}", [1, "x"]]
