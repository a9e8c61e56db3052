"""What is concluded from what nodes answer about a component."""

from __future__ import annotations

import json

import click
import pytest

from actorq.cli.steps import choose_targets, is_there, parse_pairs

UP = {"component": "broker", "state": "up", "pid": 3}
IGNORED = {"component": "broker", "state": "ignored", "pid": None}


def test_an_order_goes_to_the_nodes_that_have_a_use_for_the_component():
    assert choose_targets({"a": UP, "b": IGNORED, "c": {"unknown": "broker", "near": []}}, "broker") == {"a": UP}


def test_where_no_node_has_a_use_for_it_all_are_asked_so_that_they_say_why():
    assert choose_targets({"b": IGNORED}, "broker") == {"b": IGNORED}


def test_a_node_that_is_silent_is_a_target_that_fails():
    silent = {"error": "no answer within 1 s"}
    assert choose_targets({"a": UP, "b": silent}, "broker") == {"a": UP, "b": silent}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"a": {"unknown": "brokr", "near": ["broker"]}}, "got 'brokr'; did you mean 'broker'?"),
        ({"a": {"unknown": "brokr", "near": []}}, "'actorq tree' shows them"),
        ({"a": UP, "b": {"ambiguous": ["/broker", "beat/broker"]}}, "any of /broker, beat/broker; say which"),
        ({"a": {"error": "no answer"}, "b": {"unknown": "brokr", "near": []}}, "a: no answer"),
    ],
)
def test_nothing_is_done_anywhere_where_it_isnt_clear_what_is_meant(answers, said):
    with pytest.raises(click.UsageError) as caught:
        choose_targets(answers, "brokr")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "now", "there"),
    [
        ("restart", {"state": "up", "pid": 3}, False),
        ("restart", {"state": "starting", "pid": 4}, False),
        ("restart", {"state": "up", "pid": 4}, True),
        ("stop", {"state": "stopping", "pid": 3}, False),
        ("stop", {"state": "down", "pid": None}, True),
        ("start", {"state": "up", "pid": 3}, True),
        ("start", {"state": "waiting(store)", "pid": None}, False),
        ("start", {}, False),
    ],
)
def test_an_order_is_done_when_the_component_is_as_wanted(verb, now, there):
    assert is_there(verb, UP, now) is there


def test_values_of_a_plugins_command_are_json_or_else_text():
    pairs = ("n=3", "who=you", 'deep={"a": [1]}', "empty=", "sum=a=b")
    assert parse_pairs(pairs, json.loads) == {"n": 3, "who": "you", "deep": {"a": [1]}, "empty": "", "sum": "a=b"}


@pytest.mark.parametrize("pairs", [("word",), ("=3",), ("a=1", "a=2")])
def test_a_word_that_is_no_pair_and_a_key_given_twice_are_refused(pairs):
    with pytest.raises(click.UsageError, match="expected"):
        parse_pairs(pairs, json.loads)
