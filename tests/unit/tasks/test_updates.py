"""What a task may say of itself, and where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actorq import App
from actorq.errors import ActorqError, EncodeError, Ignore, TaskIgnored
from actorq.messages.task import Delivery, TaskMessage
from actorq.tasks import updates
from actorq.tasks.request import Request, pop_request, push_request
from actorq.tasks.updates import MAX_META_BYTES, check_state, find_last_update, update_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actorq.messages.updates import Update


@pytest.fixture
def carried() -> Iterator[list[Update]]:
    told: list[Update] = []
    updates.carry_with(told.append, "node")
    yield told
    updates._carriers.clear()


@pytest.fixture
def request_() -> Request:
    message = TaskMessage(3, "t", b"", retries=2)
    return Request.from_delivery(Delivery(30, 1, 0, 7, message), "node", 1)


def test_an_update_says_which_run_of_which_task_it_is_of(carried: list[Update], request_: Request) -> None:
    assert find_last_update(request_) is None
    update_state(request_, "PROGRESS", {"done": 3})
    (update,) = carried
    assert (update.state, update.outbox_id, update.number, update.retries) == ("PROGRESS", 7, 3, 2)
    assert find_last_update(request_) == update


def test_without_a_state_it_stays_as_it_was(carried: list[Update], request_: Request) -> None:
    for state in (None, "HALFWAY", None):
        update_state(request_, state, 1)
    assert [update.state for update in carried] == ["STARTED", "HALFWAY", "HALFWAY"]


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED", "REJECTED"])
def test_how_it_is_to_end_is_kept_and_not_told_while_it_runs(
    carried: list[Update], request_: Request, state: str
) -> None:
    update_state(request_, state, None)
    assert carried == []
    last = find_last_update(request_)
    assert last is not None
    assert last.state == state


@pytest.mark.parametrize("state", ["PENDING", "RECEIVED", "RETRY", "IGNORED", "UNKNOWN", "", "x" * 65, "a\nb"])
def test_what_is_not_a_tasks_to_say_is_refused(request_: Request, state: str) -> None:
    with pytest.raises(ValueError, match="expected state"):
        update_state(request_, state, None)
    assert find_last_update(request_) is None


def test_a_state_is_a_text() -> None:
    with pytest.raises(TypeError, match="expected state to be a text"):
        check_state(3)


def test_what_cannot_be_encoded_or_is_too_big_is_refused(carried: list[Update], request_: Request) -> None:
    with pytest.raises(EncodeError):
        update_state(request_, "PROGRESS", object())
    with pytest.raises(ValueError, match=f"expected meta to take up to {MAX_META_BYTES} bytes"):
        update_state(request_, "PROGRESS", "x" * MAX_META_BYTES)
    update_state(request_, "PROGRESS", "x" * (MAX_META_BYTES - 8))
    assert len(carried) == 1


def test_outside_of_a_task_it_is_refused(tmp_path: Path) -> None:
    app = App("shop", home=tmp_path / "home")

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    with pytest.raises(ActorqError, match="outside of any task"):
        add.update_state("PROGRESS", {})


def test_anothers_task_id_is_refused(tmp_path: Path, request_: Request) -> None:
    app = App("shop", home=tmp_path / "home")
    task: Any = app.task(name="t")(print)
    token = push_request(request_)
    try:
        with pytest.raises(ValueError, match="expected task_id to be that of the running task"):
            task.update_state("PROGRESS", task_id="order-7")
        task.update_state("PROGRESS", task_id=request_.id)
    finally:
        pop_request(token)


def test_a_task_that_is_called_directly_may_say_what_it_likes(tmp_path: Path, carried: list[Update]) -> None:
    app = App("shop", home=tmp_path / "home")

    @app.task(bind=True)
    def work(self: Any) -> str:
        self.update_state("PROGRESS", {"done": 1})
        return "done"

    assert work() == "done"
    assert work.apply().get() == "done"
    assert carried == []


def test_an_eager_task_that_raises_ignore_ends_as_it_said(tmp_path: Path) -> None:
    app = App("shop", home=tmp_path / "home", config={"task_always_eager": True})

    @app.task(bind=True)
    def work(self: Any, state: str | None) -> None:
        if state:
            self.update_state(state, {"why": "closed"})
        raise Ignore

    ended = work.delay("SKIPPED")
    said: Any = ended.info
    assert (ended.state, said) == ("SKIPPED", {"why": "closed"})
    with pytest.raises(TaskIgnored):
        ended.get()
    assert list(ended.updates()) == []
    assert work.delay(None).state == "IGNORED"
    assert work.delay("SUCCESS").get() == {"why": "closed"}
