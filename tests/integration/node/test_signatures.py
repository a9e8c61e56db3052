"""What a node does with signatures today: one task, or many calls in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actorq import ActorqError, NotRegistered
from tests.integration.node import sent_tasks as tasks
from tests.nodes import ROOT, NodeProcess, home_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", autouse=True)
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home: Path = tmp_path_factory.mktemp("sent") / "home"
    tasks.app.close()
    tasks.app.use_home(home_of(home))
    with NodeProcess(tasks.__name__, home, ROOT):
        yield
    tasks.app.close()


def test_a_signature_of_one_task_is_sent_as_the_task() -> None:
    assert tasks.add.s(2).delay(1).get(timeout=15) == 3
    assert tasks.add.signature((1, 2), task_id="mine", priority=9).apply_async().id == "mine"
    assert ~tasks.add.si(1, 2) == 3


@pytest.mark.parametrize("options", [{}, {"queue": "default", "serializer": "json"}])
def test_many_calls_go_as_one_task(options: dict[str, Any]) -> None:
    assert tasks.add.starmap([(1, 2), (3, 4)]).apply_async(**options).get(timeout=15) == [3, 7]
    assert tasks.double.map(range(3)).apply_async(**options).get(timeout=15) == [0, 2, 4]


def test_what_one_of_many_calls_raises_ends_them_all() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        tasks.add.starmap([(1, 2), (3,)]).delay().get(timeout=15)
    with pytest.raises(NotRegistered, match="'nobody'"):
        tasks.app.signature({**tasks.add.map([1]), "kwargs": {"task": {"task": "nobody"}, "it": [1]}}).delay().get(
            timeout=15
        )


def test_what_a_node_cannot_do_yet_says_so() -> None:
    with pytest.raises(ActorqError, match="a node doesn't run workflows yet"):
        (tasks.add.s(1, 2) | tasks.add.s(3)).delay()
    with pytest.raises(ActorqError, match="can't replace tasks yet"):
        tasks.give_way.delay().get(timeout=15)


def test_built_in_tasks_are_not_listed_among_those_of_the_application() -> None:
    registered = str(tasks.app.control.inspect().registered())
    assert "add" in registered
    assert "actorq.map" not in registered
