"""What a request says about the run it stands for."""

from __future__ import annotations

import pytest

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
