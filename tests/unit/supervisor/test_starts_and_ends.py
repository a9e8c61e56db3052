"""Small rules of starting and ending that no table covers."""

from __future__ import annotations

import pytest

from actorq.messages.reasons import KILLED, NORMAL, SHUTDOWN, Shutdown
from actorq.supervisor import DeleteChild, Recycle, RestartChild, StartChild, TerminateChild, Tree
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Member, PinnedMember, crash, leave


def test_a_child_is_linked_to_its_supervisor_before_its_first_instruction(harness):
    linked = []

    class Looks(Member):
        def init(self, *args, **kwargs):
            linked.append(self._cell.parent in self._cell.links)
            super().init(*args, **kwargs)

    harness.start(harness.spec("a", cls=Looks), harness.spec("b", cls=type("P", (Looks,), {"pinned": True})))
    assert linked == [True, True]


def test_infinity_waits_as_long_as_it_takes(harness, gated):
    harness.start(harness.spec("a", cls=gated.stopping, shutdown="infinity"), harness.spec("b"))
    asked = harness.ref.ask(TerminateChild("a"), block=False)
    assert gated.entered.wait(5)
    for _ in range(50):
        assert harness.state("a") == "stopping"
    gated.gate.set()
    assert asked.get() is None
    assert ("stop", "a") in harness.journal


def test_the_three_ways_to_stop_end_for_the_reason_that_was_asked_for(harness, gated):
    ends = {"brutal_kill": KILLED, 5.0: SHUTDOWN, "infinity": SHUTDOWN}
    harness.start(*(harness.spec(str(how), shutdown=how) for how in ends))
    for how, reason in ends.items():
        child = harness.child(str(how))
        harness.ref.ask(TerminateChild(child))
        assert child.cell.reason == reason


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
def test_no_administration_sets_off_an_automatic_shutdown(harness, auto_shutdown):
    harness.start(
        harness.spec("s", restart="transient", significant=True), harness.spec("a"), auto_shutdown=auto_shutdown
    )
    for message in (TerminateChild("s"), RestartChild("s"), Recycle("s"), TerminateChild("s"), DeleteChild("s")):
        harness.ref.ask(message)
    harness.ref.ask(
        StartChild(harness.spec("t", restart="temporary", significant=True)),
    )
    harness.ref.ask(TerminateChild("t"))
    assert harness.state("a") == "up"
    assert harness.ref.is_alive()


def test_an_end_that_a_sibling_caused_sets_off_no_automatic_shutdown(harness):
    harness.start(
        harness.spec("a"),
        harness.spec("t", restart="temporary", significant=True),
        harness.spec("s", restart="transient", significant=True),
        strategy="one_for_all",
        auto_shutdown="any_significant",
    )
    harness.end("a", crash)
    harness.settle("a", "s")
    assert harness.state("t") == "gone"


@pytest.mark.parametrize(
    ("restart", "end", "ends_all"),
    [
        ("transient", leave(NORMAL), True),
        ("transient", leave(SHUTDOWN), True),
        ("transient", leave(Shutdown("done")), True),
        ("transient", crash, False),
        ("temporary", leave(NORMAL), True),
        ("temporary", crash, True),
    ],
)
def test_a_significant_child_takes_its_supervisor_along_when_it_ends_by_itself_for_good(
    harness, system, restart, end, ends_all
):
    harness.start(
        harness.spec("s", restart=restart, significant=True), harness.spec("a"), auto_shutdown="any_significant"
    )
    harness.end("s", end)
    if ends_all:
        assert system.wait_down(harness.ref) == SHUTDOWN
    else:
        harness.settle("s", "a")


def test_temporary_bystanders_are_stopped_in_their_place_and_not_restarted(harness):
    harness.start(harness.spec("z"), harness.spec("t", restart="temporary"), harness.spec("k"), strategy="one_for_all")
    harness.journal.clear()
    harness.end("z", crash)
    harness.settle("z", "k")
    assert harness.journal == [("stop", "z"), ("stop", "k"), ("stop", "t"), ("start", "z"), ("start", "k")]


def test_an_outside_service_that_is_away_is_no_crash_where_it_is_connected_to_after_init(harness):
    """The state machine that R41 asks for: up at once, connected when there is something to connect to."""
    there: list[str] = []

    class Client(Member):
        def init(self, id, journal, plan=None):
            super().init(id, journal, plan)
            self.connected = False
            self.timers.after(0, "connect")

        def on_receive(self, message):
            if message != "connect":
                return super().on_receive(message)
            if there:
                self.connected = True
            else:
                self.timers.after(0.001, "connect")
            return None

        def describe(self):
            return {"connected": self.connected}

    def facts():
        return harness.ref.ask(Tree())["children"][0]["facts"]

    harness.start(harness.spec("client", cls=Client), intensity=0)
    assert facts() == {"connected": False}
    there.append("service")
    wait_until(lambda: facts() == {"connected": True})
    assert harness.journal.starts() == ["client"]


@pytest.mark.parametrize("cls", [Member, PinnedMember])
def test_a_supervisor_whose_parent_ends_ends_with_all_its_children(harness, system, cls):
    harness.start(harness.spec("a", cls=cls), harness.spec("b", cls=cls))
    system.kill(harness.ref)
    wait_until(lambda: system.actors() == [])
