"""Workflows that run where they are sent: results as a tree, failures, callbacks and errbacks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import structlog

from actorq import (
    ActorqError,
    App,
    ChordError,
    NotRegistered,
    RemoteError,
    Task,
    WouldBlock,
    chain,
    chord,
    current_request,
    group,
    signature,
)

said: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_is_said():
    said.clear()


def define(app):
    @app.task(name="add")
    def add(x, y):
        return x + y

    @app.task(name="total")
    def total(values):
        return sum(values)

    @app.task(name="fail")
    def fail(*_):
        raise ValueError("no")

    @app.task(name="say")
    def say(*args):
        said.append(list(args))

    @app.task(name="say_id")
    def say_id(task_id):
        said.append(task_id)

    @app.task(name="say_details", bind=True)
    def say_details(self, request, exc, traceback):
        said.append((request.id, request.task, str(exc), traceback))

    @app.task(name="who", bind=True)
    def who(self, *_):
        return [self.request.id, self.request.parent_id, self.request.root_id]

    @app.task(name="slow")
    async def slow(x):
        await asyncio.sleep(0)
        return x * 2


@pytest.fixture
def app(tmp_path):
    app = App("eager", home=tmp_path / "home", config={"task_always_eager": True})
    define(app)
    yield app
    assert not (tmp_path / "home").exists(), "nothing was to be sent"


@pytest.fixture
def tasks(app):
    return app.tasks


# -- values ----------------------------------------------------------------------------------------------------------------


def test_a_task_makes_signatures_of_itself(tasks):
    add = tasks["add"]
    assert add.s(1, y=2) == add.signature((1,), {"y": 2})
    assert add.si(1).immutable
    assert add.subtask((1,), queue="q").options == {"queue": "q"}
    assert add.s(1, 2)() == 3
    assert add.s(2)(1) == 3
    assert ~add.s(1, 2) == 3


def test_a_signature_from_a_document_needs_an_application(app, tasks):
    document = json.loads(json.dumps(dict(tasks["add"].s(1) | tasks["add"].s(2))))
    with pytest.raises(TypeError, match=r"app\.signature"):
        signature(document).delay(1)
    assert app.signature(document).delay(1).get() == 4
    assert app.signature("add", (1, 2)).delay().get() == 3


# -- chains ----------------------------------------------------------------------------------------------------------------


def test_a_chain_hands_each_result_on_and_its_own_is_that_of_the_last(tasks):
    add = tasks["add"]
    result = (add.s(1, 2) | add.s(3) | add.si(10, 10)).delay()
    assert result.get() == 20
    assert [result.parent.get(), result.parent.parent.get(), result.parent.parent.parent] == [6, 3, None]
    assert result.parent.children == [result]
    first = (add.s(1, 2) | group(add.s(1), add.s(2))).delay().parent
    assert [value for _, value in first.collect()] == [3, [4, 5], 4, 5]
    assert add.s(1, 1).apply().get() == 2


def test_tasks_of_a_chain_know_the_first_and_the_one_before(tasks):
    who = tasks["who"]
    last = (who.si().set(task_id="a") | who.si().set(task_id="b") | who.si()).apply_async(task_id="c")
    assert [last.parent.parent.get(), last.parent.get(), last.get()] == [
        ["a", None, "a"],
        ["b", "a", "a"],
        ["c", "b", "a"],
    ]


def test_a_chain_stops_at_the_first_failure_and_its_result_raises_it(tasks):
    result = (tasks["add"].s(1, 2) | tasks["fail"].s() | tasks["say"].s()).delay()
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=5)
    assert (result.state, result.parent.state, result.parent.parent.state) == ("FAILURE", "FAILURE", "SUCCESS")
    assert said == []


def test_a_failure_before_a_group_fails_its_members_instead_of_hanging(tasks):
    result = (tasks["fail"].s() | group(tasks["say"].s(), tasks["say"].s())).delay()
    assert [each.state for each in result] == ["FAILURE", "FAILURE"]
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=5)
    assert result.parent.failed()
    assert said == []


def test_an_empty_chain_is_over_at_once(app):
    assert app.signature(chain()).apply_async().get() is None


def test_what_a_task_gets_is_a_copy_and_went_through_the_codec(tasks):
    assert (tasks["add"].s((1,), (2,)) | tasks["say"].s()).apply().successful()
    assert said == [[[1, 2]]]


def test_the_result_of_a_task_that_ignores_it_is_still_handed_on(tasks):
    assert (tasks["add"].s(1, 2).set(ignore_result=True) | tasks["add"].s(1)).delay().get() == 4


def test_coroutines_are_tasks_of_workflows_too(tasks):
    async def main():
        return (tasks["slow"].s(2) | tasks["slow"].s()).delay().get()

    assert (tasks["slow"].s(2) | tasks["slow"].s()).delay().get() == 8
    assert asyncio.run(main()) == 8


# -- groups and chords -----------------------------------------------------------------------------------------------------


def test_a_group_has_the_results_of_its_members_in_order(tasks):
    add = tasks["add"]
    result = group(add.s(each, each) for each in range(3)).apply_async(task_id="mine")
    assert (result.id, result.get(), result.children) == ("mine", [0, 2, 4], result.results)
    nested = group(group(add.s(1, 1), add.s(2, 2)), add.s(3, 3)).delay()
    assert nested.get() == [[2, 4], 6]
    assert (nested[0].state, nested.completed_count()) == ("SUCCESS", 2)
    assert group([]).bind(add.app).delay().get() == []


def test_a_chord_calls_its_body_once_with_the_results_in_order(tasks):
    result = chord([tasks["add"].s(each, each) for each in range(4)])(tasks["say"].s("end"))
    assert said == [[[0, 2, 4, 6], "end"]]
    assert result.parent.get() == [0, 2, 4, 6]
    assert (group(tasks["add"].s(1, 1), tasks["add"].s(2, 2)) | tasks["total"].s()).delay().get() == 6


def test_a_body_fails_with_the_first_failure_of_the_header_and_the_rest_of_the_header_goes_on(tasks):
    header = [tasks["fail"].s().set(task_id="first"), tasks["say"].s(1)]
    result = (chord(header, tasks["total"].s()) | tasks["say"].s("never")).delay()
    with pytest.raises(ChordError, match="task first of its header failed with ValueError: no") as raised:
        result.get()
    assert isinstance(raised.value.__cause__, ValueError)
    assert raised.value.task_id == "first"
    assert said == [[1]]


def test_a_value_that_does_not_travel_fails_the_task(tasks):
    @tasks["add"].app.task(name="secretive")
    def secretive():
        return object()

    result = (secretive.s() | tasks["say"].s()).delay()
    assert result.failed()
    assert "object" in str(result.result)


def test_results_have_the_ids_that_were_frozen(tasks):
    add = tasks["add"]
    canvas = (group(add.s(1, 1), add.s(2, 2)) | tasks["total"].s() | add.s(1)).freeze()
    result = canvas.delay()
    assert (result.id, result.get()) == (canvas.id, 7)
    assert [each.id for each in result.parent.parent] == [each.id for each in canvas.tasks]
    assert result.parent.parent.id == canvas.header.id
    assert group(add.s(each, 1) for each in range(2)).freeze("all").delay().id == "all"


# -- links -----------------------------------------------------------------------------------------------------------------


def test_callbacks_are_called_on_success_only_with_the_result_first(app, tasks):
    tasks["add"].s(1, 2).link(tasks["say"].s("a")).link(tasks["add"].s(4) | tasks["say"].s("b")).delay()
    assert said == [[3, "a"], [7, "b"]]
    said.clear()
    tasks["fail"].s().link(tasks["say"].s()).delay()
    assert said == []
    assert tasks["add"].apply_async((1, 2), link=tasks["say"].s("c")).get() == 3
    assert tasks["add"].apply((1, 2), link=tasks["say"].s("d")).get() == 3
    assert app.send_task("add", (1, 2), link=dict(tasks["say"].s("e"))).get() == 3
    assert app.send_task("add", (1, 2), link=[]).get() == 3
    assert said == [[3, "c"], [3, "d"], [3, "e"]]
    with pytest.raises(ValueError, match="no"):
        tasks["fail"].apply(link_error=tasks["say_id"].s(), throw=True)


def test_an_errback_with_one_argument_gets_the_id_and_one_with_three_what_happened(tasks):
    failing = tasks["fail"].s(1).set(task_id="it")
    failing.link_error(tasks["say_id"].s()).link_error(tasks["say_details"].s()).link_error(
        tasks["say"].si("si")
    ).delay()
    assert [said[0], said[1][:3], said[2]] == ["it", ("it", "fail", "no"), ["si"]]
    assert "ValueError: no" in said[1][3]


def test_errbacks_of_a_body_are_called_when_a_member_of_the_header_fails(tasks):
    chord([tasks["fail"].s()], tasks["total"].s().set(task_id="body").on_error(tasks["say_id"].s())).delay()
    (group(tasks["fail"].s(), tasks["fail"].s()) | tasks["total"].s().on_error(tasks["say_details"].s())).delay()
    assert (said[0], said[1][1], len(said)) == ("body", "total", 2)


def test_what_an_errback_raises_is_logged_and_changes_nothing(tasks):
    with structlog.testing.capture_logs() as logged:
        result = tasks["fail"].s().on_error(tasks["fail"].s()).on_error(tasks["say_id"].s()).delay()
    assert (result.state, said) == ("FAILURE", [result.id])
    assert [line["event"] for line in logged] == ["errback_failed"]


# -- many calls in one task ------------------------------------------------------------------------------------------------


def test_map_starmap_and_chunks(tasks):
    add, total = tasks["add"], tasks["total"]
    assert total.map([[1, 2], [3]]).delay().get() == [3, 3]
    assert (add.starmap([(1, 2), (3, 4)]) | total.s()).delay().get() == 10
    assert add.chunks(zip(range(5), range(5), strict=True), 2).delay().get() == [[0, 2], [4, 6], [8]]
    assert tasks["slow"].map([1, 2])() == [2, 4]
    assert tasks["fail"].map([1]).apply().failed()


# -- what changes while it runs --------------------------------------------------------------------------------------------


def test_what_replaces_a_task_has_its_id_and_what_follows_it(app, tasks):
    @app.task(name="again", bind=True)
    def again(self, times):
        if times:
            return self.replace(again.s(times - 1))
        request = self.request
        return [request.id, request.replaced_task_nesting, request.parent_id]

    assert again.delay(2).get()[1] == 2
    result = (tasks["add"].s(1, 1).set(task_id="before") | again.s().set(task_id="mine").link(tasks["say"].s())).delay()
    assert (result.id, result.get()) == ("mine", ["mine", 2, "before"])
    assert said == [[["mine", 2, "before"]]]
    assert again.apply((1,)).get()[1] == 1
    assert again(1)[1] == 0, "a direct call has no id to keep"


def test_a_group_may_replace_a_task_and_a_failure_of_what_replaces_it_is_its_own(app, tasks):
    @app.task(name="spread", bind=True, autoretry_for=(Exception,))
    def spread(self, count):
        return self.replace(group(tasks["add"].s(each, each) for each in range(count)))

    @app.task(name="give_way", bind=True)
    def give_way(self):
        return self.replace(tasks["fail"].s())

    assert (spread.s(3) | tasks["total"].s()).delay().get() == 6
    assert chord([spread.s(2), spread.s(3)], tasks["say"].s()).delay().successful()
    assert said.pop() == [[[0, 2], [0, 2, 4]]]
    result = (give_way.s().set(task_id="gave").on_error(tasks["say_id"].s()) | tasks["say"].s()).delay()
    assert (str(result.result), said) == ("no", ["gave"])


def test_a_task_may_do_something_when_it_is_replaced(app, tasks):
    class Loud(Task[[], int]):
        name = "loud"

        def run(self):
            return self.replace(tasks["add"].s(1, 1))

        def on_replace(self, sig):
            said.append(sig.task)
            return super().on_replace(sig)

    assert app.register_task(Loud).delay().get() == 2
    assert said == ["add"]


def test_what_cannot_replace_a_task_fails_it(app):
    @app.task(name="wrong", bind=True)
    def wrong(self, name):
        return self.replace(app.signature(name) if name else "add")

    assert isinstance(wrong.delay("nobody").result, NotRegistered)
    assert "expected what replaces a task to be a signature, got 'add'" in str(wrong.delay("").result)


def test_a_task_in_the_header_of_a_chord_may_add_members(app, tasks):
    @app.task(name="more", bind=True)
    def more(self, times):
        if times:
            self.add_to_chord(more.s(times - 1))
        return times

    result = chord([more.s(2), tasks["add"].s(5, 5)])(tasks["say"].s())
    assert said == [[[2, 10, 1, 0]]]
    assert result.parent.get() == [2, 10, 1, 0]
    for elsewhere in (more.s(1), more.s(1) | tasks["say"].s(), group(more.s(1), more.s(1))):
        result = elsewhere.delay()
        assert result.failed()
        with pytest.raises(ValueError, match="header of a chord"):
            result.get()


# -- what can't be run -----------------------------------------------------------------------------------------------------


def test_nothing_starts_where_something_does_not_fit(app, tasks):
    add, say = tasks["add"], tasks["say"]
    with pytest.raises(NotRegistered, match="'nobody'"):
        (say.s() | app.signature("nobody")).delay()
    with pytest.raises(NotRegistered, match="'nobody'"):
        add.s(1, 2).link_error(app.signature("nobody")).delay()
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        (say.s() | add.s(1, 2)).delay()
    with pytest.raises(TypeError, match="did you mean 'queue'"):
        (say.s() | say.s().set(quue="a")).delay()
    with pytest.raises(ValueError, match="an id of its own, got 'same' twice"):
        group(say.s().set(task_id="same"), say.s().set(task_id="same")).delay()
    assert said == []


def test_with_eager_propagates_the_failure_is_raised_where_it_is_sent(tmp_path):
    app = App("loud", home=tmp_path, config={"task_always_eager": True, "task_eager_propagates": True})
    define(app)
    with pytest.raises(ValueError, match="no"):
        (app.tasks["add"].s(1, 2) | app.tasks["fail"].s()).delay()


def test_an_exception_comes_back_as_from_a_node(app, tasks):
    class UnheardOfError(Exception):
        pass

    @app.task(name="odd")
    def odd():
        raise UnheardOfError

    with pytest.raises(RemoteError):
        (odd.s() | tasks["say"].s()).delay().get()


def test_a_task_may_start_a_workflow_but_not_wait_for_it(app, tasks):
    @app.task(name="outer")
    def outer():
        inner = (tasks["who"].s() | tasks["who"].si()).delay()
        with pytest.raises(WouldBlock):
            inner.get()
        request = current_request()
        assert request is not None
        return [request.id, *inner.get(disable_sync_subtasks=False)]

    own, inner_id, parent, root = outer.delay().get()
    assert own == root
    assert parent not in (own, inner_id)


def test_without_eager_mode_one_task_is_sent_and_a_workflow_is_refused(tmp_path):
    app = App("sent", home=tmp_path)
    define(app)
    add = app.tasks["add"]
    with app:
        assert add.s(1).delay(2).state == "PENDING"
        for workflow in (add.s(1, 2) | add.s(3), group(add.s(1, 2)), add.s(1, 2).link(add.s(3))):
            with pytest.raises(ActorqError, match="a node doesn't run workflows yet; run it here by apply"):
                workflow.delay()
        assert (add.s(1, 2) | add.s(3)).apply().get() == 6, "apply is always here"
