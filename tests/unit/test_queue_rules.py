"""What settings say about single queues."""

from __future__ import annotations

import pytest

from actorq.config import Settings, load_settings
from actorq.errors import ConfigError
from actorq.queue_rules import QueueRule


def rules(**values) -> Settings:
    return load_settings(values, {})


def test_a_queue_has_what_is_said_of_it_and_else_the_defaults():
    settings = rules(
        queue_max=5, queue_on_full="raise", task_queues={"mail": {"max": 2, "wait_s": 1}, "any": {"max": None}}
    )
    assert settings.rule_of("mail") == QueueRule(max=2, on_full="raise", wait_s=1.0)
    assert settings.rule_of("any").max is None
    assert settings.rule_of("other") == QueueRule(max=5, on_full="raise")
    assert (settings.has_bounds, rules(task_queues={"a": {"max": 1}}).has_bounds) == (True, True)
    assert (Settings().has_bounds, rules(task_queues={"a": {"on_full": "wait"}}).has_bounds) == (False, False)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"task_queues": ["mail"]}, "expected task_queues to be a mapping of queues"),
        ({"task_queues": {"": {}}}, "expected task_queues to be a mapping of queues"),
        ({"task_queues": {"mail": 5}}, "expected task_queues to be a mapping of queues"),
        ({"task_queues": {"mail": {"maxx": 5}}}, "'mail' has 'maxx'"),
        ({"task_queues": {"mail": {"max": 0}}}, "'max' of 'mail' is a whole number from 1 up"),
        ({"task_queues": {"mail": {"max": "many"}}}, "'max' of 'mail' is a whole number from 1 up"),
        ({"task_queues": {"mail": {"on_full": "drop"}}}, "'on_full' of 'mail' is one of 'keep', 'raise', 'wait'"),
        ({"task_queues": {"mail": {"wait_s": -1}}}, "'wait_s' of 'mail' is a number of seconds"),
        ({"queue_max": 0}, "expected queue_max to be a whole number from 1 up"),
        ({"queue_on_full": "drop"}, "expected queue_on_full to be one of"),
    ],
)
def test_a_rule_that_is_none_is_refused(values, told):
    with pytest.raises(ConfigError, match=told):
        rules(**values)
