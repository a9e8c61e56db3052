"""A live supervisor with the strategy `dependents` does what a search of all paths says, on random graphs.

Children are started in random orders of random graphs with edges that restart and edges that rebind. One of them crashes, or
is recycled, or terminated and restarted; who stopped and who started, and in what order, is compared with the model.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.actors import System
from actorq.supervisor import Recycle, RestartChild, TerminateChild
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Harness, crash


@st.composite
def families(draw):
    """Ids in start order, what each requires, what of that it rebinds to, and the one that it will happen to."""
    order = [f"c{n}" for n in draw(st.permutations(range(draw(st.integers(1, 8)))))]
    requires = {id: draw(st.sets(st.sampled_from(order[:at]))) if at else set() for at, id in enumerate(order)}
    rebind = {id: {other for other in needed if draw(st.booleans())} for id, needed in requires.items()}
    return order, requires, rebind, draw(st.sampled_from(order))


def goes_along(id, struck, requires, rebind):
    """Whether a path of edges that restart leads from `id` to `struck`; tries every path."""
    hard = requires[id] - rebind[id]
    return id == struck or any(goes_along(other, struck, requires, rebind) for other in hard)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(families(), st.sampled_from(["crash", "kill", "recycle", "terminate"]))
def test_who_stops_and_who_starts_is_what_trying_every_path_says(family, what):
    order, requires, rebind, struck = family
    group = [id for id in order if goes_along(id, struck, requires, rebind)]
    system = System("test")
    try:
        harness = Harness(system)
        harness.start(
            *(harness.spec(id, requires=tuple(requires[id]), rebind=tuple(rebind[id])) for id in order),
            strategy="dependents",
        )
        assert harness.journal.starts() == order
        bystanders = {id: harness.child(id) for id in order if id not in group}
        harness.journal.clear()
        happen(harness, struck, what)
        wait_until(lambda: len(harness.journal.starts()) == len(group))
        harness.settle(*order)
        dependents = [id for id in reversed(group) if id != struck]
        stops = {"crash": [struck, *dependents], "kill": dependents}.get(what, [*dependents, struck])
        assert harness.journal == [("stop", id) for id in stops] + [("start", id) for id in group]
        assert {id: harness.child(id) for id in bystanders} == bystanders
    finally:
        system.shutdown()


def happen(harness, struck, what):
    match what:
        case "crash":
            harness.end(struck, crash)
        case "kill":
            harness.system.kill(harness.child(struck))
        case "recycle":
            harness.ref.ask(Recycle(struck))
        case "terminate":
            harness.ref.ask(TerminateChild(struck))
            harness.ref.ask(RestartChild(struck))
