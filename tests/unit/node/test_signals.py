"""What a signal means, whom a node reaps, and how it shows its tree."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.node.reaping import PATIENCE_S, Child, plan_reaping
from actorq.node.showing import draw_entries
from actorq.node.signals import Wish, read_signal


@pytest.mark.parametrize(
    ("number", "before", "while_stopping"),
    [
        (signal.SIGTERM, Wish.DRAIN, Wish.KILL),
        (signal.SIGINT, Wish.DRAIN, Wish.KILL),
        (signal.SIGQUIT, Wish.KILL, Wish.KILL),
        (signal.SIGHUP, Wish.RELOAD, Wish.NOTHING),
        (signal.SIGUSR1, Wish.SHOW, Wish.SHOW),
        (signal.SIGCHLD, Wish.REAP, Wish.REAP),
        (signal.SIGWINCH, Wish.NOTHING, Wish.NOTHING),
    ],
)
def test_what_a_signal_means(number: int, before: Wish, while_stopping: Wish) -> None:
    assert read_signal(number, is_stopping=False) is before
    assert read_signal(number, is_stopping=True) is while_stopping


def test_a_hangup_of_a_terminal_that_has_gone_is_a_stop() -> None:
    assert read_signal(signal.SIGHUP, is_stopping=False, has_terminal=False) is Wish.DRAIN


def plan(dead, seen, now, *, known=(), is_init=False):
    return plan_reaping(dead, seen, now, known=known, own_session=1, is_init=is_init)


def test_a_dead_child_of_another_session_is_reaped_when_nobody_has_waited_for_it_for_a_while() -> None:
    child = Child(7, "daemon", 7)
    assert plan([child], {}, 10.0) == ([], {7: 10.0})
    assert plan([child], {7: 10.0}, 10.0 + PATIENCE_S) == ([7], {})


def test_slots_zygotes_and_children_of_the_own_session_are_left_to_those_who_wait_for_them() -> None:
    dead = [Child(7, "actorq:s", 7), Child(8, "actorq:zygote", 8), Child(9, "of a plugin", 1)]
    seen = {7: 0.0, 8: 0.0, 9: 0.0}
    assert plan(dead, seen, 99.0, known={7}) == ([], {})
    assert plan(dead, seen, 99.0, known={7}, is_init=True) == ([9], {}), "PID 1 inherits anything"


@given(
    st.lists(
        st.builds(Child, st.integers(2, 9), st.sampled_from(["x", "actorq:zygote"]), st.integers(1, 4)), max_size=9
    ),
    st.dictionaries(st.integers(2, 9), st.floats(0, 100), max_size=9),
    st.floats(100, 200),
    st.sets(st.integers(2, 9)),
    st.booleans(),
)
def test_nobody_is_reaped_at_first_sight_and_only_the_dead_are(dead, seen, now, known, is_init) -> None:
    reap, wait = plan(dead, seen, now, known=known, is_init=is_init)
    pids = {child.pid for child in dead}
    assert set(reap) <= pids & set(seen)
    assert set(wait) <= pids
    assert not known & {*reap, *wait}


def test_the_tree_is_drawn_with_its_facts_and_errors() -> None:
    leaf = {"id": "b", "state": "failed", "restarts": 2, "last_error": "boom", "facts": {"pid": 3}, "children": []}
    root = {"id": "node", "state": "up", "restarts": 0, "last_error": None, "facts": {}, "children": [leaf]}
    assert list(draw_entries(root)) == ["node up restarts=0", "  b failed restarts=2 pid=3 last_error='boom'"]
