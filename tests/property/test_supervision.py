"""The pure decisions of supervision agree with the obvious slow version."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.messages.reasons import KILLED, NOCONNECTION, NOPROC, NORMAL, SHUTDOWN, Crashed, Shutdown
from actorq.supervisor.backoff import Backoff
from actorq.supervisor.graph import sort_graph
from actorq.supervisor.graph_errors import Cycle
from actorq.supervisor.intensity import RestartWindow
from actorq.supervisor.stopping import plan_parallel_stop, plan_stop, plan_stop_all
from actorq.supervisor.strategy import (
    hard_edges,
    is_restarted,
    plan_recycle,
    plan_restart,
    plan_retry,
    plan_terminate,
)


@st.composite
def dags(draw):
    """Children in a topological order, each with hard edges to earlier ones."""
    size = draw(st.integers(1, 9))
    order = [f"c{n}" for n in draw(st.permutations(range(size)))]
    edges = {
        child: frozenset(draw(st.sets(st.sampled_from(order[:at]))) if at else ()) for at, child in enumerate(order)
    }
    return order, edges, draw(st.sampled_from(order))


def reaches(edges, start, goal):
    """Whether `start` needs `goal`, by trying every path."""
    return any(next_ == goal or reaches(edges, next_, goal) for next_ in edges[start])


@given(dags())
def test_dependents_are_those_from_whom_a_path_leads_to_the_failed_one(graph):
    order, edges, failed = graph
    plan = plan_restart("dependents", order, failed, edges)
    expected = [child for child in order if child == failed or reaches(edges, child, failed)]
    assert list(plan.start) == expected
    assert list(plan.stop) == [child for child in reversed(expected) if child != failed]


@given(dags())
def test_no_plan_starts_a_child_before_one_it_needs_or_stops_one_before_its_dependents(graph):
    order, edges, failed = graph
    for strategy in ("one_for_one", "one_for_all", "rest_for_one", "dependents"):
        plan = plan_restart(strategy, order, failed, edges)
        assert failed in plan.start
        assert failed not in plan.stop
        assert set(plan.stop) | {failed} == set(plan.start)
        for sequence in (plan.start, plan.stop[::-1]):
            for earlier, later in itertools.combinations(sequence, 2):
                assert later not in edges[earlier]


@given(dags())
def test_a_recycling_stops_all_it_starts_in_reverse_and_concerns_whom_a_restart_does(graph):
    order, edges, child = graph
    for strategy in ("one_for_one", "one_for_all", "rest_for_one", "dependents"):
        plan = plan_recycle(strategy, order, child, edges)
        assert plan.start == plan_restart(strategy, order, child, edges).start
        assert plan.stop == plan.start[::-1]


@given(dags())
def test_a_terminate_takes_dependents_along_and_with_otps_strategies_nobody(graph):
    order, edges, child = graph
    for strategy in ("one_for_one", "one_for_all", "rest_for_one"):
        assert plan_terminate(strategy, order, child, edges) == (child,)
    expected = [one for one in order if one == child or reaches(edges, one, child)]
    assert plan_terminate("dependents", order, child, edges) == tuple(expected[::-1])


@given(dags())
def test_otps_strategies_are_slices_of_the_order(graph):
    order, edges, failed = graph
    at = order.index(failed)
    assert plan_restart("one_for_one", order, failed, edges).start == (failed,)
    assert plan_restart("one_for_all", order, failed, edges).start == tuple(order)
    assert plan_restart("rest_for_one", order, failed, edges).start == tuple(order[at:])


@given(dags(), st.data())
def test_a_retry_covers_the_rest_of_the_group_and_nobody_waits_without_a_reason(graph, data):
    order, edges, failed = graph
    for strategy in ("one_for_all", "rest_for_one", "dependents"):
        group = plan_restart(strategy, order, failed, edges).start
        second = data.draw(st.sampled_from(group))
        after = group[group.index(second) :]
        plan, unconcerned = plan_retry(strategy, group, second, edges)
        if strategy == "one_for_all":
            assert plan.start == group
            assert set(plan.stop) == set(group) - {second}
            continue
        assert plan.stop == ()
        assert plan.start[0] == second
        assert sorted((*plan.start, *unconcerned)) == sorted(after)
        if strategy == "dependents":
            assert all(not reaches(edges, child, second) for child in unconcerned)
            assert all(child == second or reaches(edges, child, second) for child in plan.start)
        else:
            assert unconcerned == ()


@given(st.sets(st.text()), st.sets(st.text()))
def test_edges_that_rebind_are_not_hard(requires, rebind):
    assert hard_edges(requires, rebind) == {one for one in requires if one not in rebind}


@given(
    st.sampled_from(["permanent", "transient", "temporary"]),
    st.sampled_from([NORMAL, SHUTDOWN, Shutdown("x"), KILLED, NOPROC, NOCONNECTION, Crashed("E")]),
)
def test_who_is_restarted_is_otps_table(restart, reason):
    clean = reason in (NORMAL, SHUTDOWN, Shutdown("x"))
    assert is_restarted(restart, reason) == {"permanent": True, "transient": not clean, "temporary": False}[restart]


moments = st.lists(st.integers(0, 1_000), max_size=30).map(sorted)


@given(st.integers(0, 5), st.integers(1, 50), moments)
def test_the_window_counts_what_counting_everything_would(intensity, period_s, at):
    window = RestartWindow(intensity, float(period_s))
    for index, now in enumerate(at):
        window = window.add(now)
        recent = [moment for moment in at[: index + 1] if moment >= now - period_s]
        assert window.exceeded == (len(recent) > intensity)


@given(st.integers(0, 5), st.integers(1, 50), moments, st.integers(0, 60))
def test_what_is_left_of_a_window_is_what_counting_everything_would_leave(intensity, period_s, at, later):
    window = RestartWindow(intensity, float(period_s))
    for moment in at:
        window = window.add(moment)
    now = max(at, default=0) + later
    assert window.left(now) == max(0, intensity - len([moment for moment in at if moment >= now - period_s]))


# -- stopping --------------------------------------------------------------------------------------------------------------

limits = st.one_of(st.none(), st.just(0), st.floats(0, 100))


@given(st.lists(st.text(), unique=True))
def test_children_stop_in_the_reverse_of_the_order_in_which_they_started(order):
    stopped = plan_stop_all(order)
    assert sorted(stopped) == sorted(order)
    for earlier, later in itertools.combinations(order, 2):
        assert stopped.index(later) < stopped.index(earlier)


@given(limits)
def test_how_to_stop_one_is_otps_table(shutdown_s):
    step = plan_stop(shutdown_s)
    if shutdown_s is None:  # infinity
        assert (step.ask, step.limit_s) == (True, None)
    elif shutdown_s == 0:  # brutal_kill
        assert (step.ask, step.limit_s) == (False, None)
    else:
        assert (step.ask, step.limit_s) == (True, shutdown_s)


@given(st.dictionaries(st.integers(), limits))
def test_those_who_stop_together_have_the_longest_of_their_times_and_infinity_is_never_killed(limits):
    plan = plan_parallel_stop(list(limits.items()))
    timed = {number: limit_s for number, limit_s in limits.items() if limit_s is not None}
    assert plan.limited == set(timed)
    if any(limit_s > 0 for limit_s in timed.values()):
        assert all(plan.limit_s >= limit_s for limit_s in timed.values())
        assert plan.limit_s in timed.values()
    else:
        assert plan.limit_s is None, "those for brutal_kill are killed at once, nobody has to be waited for"


backoffs = st.builds(
    lambda low, span, jitter: Backoff(min_s=low, max_s=low + span, jitter=jitter),
    st.floats(0, 10),
    st.floats(0, 100),
    st.floats(0, 0.9),
)


@given(backoffs, st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_a_delay_stays_within_its_bounds_and_the_first_restart_comes_at_once(backoff, failures, drawn):
    delay_s = backoff.delay_s(failures, lambda: drawn)
    if failures <= 1:
        assert delay_s == 0
    else:
        plain = min(backoff.max_s, backoff.min_s * 2.0 ** (failures - 2))
        assert plain * (1 - backoff.jitter) - 1e-9 <= delay_s <= plain * (1 + backoff.jitter) + 1e-9


@given(backoffs, st.integers(0, 200))
def test_without_jitter_delays_never_shrink_while_a_child_keeps_failing(backoff, failures):
    plain = dataclasses.replace(backoff, jitter=0.0)
    assert plain.delay_s(failures, random.random) <= plain.delay_s(failures + 1, random.random)


@given(st.integers(0, 50), st.one_of(st.none(), st.floats(0, 100)), st.floats(0, 100))
def test_failures_are_forgotten_after_enough_up_time(failures, up_s, reset_after_s):
    counted = Backoff(reset_after_s=reset_after_s).failures_after(failures, up_s)
    if up_s is None:
        assert counted == max(failures, 1) + 1
        assert Backoff(min_s=1.0).delay_s(counted, random.random) > 0, "what failed to start isn't tried again at once"
    else:
        assert counted == (1 if up_s >= reset_after_s else failures + 1)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_a_graph_is_sorted_exactly_if_some_permutation_of_it_would_do(wanted):
    needs = {one: sorted(wanted.get(one, ())) for one in sorted({*wanted, *itertools.chain(*wanted.values())})}
    fitting = [
        order
        for order in itertools.permutations(needs)
        if all(order.index(other) < order.index(one) for one in needs for other in needs[one])
    ]
    if fitting:
        assert tuple(sort_graph(needs)) == min(fitting), "the least order in which each comes after what it needs"
        return
    with pytest.raises(Cycle) as caught:
        sort_graph(needs)
    path = caught.value.path
    assert path[0] == path[-1]
    assert all(later in needs[earlier] for earlier, later in itertools.pairwise(path))
