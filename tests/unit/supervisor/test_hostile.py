"""Actors that do their worst, and numbers: the supervisor keeps its word."""

from __future__ import annotations

import threading
import time

import pytest

from actorq.actors import ActorDead
from actorq.messages.reasons import KILLED, NORMAL, SHUTDOWN
from actorq.supervisor import (
    Backoff,
    DynamicSupervisor,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Member, PinnedMember, crash, leave


class Own(BaseException):
    pass


def raiser(error):
    def end(_):
        raise error

    return end


# -- each way to die -------------------------------------------------------------------------------------------------------

DEATHS = {
    "normal": leave(NORMAL),
    "shutdown": leave(SHUTDOWN),
    "crash": crash,
    "SystemExit": raiser(SystemExit(3)),
    "KeyboardInterrupt": raiser(KeyboardInterrupt()),
    "own BaseException": raiser(Own()),
    "stop": lambda actor: actor.stop(),
    "kill of itself": lambda actor: actor._cell.kill(),
    "exit to itself": lambda actor: actor.exit(actor.self_ref, SHUTDOWN),
}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("cls", [Member, PinnedMember])
def test_a_name_is_taken_again_after_each_way_to_die(harness, system, cls, death):
    harness.start(harness.spec("a", cls=cls, name="bearer"), harness.spec("b"))
    first = harness.child("a")
    harness.end("a", DEATHS[death])
    harness.settle("a", "b")
    assert harness.child("a") != first
    assert system.whereis("bearer") == harness.child("a")
    assert harness.journal.starts() == ["a", "b", "a"]


def test_a_name_is_taken_again_after_a_kill_from_outside_and_a_failed_start(harness, system):
    quick = Backoff(min_s=0.001, max_s=0.001)
    harness.start(harness.spec("a", cls=PinnedMember, name="bearer", plan=[None, raiser(Own()), None], backoff=quick))
    system.kill(harness.child("a"))
    wait_until(lambda: harness.journal.starts() == ["a"] * 3)
    harness.settle("a")
    assert system.whereis("bearer") == harness.child("a")


# -- hostile while it runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["init", "message", "terminate"])
def test_base_exceptions_end_their_actor_and_nobody_else(harness, system, step):
    class Rude(Member):
        def terminate(self, reason):
            super().terminate(reason)
            if step == "terminate":
                raise Own

    quick = Backoff(min_s=0.001, max_s=0.001)
    plan = [None, raiser(Own()), None] if step == "init" else None
    harness.start(harness.spec("z"), harness.spec("rude", cls=Rude, plan=plan, backoff=quick), intensity=5)
    harness.end("rude", leave(NORMAL) if step == "terminate" else raiser(Own()))
    harness.settle("z", "rude")
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref) == SHUTDOWN


def test_a_flooded_supervisor_and_a_flooded_child_can_be_stopped(harness, system):
    class Flooder(Member):
        """Tells itself two things for each it hears: its mailbox is always at its bound."""

        on_full = "drop_new"

        def on_receive(self, message):
            if message == "flood":
                self.self_ref.tell("flood")
                self.self_ref.tell("flood")
                return None
            return super().on_receive(message)

    harness.start(harness.spec("flooder", cls=Flooder), harness.spec("other"))
    harness.child("flooder").tell("flood")
    done = threading.Event()
    top = harness.ref

    def flood():
        while not done.is_set():
            try:
                top.tell(WhichChildren())
            except ActorDead:
                return
            except Exception:
                time.sleep(0)

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(top.actor_inbox) > 100 or top.actor_inbox.rejected > 0, what="a flooded mailbox")
    system.exit(top, SHUTDOWN)
    assert system.wait_down(top, 10) == SHUTDOWN
    done.set()
    for thread in threads:
        thread.join(5)
    assert harness.journal.stops() == ["other", "flooder"]


def test_what_a_crashed_child_had_not_handled_is_not_its_successors_business(harness, gated):
    harness.start(harness.spec("a", cls=PinnedMember))
    first = harness.child("a")
    first.proxy().do.defer(gated.wait)
    assert gated.entered.wait(5)
    first.proxy().do.defer(crash)
    waiting = [first.ask("whatever", block=False) for _ in range(100)]
    gated.gate.set()
    for asked in waiting:
        with pytest.raises(ActorDead):
            asked.get()
    harness.settle("a")
    assert len(harness.child("a").cell.mailbox) == 0


def test_one_that_ignores_its_stop_is_killed_and_its_siblings_stop_as_ever(harness, system, gated):
    harness.start(
        harness.spec("z"), harness.spec("deaf", cls=gated.stopping, shutdown=0.02), harness.spec("k"), intensity=0
    )
    deaf = harness.child("deaf")
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 5) == SHUTDOWN
    assert deaf.cell.reason == KILLED
    assert [id for id in harness.journal.stops() if id != "deaf"] == ["k", "z"]


def test_one_that_traps_every_exit_and_ignores_it_still_ends_when_its_parent_wants_it(harness, system):
    class Trapper(Member):
        trap_exit = True

        def on_exit(self, ref, reason):
            self.journal.append(("trapped", str(reason)))

    harness.start(harness.spec("a", cls=Trapper))
    stranger = system.spawn(Member, "stranger", [])
    child = harness.child("a")
    stranger.proxy().do(lambda actor: actor.exit(child, SHUTDOWN)).get()
    wait_until(lambda: ("trapped", "shutdown") in harness.journal)
    assert harness.child("a") == child
    harness.ref.ask(TerminateChild("a"))
    assert harness.state("a") == "down"


