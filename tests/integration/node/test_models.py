"""pydantic=True through a real node: models go in and come out as plain data."""

from __future__ import annotations

import datetime
import importlib
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actorq import RemoteError, Secret
from tests.nodes import ROOT, NodeProcess, home_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pydantic = pytest.importorskip("pydantic")
tasks: Any = importlib.import_module("tests.integration.node.model_tasks")

PLAIN = {
    "number": str(uuid.UUID(int=7)),
    "day": "2026-11-22",
    "items": [{"name": "pear"}, {"name": "fig", "count": "2"}],
}


@pytest.fixture(scope="module", autouse=True)
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    home = tmp_path_factory.mktemp("models") / "home"
    tasks.app.close()
    tasks.app.use_home(home_of(home))
    paths = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(pydantic.__file__).parents[1])))}
    with NodeProcess(tasks.__name__, home, ROOT, environ=paths) as running:
        yield running
    tasks.app.close()


def test_plain_data_becomes_models_in_the_slot_and_models_become_plain_data() -> None:
    left = {**PLAIN, "items": [{"name": "fig", "count": 2}]}
    assert tasks.ship.apply_async((PLAIN,), {"weight": "2.5"}).get(timeout=15) == left


def test_models_may_be_sent_as_they_are() -> None:
    order = tasks.Order(number=uuid.UUID(int=7), day=datetime.date(2026, 11, 22), items=[tasks.Item(name="fig")])
    assert tasks.ship.delay(order).get(timeout=15)["items"] == []
    assert [each.get(timeout=15)["items"] for each in tasks.ship.delay_many([(order,), (order,)])] == [[], []]


def test_a_coroutine_and_a_bound_task_are_validated_too() -> None:
    name, first, token, rest = tasks.ship_async.apply_async((PLAIN, Secret("t"))).get(timeout=15)
    assert (name, first, token) == ("ship_async", {"name": "pear", "count": 1}, "t")
    assert rest["order"]["items"][1]["count"] == 2


def test_a_class_based_task_is_validated_too() -> None:
    assert tasks.count.delay({"name": "a", "count": 4}, 1).get(timeout=15) == 4
    assert tasks.count.delay(None, 1).get(timeout=15) == 0


def test_what_doesnt_fit_fails_with_the_place() -> None:
    wrong = {**PLAIN, "items": [{"name": "pear", "count": "many"}]}
    with pytest.raises(RemoteError, match="items.0.count") as caught:  # noqa: RUF043
        tasks.ship.apply_async((wrong,)).get(timeout=15)
    assert caught.value.class_name.endswith("ValidationError")


def test_what_is_masked_isnt_shown_by_the_error() -> None:
    with pytest.raises(RemoteError, match="1 validation error") as caught:
        tasks.count.delay(None, "hunter2").get(timeout=15)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in caught.value.traceback
