"""A task sent by a task has its priority, where the setting says so and nobody else says one."""

from __future__ import annotations

import pytest

from actorq import App, ConfigError
from actorq.messages.task import TaskMessage
from actorq.tasks.sending import make_message, plan_unregistered

PARENT = TaskMessage(1, "parent", b"", priority=6)


def priority(app, name, parent=PARENT, **options):
    known = app.tasks.get(name)
    plan = known.get_plan() if known else plan_unregistered(name, app.conf, app.routes)
    return make_message(plan, (), {}, options, parent).priority


@pytest.fixture
def app(tmp_path):
    routes = [lambda name, *_: {"priority": 2} if name == "asked" else None, {"routed": {"priority": 3}}]
    app = App("shop", home=tmp_path, config={"task_routes": routes, "default_priority": 1})
    app.task(name="own", priority=5)(lambda: None)
    app.task(name="plain")(lambda: None)
    return app


def test_who_says_nothing_inherits_and_who_says_something_does_not(app):
    assert priority(app, "plain") == priority(app, "never heard of") == 6
    assert [priority(app, name) for name in ("own", "routed", "asked")] == [5, 3, 2]
    assert priority(app, "plain", priority=9) == 9
    assert priority(app, "plain", parent=None) == 1


def test_it_is_off_by_default_and_costs_the_plain_way_nothing(tmp_path):
    plain, inheriting = (
        App("shop", home=tmp_path, config={"task_inherit_parent_priority": on}).task(lambda: None).get_plan()
        for on in (False, True)
    )
    assert (plain.is_plain, inheriting.is_plain) == (True, False)
    assert App("shop", home=tmp_path).conf.task_inherit_parent_priority is False


def test_celerys_names_of_the_defaults_are_known(tmp_path, monkeypatch):
    app = App("shop", home=tmp_path, config={"task_default_priority": 4, "task_default_queue": "q"})
    assert (app.conf.default_priority, app.conf.default_queue) == (4, "q")
    monkeypatch.setenv("ACTORQ_TASK_DEFAULT_PRIORITY", "7")
    assert App("shop", home=tmp_path).conf.default_priority == 7
    with pytest.raises(ConfigError, match="expected task_default_priority to be a whole number from 0 to 9, got 10"):
        App("shop", home=tmp_path, config={"task_default_priority": 10})
    with pytest.raises(ConfigError, match="did you mean 'task_default_queue'"):
        App("shop", home=tmp_path, config={"task_default_quee": "q"})