@pytest.mark.parametrize("shutdown", [5.0, "brutal_kill", "infinity"])
def test_one_that_unlinked_itself_is_stopped_and_seen(harness, system, shutdown):
    harness.start(harness.spec("a", shutdown=shutdown))
    top, child = harness.ref, harness.child("a")
    child.proxy().do(lambda actor: actor.unlink(top)).get()
    assert harness.ref.ask(TerminateChild("a")) is None
    assert not child.is_alive()


def test_one_that_starts_others_while_it_ends_can_not_hang_the_stop(harness, system):
    class Spawner(PinnedMember):
        def terminate(self, reason):
            super().terminate(reason)
            self.system.spawn(Member, "late", self.journal)

    harness.start(harness.spec("z"), harness.spec("spawner", cls=Spawner))
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 5) == SHUTDOWN
    assert harness.journal == [
        ("start", "z"), ("start", "spawner"), ("stop", "spawner"), ("start", "late"), ("stop", "z"),
    ]  # fmt: skip


def test_one_that_blocks_the_loop_of_its_supervisor_holds_it_up_but_loses_nothing(harness, system):
    """A light actor shares its loop: that is its supervisor's as well. When it lets go, all is done in order."""
    gate, entered = threading.Event(), threading.Event()

    def block(_):
        entered.set()
        gate.wait(10)
        raise RuntimeError("enough")

    harness.start(harness.spec("blocker"), harness.spec("pinned", cls=PinnedMember))
    blocker, pinned = harness.child("blocker"), harness.child("pinned")
    blocker.proxy().do.defer(block)
    assert entered.wait(5)
    pinned.proxy().do.defer(crash)
    assert system.wait_down(pinned) is not None
    asked = harness.ref.ask(WhichChildren(), block=False)
    assert not asked._is_set
    gate.set()
    harness.settle("blocker", "pinned")
    assert {info.id for info in asked.get()} == {"blocker", "pinned"}


def test_one_that_kills_its_supervisor_goes_with_it_and_the_parent_brings_both_back(harness, system):
    from actorq.supervisor import ChildSpec

    inner = ChildSpec(
        "inner",
        Supervisor,
        args=([harness.spec("leaf", name="leaf")],),
        kwargs={"strategy": "one_for_one", "intensity": 0, "period_s": 5.0},
        type="supervisor",
    )
    harness.start(inner)
    first, leaf = harness.child("inner"), system.whereis("leaf")
    leaf.proxy().do.defer(lambda _: system.kill(first))
    assert system.wait_down(first) == KILLED
    assert system.wait_down(leaf) is not None
    wait_until(lambda: system.whereis("leaf") not in (None, leaf))
    harness.settle("inner")


# -- numbers ---------------------------------------------------------------------------------------------------------------


def start_and_stop(system, harness, kind, count):
    specs = [harness.spec(f"c{n}", requires=(f"c{n - 1}",) if n and kind == "dependents" else ()) for n in range(count)]
    if kind != "dynamic":
        top = system.spawn(Supervisor, specs, strategy=kind, intensity=count, period_s=60.0)
    else:
        top = system.spawn(DynamicSupervisor, intensity=count, period_s=60.0)
        for asked in [top.ask(StartChild(spec), block=False, timeout=60) for spec in specs]:
            asked.get()
    return top


def restart_each(top, journal, count):
    before = len(journal.starts())
    for info in top.ask(WhichChildren(), timeout=60):
        info.ref.proxy().do.defer(leave(NORMAL))
    wait_until(lambda: len(journal.starts()) >= before + count, timeout_s=60)
    wait_until(lambda: all(info.ref for info in top.ask(WhichChildren(), timeout=60)), timeout_s=60)


def recycle_all(top, journal, count):
    before = len(journal.starts())
    top.ask(WhichChildren(), timeout=60)[0].ref.proxy().do.defer(leave(NORMAL))
    wait_until(lambda: len(journal.starts()) >= before + count, timeout_s=60)
    wait_until(lambda: all(info.ref for info in top.ask(WhichChildren(), timeout=60)), timeout_s=60)


SCALED = {
    "one_for_one": restart_each,
    "dynamic": restart_each,
    "one_for_all": recycle_all,
    "rest_for_one": recycle_all,
    "dependents": recycle_all,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCALED)
def test_ten_times_the_children_cost_ten_times_the_time_give_or_take_two(harness, system, kind):
    def cost_s(count):
        begun = time.thread_time_ns() + time.process_time_ns()
        top = start_and_stop(system, harness, kind, count)
        SCALED[kind](top, harness.journal, count)
        system.exit(top, SHUTDOWN)
        assert system.wait_down(top, 60) == SHUTDOWN
        harness.journal.clear()
        return (time.thread_time_ns() + time.process_time_ns() - begun) / 1e9

    cost_s(20)  # what is paid once
    few = min(cost_s(100) for _ in range(3))
    many = min(cost_s(1_000) for _ in range(2))
    assert many <= 20 * few
