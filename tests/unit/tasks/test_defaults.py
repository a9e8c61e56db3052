"""Who decides about an option: the call, annotations, decorator, class, settings, defaults."""

from __future__ import annotations

import re
from typing import Any

import pytest

from actorq import App, ConfigError, Task
from actorq.config import load_settings
from actorq.tasks.defaults import GLOBAL_OPTIONS
from actorq.tasks.options import OPTION_NAMES


class Base(Task[..., Any]):
    max_retries = 20
    expires = 200.0


class Derived(Base):
    max_retries = 30


def make(tmp_path, **config):
    return App("shop", home=tmp_path, config=config)


def test_the_strongest_that_says_something_decides(tmp_path):
    app = make(tmp_path, task_max_retries=10, task_annotations={"by_name": {"max_retries": 50}})
    assert app.task(name="plain")(print).max_retries == 10
    assert app.task(name="derived", base=Derived)(print).max_retries == 30
    assert app.task(name="decorated", base=Derived, max_retries=40)(print).max_retries == 40
    assert app.task(name="by_name", base=Derived, max_retries=40)(print).max_retries == 50
    assert app.task(name="none", max_retries=None)(print).max_retries is None
    assert make(tmp_path).task(name="plain")(print).max_retries == 3


def test_the_call_decides_over_all(tmp_path):
    app = make(tmp_path, task_always_eager=True, task_annotations={"*": {"time_limit": 50}}, task_time_limit=60)
    task = app.task(name="t", bind=True, time_limit=40)(lambda self: self.request.timelimit)
    assert (task.apply_async().get(), task.apply_async(time_limit=9).get()) == ([50, None], [9, None])


def test_a_class_based_task_says_by_its_attributes(tmp_path):
    class Job(Derived):
        name = "job"
        queue = "q"

        def run(self):
            pass

    job = make(tmp_path, task_expires=5, task_max_retries=1, task_ignore_result=True).register_task(Job)
    assert (job.max_retries, job.expires, job.queue, job.ignore_result) == (30, 200.0, "q", True)


def test_annotations_match_by_name_glob_or_regex_and_the_exact_name_wins(tmp_path):
    rules = {
        re.compile(r"shop\.\w+$"): {"expires": 3, "max_retries": 3},
        "shop.*": {"expires": 2, "throws": (OSError,)},
        "shop.pay": {"expires": 1},
    }
    app = make(tmp_path, task_annotations=rules)
    pay, ship, other = (app.task(name=name)(print) for name in ("shop.pay", "shop.ship", "other"))
    assert (pay.expires, pay.max_retries, pay.throws) == (1, 3, (OSError,))
    assert (ship.expires, ship.max_retries) == (3, 3)
    assert (other.expires, other.throws) == (None, ())


def test_a_setting_comes_from_the_environment_too():
    conf = load_settings(None, {"ACTORQ_TASK_MAX_RETRIES": "5", "ACTORQ_TASK_RETRY_BACKOFF": "2.5",
                                "ACTORQ_TASK_ACKS_LATE": "0", "ACTORQ_TASK_RETRY_JITTER": "true"})  # fmt: skip
    assert (conf.task_max_retries, conf.task_retry_backoff) == (5, 2.5)
    assert (conf.task_acks_late, conf.task_retry_jitter) == (False, True)


def test_every_option_is_one_of_a_setting_or_of_one_task_alone():
    elsewhere = {
        "queue",
        "priority",
        "compression",
        "serializer",
        "max_deliveries",
        "result_expires",
        "time_limit",
        "soft_time_limit",
    }
    assert set(GLOBAL_OPTIONS) | elsewhere | {"name", "bind", "base"} == OPTION_NAMES


def test_other_settings_hold_for_tasks_that_are_there_already(tmp_path):
    app = make(tmp_path)
    plain, said = app.task(name="plain")(print), app.task(name="said", max_retries=9)(print)
    app.use_settings(app.conf.replace("test", {"task_max_retries": 4, "task_typing": False}))
    assert (plain.max_retries, plain.typing, said.max_retries) == (4, False, 9)
    assert plain.get_plan().check is None
    app.use_settings(load_settings())
    assert (plain.max_retries, plain.typing) == (3, True)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"task_annotations": {"t": {"max_retrys": 1}}}, "did you mean 'max_retries'"),
        ({"task_annotations": {"t": {"name": "x"}}}, "only a task says itself"),
        ({"task_annotations": {"t": 5}}, "mapping of options"),
        ({"task_annotations": [1]}, "a mapping of names"),
        ({"task_annotations": {5: {}}}, "a task's name, a glob"),
        ({"task_annotations": {"t": {"soft_time_limit": 5, "time_limit": 1}}}, "soft_time_limit"),
        ({"task_max_retrie": 1}, "did you mean 'task_max_retries'"),
        ({"task_max_retries": -1}, "from 0 up"),
        ({"task_rate_limit": "1/d"}, "10/s"),
        ({"task_autoretry_for": "OSError"}, "exception classes"),
        ({"task_retry_backoff": "fast"}, "True, False or a number"),
    ],
)
def test_a_setting_that_doesnt_fit_is_refused_where_it_is_given(tmp_path, config, text):
    with pytest.raises(ConfigError, match=text):
        make(tmp_path, **config)


def soft_over_hard(app):
    app.task(name="t", soft_time_limit=5, time_limit=1)(print)


def soft_over_the_applications_hard_one(app):
    app.use_settings(app.conf.replace("test", {"task_time_limit": 1}))
    app.task(name="t", soft_time_limit=5)(print)


def soft_in_the_settings(app):
    app.conf.replace("test", {"task_soft_time_limit": 5, "task_time_limit": 1})


def soft_of_a_call(app):
    app.task(name="t", time_limit=1)(print).apply_async(soft_time_limit=5)


def soft_of_a_call_by_name(app):
    app.send_task("elsewhere", soft_time_limit=5, time_limit=1)


def soft_of_a_call_over_the_applications_hard_one(app):
    app.use_settings(app.conf.replace("test", {"task_time_limit": 1}))
    app.task(name="t")(print).apply_async(soft_time_limit=5)


def soft_of_a_call_by_name_over_the_applications_hard_one(app):
    app.use_settings(app.conf.replace("test", {"task_time_limit": 1}))
    app.send_task("elsewhere", soft_time_limit=5)


def soft_of_a_class(app):
    app.register_task(type("Job", (Task,), {"soft_time_limit": 5, "time_limit": 1, "run": print}))


def soft_of_an_annotation_over_a_decorators_hard_one(app):
    app.use_settings(app.conf.replace("test", {"task_annotations": {"t": {"soft_time_limit": 5}}}))
    app.task(name="t", time_limit=1)(print)


@pytest.mark.parametrize(
    "give",
    [
        soft_over_hard,
        soft_over_the_applications_hard_one,
        soft_in_the_settings,
        soft_of_a_call,
        soft_of_a_call_by_name,
        soft_of_a_call_over_the_applications_hard_one,
        soft_of_a_call_by_name_over_the_applications_hard_one,
        soft_of_a_class,
        soft_of_an_annotation_over_a_decorators_hard_one,
    ],
)
def test_a_soft_limit_that_could_never_strike_is_a_value_error_wherever_it_arises(tmp_path, give):
    with pytest.raises(ValueError, match="soft_time_limit"):
        give(make(tmp_path))
