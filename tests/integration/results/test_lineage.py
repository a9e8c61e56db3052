"""Parents and children of results, through a real node: recorded once, durable, the same for whoever asks."""

from __future__ import annotations

import pytest

from actorq import App
from actorq.testing.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_children_are_known_when_the_parent_has_ended_and_know_their_parent(tasks, node):
    root = tasks.family.delay(2)
    assert root.get(timeout=20) == 2
    assert root.parent is None
    first, second = root.children
    assert second.id.startswith("chosen-2-")
    assert first.parent == root
    assert second.parent == root.id
    assert [child.get(timeout=20) for child in (first, second)] == [1, 1]
    with App("shop", home=node.home) as other:
        found = other.AsyncResult(root.id)
        assert found.children == [first, second], "asked of the store, by somebody else"
        (grandchild, _) = other.AsyncResult(first.id).children
        assert grandchild.get(timeout=20) == 0
        assert other.AsyncResult(grandchild.id).parent == first.id
        assert other.AsyncResult(grandchild.id).children == []
        wait_until(lambda: other.AsyncResult(second.id).parent == root, 20, "the chosen id to have its parent")


def test_a_whole_family_is_collected_breadth_first(tasks):
    root = tasks.family.delay(2)
    collected = list(root.collect(timeout=20))
    assert [value for _, value in collected] == [2, 1, 1, 0, 0, 0, 0]
    assert collected[0][0] == root


def test_a_task_that_failed_has_children_too_and_one_that_sends_nothing_has_none(tasks):
    failed = tasks.fails.delay(1)
    assert isinstance(failed.get(timeout=20, propagate=False), ValueError)
    (child,) = failed.children
    assert child.get(timeout=20) == 2
    alone = tasks.add.delay(1, 2)
    assert alone.get(timeout=20) == 3
    assert (alone.children, alone.parent) == ([], None)


def test_so_many_children_are_remembered_and_no_more(tasks):
    parent = tasks.many.delay(2_500)
    assert parent.get(timeout=20) == 2_500
    assert len(parent.children) == 1_000


def test_a_running_task_has_a_parent_already_and_no_children_yet(tasks):
    running = tasks.nap.delay(1.0)
    wait_until(lambda: running.state == "STARTED", 20, "the task to run")
    assert (running.parent, running.children) == (None, [])
