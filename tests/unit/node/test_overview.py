"""Which nodes are meant, and what the hub says of each."""

from __future__ import annotations

import pytest

from actorq.node.overview import UnknownNode, choose_nodes, list_active, list_queues, list_reserved

KNOWN = {"a@x", "a@y", "b@x", "c"}


def slot(node, active=None, reserved=(), takes=None, name="s"):
    return {
        "node": node,
        "slot": name,
        "all_active": [active] if active else [],
        "reserved": list(reserved),
        "takes": takes,
    }


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ({}, KNOWN),
        ({"node": "c"}, {"c"}),
        ({"node": "b"}, {"b@x"}),
        ({"destination": ["a@y", "b", "c"]}, {"a@y", "b@x", "c"}),
        ({"destination": []}, set()),
    ],
)
def test_nodes_are_meant_by_name_or_by_what_is_before_the_at(arguments, meant):
    given = {**arguments, "other": 1}
    assert choose_nodes(KNOWN, given) == meant
    assert given == {"other": 1}


@pytest.mark.parametrize("name", ["a", "d", "", "b@"])
def test_a_name_that_is_nobodys_or_anybodys_is_refused(name):
    with pytest.raises(UnknownNode, match="expected one of the nodes a@x, a@y, b@x, c, got "):
        choose_nodes(KNOWN, {"destination": [name]})


@pytest.mark.parametrize("value", ["a@x", [1], {"a": 1}, 3])
def test_what_is_no_list_of_names_is_refused(value):
    with pytest.raises(TypeError, match="list of names of nodes"):
        choose_nodes(KNOWN, {"destination": value})


def test_tasks_are_listed_by_node_and_say_their_slot():
    snapshot = {"slots": [slot("n", {"id": "1"}, [{"id": "2"}]), slot("m", None, [], name="t"), slot("", {"id": "3"})]}
    assert list_active(snapshot, {"n", "m"}) == {
        "n": [{"id": "1", "slot": "s"}],
        "m": [],
        "": [{"id": "3", "slot": "s"}],
    }
    assert list_reserved(snapshot, {"n"}) == {"n": [{"id": "2", "slot": "s"}]}


def test_a_nodes_queues_are_those_it_was_told_or_all_that_were_used():
    slots = [slot("n"), slot("m", takes={"only": ["x", "y"], "but": []}), slot("o", takes={"only": [], "but": ["x"]})]
    found = list_queues({"slots": slots, "queues": {"x": 2, "z": 0}}, {"n", "m", "o"})
    assert {node: [(each["name"], each["waiting"]) for each in queues] for node, queues in found.items()} == {
        "n": [("x", 2), ("z", 0)],
        "m": [("x", 2), ("y", 0)],
        "o": [("z", 0)],
    }


def test_pools_of_one_node_take_what_either_takes():
    slots = [slot("n", takes={"only": ["x"], "but": []}), slot("n", takes={"only": [], "but": ["x", "z"]})]
    found = list_queues({"slots": slots, "queues": {"x": 2, "y": 1, "z": 0}}, {"n"})
    assert [each["name"] for each in found["n"]] == ["x", "y"]
