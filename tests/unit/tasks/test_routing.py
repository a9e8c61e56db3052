"""Routes: who is asked, in which order, what wins, and what is refused."""

from __future__ import annotations

import re

import msgspec
import pytest

from actorq import App, ConfigError
from actorq.config import Settings
from actorq.messages.task import TaskMessage
from actorq.tasks.routing import Route, Routes
from actorq.tasks.sending import make_message

CONF = Settings(default_queue="usual", default_priority=1)
NOTHING = Route()


def where(setting, name="shop.add", own=NOTHING):
    """Return queue and priority of a task by a setting."""
    return Routes(setting).plan(name, own, CONF).find((), {}, {})


@pytest.fixture
def app_with(tmp_path):
    made: list[App] = []

    def make(setting):
        made.append(App("shop", home=tmp_path / str(len(made)), config={"task_routes": setting}))
        return made[-1]

    yield make
    for app in made:
        app.close()


def message_of(task, *args, options=None, **kwargs):
    return make_message(task.get_plan(), args, kwargs, options or {})


@pytest.mark.parametrize("setting", [None, {}, [], [{}], {"other": "a"}, lambda *_: None])
def test_a_task_without_a_route_goes_where_the_settings_say(setting):
    assert where(setting) == ("usual", 1)


@pytest.mark.parametrize(
    "setting",
    [
        {"shop.add": "a"},
        {"shop.*": {"queue": "a"}},
        {re.compile("shop"): "a"},
        [("shop.add", "a")],
        [[("shop.a?d", "a"), ("*", "b")]],
        [{"other": "b"}, {"shop.[a-b]dd": "a"}, {"*": "c"}],
        lambda *_: "a",
        [lambda *_: None, lambda *_: {"queue": "a"}, {"*": "b"}],
    ],
)
def test_each_form_of_a_route_is_understood(setting):
    assert where(setting) == ("a", 1)


def test_an_exact_name_goes_before_patterns_and_patterns_in_their_order():
    assert where({"*": "c", "shop.*": "b", "shop.add": "a"})[0] == "a"
    assert where({"shop.*": "b", "*": "c"})[0] == "b"
    assert where([{"*": "c"}, {"shop.add": "a"}])[0] == "c"


def test_a_glob_matches_whole_names_and_a_regex_from_the_beginning():
    assert where({"shop.a*": "a"}, "my.shop.add")[0] == "usual"
    assert where({"shop*d": "a"}, "shop.add.more")[0] == "usual"
    assert where({re.compile("shop"): "a"}, "shopping")[0] == "a"
    assert where({re.compile("add"): "a"})[0] == "usual"


def test_the_task_itself_wins_over_its_route_queue_and_priority_each_by_itself():
    setting = {"*": {"queue": "routed", "priority": 5}}
    assert where(setting, own=Route("own", 2)) == ("own", 2)
    assert where(setting, own=Route("own")) == ("own", 5)
    assert where(setting, own=Route(priority=0)) == ("routed", 0)
    assert where({"*": {"priority": 5}}) == ("usual", 5)


def test_an_empty_answer_ends_the_search():
    assert where([lambda *_: {}, {"*": "a"}]) == ("usual", 1)
    assert where([{"shop.*": {}}, {"*": "a"}]) == ("usual", 1)


def test_a_call_wins_over_everything(app_with):
    app = app_with({"*": {"queue": "routed", "priority": 5}})
    own = app.task(name="t", queue="own", priority=2)(lambda: None)
    plain = app.task(name="u")(lambda: None)
    found = message_of(own, options={"queue": "called", "priority": 0})
    assert (found.queue, found.priority) == ("called", 0)
    assert (message_of(own).queue, message_of(plain).queue) == ("own", "routed")


