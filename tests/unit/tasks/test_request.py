"""What a request says about the run it stands for."""

from __future__ import annotations

import os
from typing import Any

import pytest

from actorq import App, current_request, current_task
from actorq.messages.ids import format_task_id
from actorq.messages.task import Delivery, TaskMessage
from actorq.tasks.request import Request


def request_of(**fields):
    return Request.from_delivery(Delivery(1, 2, 1, 99, TaskMessage(7, "job", b"", **fields)), "node", 4242)


def test_a_request_goes_by_its_place_in_the_outbox():
    request = request_of()
    assert request.id == request.correlation_id == request.root_id == format_task_id(99, 7)
    assert request.id is request.id  # worked out once


def test_an_id_that_the_caller_chose_comes_first():
    request = request_of(alias="order-5", root="the-first", parent="the-one-before")
    assert (request.id, request.root_id, request.parent_id) == ("order-5", "the-first", "the-one-before")


def test_nobody_renames_a_request():
    with pytest.raises(AttributeError):
        request_of().id = "another"


def test_a_delivery_says_where_it_runs():
    request = request_of()
    assert (request.hostname, request.pid, request.deliveries, request.in_slot) == ("node", 4242, 1, True)
    assert not request.is_eager
    assert not request.called_directly


def test_a_direct_call_has_no_id_and_an_eager_one_has():
    assert Request.make_local("job", (), {}).id == ""
    assert Request.make_local("job", (), {}, eager=True).id


@pytest.mark.parametrize("way", ["apply", "apply_async"])
def test_a_run_in_this_process_has_every_field_too(tmp_path, way):
    app = App("shop", home=tmp_path, config={"task_always_eager": True})

    @app.task(bind=True, queue="q", priority=4, time_limit=9)
    def look(self):
        assert (current_task(), current_request()) == (self, self.request)

    seen: list[Any] = []
    look.after_return = lambda *_: seen.append(current_request())
    look.handlers = frozenset({"after_return"})
    getattr(look, way)(headers={"a": 1}, task_id="mine", soft_time_limit=5, serializer="pickle", ignore_result=True)
    request = seen[0]
    assert (request.id, request.root_id, request.headers, request.timelimit) == ("mine", "mine", {"a": 1}, (9, 5))
    assert request.delivery_info == {"queue": "q", "priority": 4, "redelivered": False, "deliveries": 0}
    assert (request.is_eager, request.called_directly, request.hostname) == (True, False, os.uname().nodename)
    assert request.properties["content_type"] == "pickle"
    assert current_task() is None


def test_a_direct_call_is_a_run_of_its_task_too(tmp_path):
    app = App("shop", home=tmp_path)
    assert app.task(name="t")(current_task)() is app.tasks["t"]


def test_a_field_may_be_asked_for_by_name():
    request = request_of()
    assert (request.get("task"), request.get("no_such", 5), request.get("_id")) == ("job", 5, None)


@pytest.mark.parametrize("way", ["apply", "apply_async"])
def test_an_option_that_no_call_has_is_named_with_the_nearest_that_one_has(tmp_path, way):
    task = App("shop", home=tmp_path).task(name="t")(print)
    with pytest.raises(TypeError, match=r"'prioriti' for a call of t; did you mean 'priority'"):
        getattr(task, way)(prioriti=5)
