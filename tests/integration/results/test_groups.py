"""Groups and sets of results, through a real node: saved by id, found by other processes, gone when their time is over."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from actorq import (
    ActorqError,
    App,
    BrokerUnavailable,
    GroupResult,
    ResultSet,
    ResultTimeout,
    ResultUnknown,
    result_from_tuple,
)
from actorq.testing.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def make_group(tasks, count=4, **options):
    return tasks.app.GroupResult(results=[tasks.add.delay(n, n) for n in range(count)], **options)


def test_a_group_is_restored_by_its_id_in_another_process_after_a_restart(tasks, node):
    group = make_group(tasks)
    assert group.get(timeout=20) == [0, 2, 4, 6]
    assert group.save() == group.id
    node.kill()
    node.start().wait_ready()
    with App("shop", home=node.home) as other:
        found = other.GroupResult.restore(group.id)
        assert (found, found.id, found.children) == (group, group.id, group.results)
        assert GroupResult.restore(group.id, app=other).get(timeout=20) == [0, 2, 4, 6]
        assert (found.completed_count(), found.ready(), found.successful()) == (4, True, True)
        assert found.delete() is True
        assert found.delete() is False
        with pytest.raises(ResultUnknown, match=f"group {group.id} is unknown here"):
            other.GroupResult.restore(group.id)


def test_a_group_keeps_its_parent_and_a_set_its_order(tasks):
    before = tasks.add.delay(1, 1)
    group = make_group(tasks, parent=before)
    group.save()
    assert tasks.app.GroupResult.restore(group.id).parent == before
    results = ResultSet(tasks.add.delay(n, 1) for n in (5, 3, 4))
    assert results.save("mine") == "mine"
    restored: ResultSet[int] = ResultSet.restore("mine", tasks.app)
    assert restored == results
    assert restored.get(timeout=20) == [6, 4, 5]
    assert ResultSet.restore(results.save(), tasks.app) == results, "an id of its own"
    results.add(tasks.add.delay(1, 1))
    results.save("mine")
    assert len(ResultSet.restore("mine", tasks.app)) == 4, "the later one counts"
    empty = tasks.app.GroupResult("empty")
    empty.save()
    assert tasks.app.GroupResult.restore("empty").results == []


def test_a_group_goes_when_its_time_is_over(tasks):
    group = make_group(tasks)
    group.save(expires=0.5)

    def is_gone():
        try:
            tasks.app.GroupResult.restore(group.id)
        except ResultUnknown:
            return True
        return False

    wait_until(is_gone, 20, "the group to expire")
    assert group.get(timeout=20) == [0, 2, 4, 6], "its results have their own time"


def test_a_group_survives_as_plain_data(tasks):
    group = make_group(tasks, parent=tasks.add.delay(1, 1))
    data = json.loads(json.dumps(group.as_tuple()))
    found = result_from_tuple(data, tasks.app)
    assert isinstance(found, GroupResult)
    assert (found, found.parent, found.results) == (group, group.parent, group.results)
    one = tasks.add.delay(1, 2)
    assert result_from_tuple(one.as_tuple(), tasks.app).get(timeout=20) == 3
    nested = tasks.app.GroupResult("outer", [tasks.add.delay(1, 1)])
    assert (str(nested), hash(nested), nested == "outer", nested == "inner") == ("outer", hash("outer"), True, False)
    wrong: Any
    for wrong in ("text", [1], [["id"], None], None, [["", None], None]):
        with pytest.raises((TypeError, ValueError)):
            result_from_tuple(wrong, tasks.app)


def test_members_are_told_as_they_end_and_what_is_late_is_named(tasks):
    slow, quick, failed = tasks.nap.delay(1.0), tasks.add.delay(1, 1), tasks.divide.delay(1, 0)
    results = ResultSet([slow, quick, failed])
    assert next(iter(results.iter_completed(timeout=20))) in (quick, failed)
    order = list(results.iter_completed(timeout=20))
    assert order[-1] == slow
    assert set(order) == {slow, quick, failed}
    assert (results.completed_count(), results.failed()) == (2, True)
    late = ResultSet([tasks.nap.delay(20.0), quick])
    with pytest.raises(ResultTimeout, match="1 of 2 tasks haven't ended"):
        list(late.iter_completed(timeout=0.2))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(tasks):
    results = ResultSet([tasks.add.delay(1, 1), tasks.divide.delay(1, 0), tasks.add.delay(1, 2)])
    terminal, file = Terminal(), io.StringIO()
    assert set(results.progress(timeout=20, file=terminal)) == set(results)
    last = terminal.getvalue().split("\r")[-1]
    assert "3/3  100 %  1 failed" in last
    assert last.endswith("\n")
    assert len(list(results.progress(timeout=20, file=file))) == 3
    assert file.getvalue() == ""


def test_what_cant_be_saved_or_restored_says_why(tasks, node):
    group = make_group(tasks, 1)
    with pytest.raises(ValueError, match="expected expires to be seconds above 0, got 0"):
        group.save(expires=0)
    with pytest.raises(ValueError, match="saved under its own id"):
        group.save(id="other")
    with pytest.raises(TypeError, match="stored nowhere"):
        ResultSet([tasks.add.apply((1, 1))]).save()
    with pytest.raises(TypeError, match="say app="):
        ResultSet().save()
    with pytest.raises(TypeError, match="expected an application"):
        GroupResult.restore("x")
    for id in (3, "", "x" * 256):
        with pytest.raises((TypeError, ValueError), match="expected the id of a group"):
            tasks.app.GroupResult.restore(id)
    with pytest.raises(ActorqError, match="bad arguments for 'group'"):
        tasks.app.ask("group", {"verb": "steal", "id": "x"})
    node.kill()
    with pytest.raises(BrokerUnavailable):
        group.save(timeout=0.3)


def test_a_result_is_gone_after_its_own_time_and_others_stay(tasks):
    short = tasks.add.apply_async((1, 2), result_expires=0.5)
    long = tasks.add.delay(3, 4)
    assert (short.get(timeout=20), long.get(timeout=20)) == (3, 7)
    wait_until(lambda: tasks.app.AsyncResult(short.id).state == "UNKNOWN", 20, "the result to expire")
    with App("shop", home=tasks.app.home.path) as other:
        with pytest.raises(ResultUnknown):
            other.AsyncResult(short.id).get(timeout=5)
        assert other.AsyncResult(long.id).get(timeout=20) == 7
