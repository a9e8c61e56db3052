"""Who gets what of a broadcast queue."""

from __future__ import annotations

import pytest

from actorq.config import Settings, load_settings
from actorq.errors import ConfigError
from actorq.messages.queues import QueueChoice, split_address
from actorq.node.broadcasts import find_lost, find_nodes
from actorq.node.desks import SlotDesk

BROADCASTS = ("config",)


def desk(name, node, takes=None, broadcasts=BROADCASTS):
    slot = SlotDesk(name, node, broadcasts=broadcasts)
    slot.choose(takes)
    return slot


def test_a_slot_takes_what_is_for_its_node_and_nothing_that_is_for_all():
    slot = desk("s", "a@host")
    taken = {queue: slot.takes.takes(queue) for queue in ("config", "config@a@host", "config@b@host", "other", "x@y")}
    assert taken == {"config": False, "config@a@host": True, "config@b@host": False, "other": True, "x@y": True}
    some = desk("s", "a", QueueChoice(only=("other",)))
    assert (some.takes.takes("other"), some.takes.takes("config@a")) == (True, False)


def test_without_broadcasts_a_choice_is_what_it_was():
    assert desk("s", "a", broadcasts=()).takes is None
    choice = QueueChoice(only=("x",))
    assert desk("s", "a", choice, broadcasts=()).takes is choice


def test_each_node_that_has_a_slot_for_it_is_meant_once():
    slots = [
        desk("1", "a"),
        desk("2", "a"),
        desk("3", "b", QueueChoice(but=("config",))),
        desk("4", "c"),
        desk("5", ""),
    ]
    slots[3].retiring = True
    assert find_nodes("config", slots) == ["a"]


def test_what_waits_for_a_node_that_is_not_there_is_found():
    lengths = {"config@a": 1, "config@b": 2, "config@c": 0, "config": 3, "x@y": 4}
    assert find_lost(BROADCASTS, lengths, {"a"}) == ["config@b"]


@pytest.mark.parametrize(("queue", "found"), [("config@a@b", ("config", "a@b")), ("config", None), ("mail@eu", None)])
def test_an_address_is_one_of_a_broadcast_queue(queue, found):
    assert split_address(queue, BROADCASTS) == found


def test_a_broadcast_is_said_in_the_settings():
    assert load_settings({"task_queues": {"config": {"broadcast": True}, "a": {"max": 1}}}, {}).broadcasts == BROADCASTS
    assert Settings().broadcasts == ()
    with pytest.raises(ConfigError, match="'broadcast' of 'config' is True or False"):
        load_settings({"task_queues": {"config": {"broadcast": "yes"}}}, {})
