"""Routes against the obvious slow version: every entry is read again for every call."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actorq.config import Settings
from actorq.tasks.routing import Route, Routes

CONF = Settings(default_queue="usual", default_priority=1)
NAMES = st.text("ab.", min_size=1, max_size=4)
GLOBS = st.text("ab.*?", min_size=1, max_size=4).filter(lambda glob: "*" in glob or "?" in glob)
REGEXES = st.lists(st.sampled_from(["a", "b", r"\.", ".", "a*", "(a|b)", "$"]), max_size=3).map(
    lambda parts: re.compile("".join(parts))
)
ROUTES = st.one_of(
    st.text("qr", min_size=1, max_size=3),
    st.fixed_dictionaries({}, optional={"queue": st.sampled_from(["x", "y"]), "priority": st.integers(0, 9)}),
)
TABLES = st.dictionaries(st.one_of(NAMES, GLOBS, REGEXES), ROUTES, max_size=5)
ROUTERS = st.tuples(NAMES, ROUTES).map(lambda pair: lambda name, *_: pair[1] if name.startswith(pair[0]) else None)
SAID = st.tuples(st.none() | st.just("own"), st.none() | st.integers(0, 9))


def matches(key, name):
    if isinstance(key, re.Pattern):
        return key.match(name) is not None
    return fnmatch.fnmatchcase(name, key)


def slow_answer(step, name):
    if callable(step):
        return step(name, (), {}, {})
    for key, route in step.items():
        if key == name:
            return route
    return next((route for key, route in step.items() if matches(key, name)), None)


def slow(steps, name, own):
    answer: Any = next((found for step in steps if (found := slow_answer(step, name)) is not None), {})
    route = {"queue": answer} if isinstance(answer, str) else answer
    said = {"queue": own[0], "priority": own[1]}
    usual = {"queue": "usual", "priority": 1}
    return tuple(
        next(value for value in (said[option], route.get(option), usual[option]) if value is not None)
        for option in ("queue", "priority")
    )


@given(steps=st.lists(TABLES | ROUTERS, max_size=4), name=NAMES, own=SAID)
def test_routes_agree_with_reading_every_entry_again(steps, name, own):
    found = Routes(steps).plan(name, Route(*own), CONF)
    assert found.find((), {}, {}) == slow(steps, name, own)
    if not found.routers:
        assert found.settle() == slow(steps, name, own)