def test_a_function_sees_the_call_and_the_tasks_own_options(app_with):
    seen = []

    def route(name, args, kwargs, options):
        seen.append((name, args, dict(kwargs), dict(options)))
        kwargs["x"] = options["countdown"] = "changed"
        return f"queue{args[0]}"

    task = app_with(route).task(name="t", priority=2)(lambda *_, **__: None)
    kwargs, options = {"x": 1}, {"countdown": None, "expires": 5}
    found = [make_message(task.get_plan(), (n,), kwargs, options).queue for n in (1, 2)]
    assert found == ["queue1", "queue2"]
    assert seen[0] == ("t", (1,), {"x": 1}, {"priority": 2, "expires": 5})
    assert (kwargs, options) == ({"x": 1}, {"countdown": None, "expires": 5})


def test_a_function_after_what_matches_is_never_asked_and_costs_nothing(app_with):
    def route(*_):
        raise AssertionError

    app = app_with([{"t": "a"}, route])
    plan = app.task(name="t")(lambda: None).get_plan()
    assert (plan.is_plain, plan.routing, plan.message.queue) == (True, None, "a")
    other = app.task(name="u")(lambda: None)
    assert not other.get_plan().is_plain
    with pytest.raises(AssertionError):
        other.delay()


def test_every_way_to_send_is_routed(app_with):
    app = app_with([lambda _, args, *__: f"n{args[0]}" if args else None, {"by.name": "named"}])
    task = app.task(name="t")(lambda *_: None)
    task.delay(1)
    task.apply_async((2,))
    task.delay_many([(3,), (4,)])
    app.send_task("by.name")
    app.send_task("by.name", (5,))
    entries = app._session.outbox.take(10, 1 << 20)  # no node runs: all are there
    queues = [msgspec.msgpack.decode(entry, type=TaskMessage).queue for entry in entries]
    assert queues == ["n1", "n2", "n3", "n4", "named", "n5"]


BAD = [
    (7, "expected mappings of task names, or functions, got 7"),
    ("shop.route", "import the function"),
    (["shop.route"], "import the function"),
    ({"shop.*": 7}, "the route of 'shop.*' to be a queue's name or a mapping"),
    ({"shop.*": None}, "got None"),
    ({"shop.*": ""}, "queue of 'shop.*' to be a text that isn't empty"),
    ({"shop.*": {"qeue": "a"}}, "unknown option 'qeue'.*did you mean 'queue'"),
    ({"shop.*": {"routing_key": "a"}}, "unknown option 'routing_key'.*a call the rest"),
    ({"shop.*": {"priority": 10}}, "priority of 'shop.*' to be from 0 to 9"),
    ({re.compile("x"): {"priority": "5"}}, "priority of 'x'"),
    ({"": "a"}, "expected a task's name, a glob or a compiled regex of text, got ''"),
    ({7: "a"}, "got 7"),
    ({re.compile(b"x"): "a"}, "regex of text"),
    ([["shop.add", "a"]], "expected pairs of a task's name and its route, got 'shop.add'"),
    ([[("x", "a"), ("x", "b")]], "expected one route for 'x', got two"),
    (lambda _: None, r"to take \(name, args, kwargs, options\).*too many"),
    ([{}, dict], "expected mappings of task names, or functions"),
]


@pytest.mark.parametrize(("setting", "told"), BAD)
def test_a_mistake_is_told_when_the_application_is_made(setting, told, tmp_path):
    with pytest.raises(ConfigError, match=told) as caught:
        App("shop", home=tmp_path, config={"task_routes": setting})
    assert str(caught.value).startswith("task_routes: ")


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (7, TypeError, "the answer of router .*route for task t to be"),
        ("", ValueError, "queue of router"),
        ({"priority": 99}, ValueError, "from 0 to 9"),
        ({"eta": 1}, TypeError, "unknown option 'eta' in the answer of router"),
    ],
)
def test_a_wrong_answer_of_a_function_is_told_at_the_send(answer, kind, told, app_with):
    def route(*_):
        return answer

    app = app_with(route)
    task = app.task(name="t")(lambda: None)
    with pytest.raises(kind, match=told):
        task.delay()


def test_routes_dont_hinder_a_node_which_gets_them_as_text(app_with):
    from actorq.config import load_settings
    from actorq.slot.zygote import describe_app

    conf = describe_app(app_with([lambda *_: None, {re.compile("x"): "a"}])).conf
    assert isinstance(load_settings(conf, {}).task_routes, str)
