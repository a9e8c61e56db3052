"""A hub whose store doesn't know what an earlier one confirmed: callers that live on go on. Real nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actorq import App, ResultUnknown
from tests.nodes import NodeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUES = {"mail": {"max": 1_000}}
TASKS = f"""
from actorq import App

app = App("shop", config={{"task_queues": {QUEUES!r}}})

@app.task
def echo(number):
    return number
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "code"
    path.mkdir()
    (path / "tasks.py").write_text(TASKS)
    return path


@pytest.fixture
def app(home: Path) -> Iterator[App]:
    with App("shop", home=home, config={"task_queues": QUEUES}) as app:
        yield app


def send(app: App, number: int, queue: str, **options: Any) -> Any:
    return app.send_task("tasks.echo", [number], queue=queue, **options)


@pytest.mark.parametrize("queue", ["default", "mail"])
@pytest.mark.parametrize("durability", ["none", "process"])
def test_tasks_of_a_caller_that_an_earlier_hub_knew_are_taken_by_one_that_remembers_nothing(
    folder: Path, home: Path, app: App, durability: str, queue: str
) -> None:
    options = ("--durability", durability)
    with NodeProcess("tasks", home, folder, options=options) as node:
        assert [send(app, number, queue).get(timeout=20) for number in range(5)] == list(range(5))
        forgotten = send(app, 5, queue, countdown=3600)
        app.flush()
        node.stop()
    for path in home.glob("store.*"):  # with its mark: a store alone that is missing is damage
        path.unlink()
    waiting = [send(app, number, queue) for number in range(300)]
    with NodeProcess("tasks", home, folder, options=options):
        assert [result.get(timeout=20) for result in waiting] == list(range(300)), "what was in the outbox"
        assert [send(app, number, queue).get(timeout=20) for number in range(5)] == list(range(5))
        with pytest.raises(ResultUnknown):
            forgotten.get(timeout=20)


def test_what_a_caller_left_between_two_hubs_runs_though_the_second_knows_nothing_of_it(
    folder: Path, home: Path, app: App
) -> None:
    options = ("--durability", "none")
    with NodeProcess("tasks", home, folder, options=options) as node:
        assert send(app, 1, "default").get(timeout=20) == 1
        node.stop()
    left = [send(app, number, "default").id for number in range(10)]
    app.close()
    with NodeProcess("tasks", home, folder, options=options), App("shop", home=home) as other:
        assert [other.AsyncResult(each).get(timeout=20) for each in left] == list(range(10))


def test_a_broker_that_starts_again_beside_a_store_that_remembers_takes_each_task_once(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder) as node:
        before = [send(app, number, "default") for number in range(200)]
        app.flush()
        node.kill()
    between = [send(app, number, "default") for number in range(200, 400)]
    with NodeProcess("tasks", home, folder):
        assert [result.get(timeout=20) for result in (*before, *between)] == list(range(400))
