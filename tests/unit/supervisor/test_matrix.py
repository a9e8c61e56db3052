"""The matrix: restart type × exit reason × kind of supervisor → who stops, who starts, in what order, at what cost.

One table, written out from OTP's documentation and not computed by the code under test.
"""

from __future__ import annotations

import itertools

import pytest

from actorq.messages.reasons import NOCONNECTION, NOPROC, NORMAL, SHUTDOWN, Shutdown
from actorq.supervisor import DynamicSupervisor, StartChild, Tree, WhichChildren
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import crash, leave

# How the child ends; "killed" comes from outside, and none of its own code runs any more.
REASONS = {
    "normal": leave(NORMAL),
    "shutdown": leave(SHUTDOWN),
    "shutdown(info)": leave(Shutdown("because")),
    "killed": None,
    "noproc": leave(NOPROC),
    "noconnection": leave(NOCONNECTION),
    "crashed": crash,
}
COMES_BACK = {
    #                permanent  transient  temporary
    "normal":         (True,    False,     False),
    "shutdown":       (True,    False,     False),
    "shutdown(info)": (True,    False,     False),
    "killed":         (True,    True,      False),
    "noproc":         (True,    True,      False),
    "noconnection":   (True,    True,      False),
    "crashed":        (True,    True,      False),
}  # fmt: skip
TYPES = ("permanent", "transient", "temporary")
# Children start as z, m, a, k; k requires m. "m" ends: who is stopped for it, and who is started.
KINDS = {
    "one_for_one":  ([],              ["m"]),
    "one_for_all":  (["k", "a", "z"], ["z", "m", "a", "k"]),
    "rest_for_one": (["k", "a"],      ["m", "a", "k"]),
    "dependents":   (["k"],           ["m", "k"]),
    "dynamic":      ([],              ["m"]),
}  # fmt: skip
MATRIX = list(itertools.product(TYPES, REASONS, KINDS))


def test_the_matrix_is_whole():
    assert len(MATRIX) == len(set(MATRIX)) == 3 * 7 * 5
    assert set(COMES_BACK) == set(REASONS)


@pytest.mark.parametrize(("restart", "reason", "kind"), MATRIX)
def test_the_matrix_of_restart_type_exit_reason_and_kind_of_supervisor(harness, system, restart, reason, kind):
    start_family(harness, system, kind, restart)
    harness.journal.clear()
    victim = harness.child("m")
    if REASONS[reason] is None:
        system.kill(victim)
    else:
        harness.end("m", REASONS[reason])
    own_stop = [] if reason == "killed" else ["m"]
    if COMES_BACK[reason][TYPES.index(restart)]:
        stops, starts = KINDS[kind]
        wait_until(lambda: len(harness.journal.starts()) == len(starts), what="the restart")
        harness.settle("z", "m", "a", "k")
        assert harness.journal == [("stop", id) for id in (*own_stop, *stops)] + [("start", id) for id in starts]
        assert incidents(harness) == 1
        assert harness.child("m") != victim
    else:
        left = "gone" if restart == "temporary" or kind == "dynamic" else "down"
        wait_until(lambda: harness.state("m") == left)
        assert harness.journal == [("stop", id) for id in own_stop]
        assert incidents(harness) == 0
        assert [harness.state(id) for id in "zak"] == ["up"] * 3


def start_family(harness, system, kind, restart):
    needs = {"k": ("m",)} if kind != "dynamic" else {}
    specs = [
        harness.spec(id, restart=restart if id == "m" else "permanent", requires=needs.get(id, ())) for id in "zmak"
    ]
    if kind != "dynamic":
        harness.start(*specs, strategy=kind)
        return
    harness.ref = system.spawn(DynamicSupervisor, intensity=3, period_s=5.0, name="top")
    for spec in specs:
        harness.ref.ask(StartChild(spec))
    assert [info.id for info in harness.ref.ask(WhichChildren())] == list("zmak")


def incidents(harness):
    tree = harness.ref.ask(Tree())
    assert tree["quota"]["left"] == tree["quota"]["intensity"] - tree["facts"]["incidents"]
    return tree["facts"]["incidents"]
