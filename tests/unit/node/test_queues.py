"""Slots that take some queues only: what they are handed, and what is taken back for them."""

from __future__ import annotations

from itertools import count
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.errors import ConfigError
from actorq.messages.queues import QueueChoice, choose_queues
from actorq.messages.task import Delivery, TaskMessage
from actorq.node.balance import SlotLoad, plan_recalls
from actorq.node.balancer import _is_wanted
from actorq.node.desks import SlotDesk
from actorq.node.handout import hand_out
from actorq.node.lanes import Lanes

QUEUES = st.sampled_from("abc")
CHOICES = st.builds(
    choose_queues, st.just(()) | st.sampled_from([("a",), ("a", "b"), ("c",)]), st.sampled_from([(), ("b",), ("x",)])
)


def delivery(key, queue, priority=0):
    return Delivery(key, 0, 0, 1, TaskMessage(key, "t", b"", queue=queue, priority=priority))


class FakeLedger:
    """The lanes and what is drawn from them."""

    def __init__(self, tasks):
        self.lanes = Lanes({})
        for key, (queue, priority) in enumerate(tasks, 1):
            self.lanes.append(self.lanes.get_lane(queue, priority), delivery(key, queue, priority))

    @property
    def waiting(self):
        return self.lanes.waiting

    def draw(self, desk, limit, now):
        return self.lanes.draw(desk.held, 1, limit, now, desk.takes)[0]


class FakeLine:
    def __init__(self, running_s):
        self._running_s = running_s

    def running_s(self):
        return self._running_s


class FakePeer:
    def __init__(self, name, takes=None, held=(), running_s=0.0):
        self.routing_id = name.encode()
        self.line = FakeLine(running_s)
        self.desk = SlotDesk(name, takes=takes)
        self.desk.held = {key: delivery(key, queue) for key, queue in held}


def deal(tasks, peers):
    """Hand tasks out, and return the queues that each got tasks of."""
    got: dict[bytes, list[str]] = {peer.routing_id: [] for peer in peers}

    def send(to, _, tasks):
        got[to] += [each.message.queue for each in tasks.deliveries]
        return True

    hand_out(cast("Any", FakeLedger(tasks)), {peer.desk.name: peer for peer in peers}, send, 0.0)
    return list(got.values())


def test_a_choice_says_what_it_takes():
    only, but = choose_queues(["a", "b"], ["b"]), choose_queues([], ["a"])
    assert only is not None
    assert but is not None
    assert (str(only), str(but)) == ("only a", "all but a")
    assert [only.takes("a"), only.takes("b"), but.takes("a"), but.takes("b")] == [True, False, False, True]
    assert choose_queues([], []) is None
    with pytest.raises(ConfigError, match=r"all of queues \(a\) are in exclude_queues"):
        choose_queues(["a"], ["a", "b"])


@given(
    tasks=st.lists(st.tuples(QUEUES, st.integers(0, 2)), max_size=12),
    draws=st.lists(st.tuples(CHOICES, st.integers(1, 4)), max_size=6),
)
def test_draws_of_choosy_slots_keep_priorities_strict_and_take_what_they_may(tasks, draws):
    lanes = FakeLedger(tasks).lanes
    left = [(key, queue, priority) for key, (queue, priority) in enumerate(tasks, 1)]
    for takes, limit in draws:
        open_to = [each for each in left if takes is None or takes.takes(each[1])]
        assert lanes.count_waiting(takes) == len(open_to)
        drawn = [each.key for each in lanes.draw({}, 1, limit, 0.0, takes)[0]]
        assert len(drawn) == min(limit, len(open_to))
        for queue in {each[1] for each in open_to}:
            best = sorted((each for each in open_to if each[1] == queue), key=lambda each: (-each[2], each[0]))
            mine = [key for key in drawn if key in {each[0] for each in best}]
            assert mine == [each[0] for each in best][: len(mine)]
        left = [each for each in left if each[0] not in drawn]
    assert lanes.waiting == len(left)


def test_the_choosy_go_first_so_that_others_leave_them_theirs():
    tasks = [(queue, 0) for queue in "aaaabbbb"]
    everything, choosy = deal(tasks, [FakePeer("all"), FakePeer("b", QueueChoice(("b",)))])
    assert set(choosy) == {"b"}
    assert everything[:4] == ["a"] * 4
    assert len(everything) + len(choosy) == 8


def test_a_slot_that_takes_nothing_of_what_waits_gets_nothing():
    assert deal([("a", 0)] * 3, [FakePeer("b", QueueChoice(("b",))), FakePeer("c", QueueChoice(but=("a",)))]) == [
        [],
        [],
    ]


def test_lists_are_recalled_only_for_an_idle_slot_that_takes_something_of_them():
    numbers = count(1)
    busy = FakePeer("busy", held=[(next(numbers), queue) for queue in "baa"])
    takes_b, takes_a = QueueChoice(("b",)), QueueChoice(("a",))
    assert not _is_wanted(cast("Any", busy), [takes_b], {1})  # the one it runs can't be had
    assert _is_wanted(cast("Any", busy), [takes_b, takes_a], {1})
    assert _is_wanted(cast("Any", busy), [takes_b, None], {1})
    loads = [SlotLoad("idle", 0, 0.0, True), SlotLoad("busy", 3, 1.0, True, is_wanted=False)]
    assert plan_recalls(loads) == []
