"""Results of a real node, many as one: in order, as they come, in part, with failures, inside tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actorq import App, ResultSet, ResultTimeout
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE = """

@app.task
def gather(count: int) -> list[int]:
    from actorq import ResultSet
    return ResultSet(add.delay(n, 1) for n in range(count)).get(timeout=20)

@app.task
def gather_anyhow(count: int) -> list[int]:
    from actorq import ResultSet
    return ResultSet(add.delay(n, 1) for n in range(count)).get(timeout=20, disable_sync_subtasks=False)
"""


@pytest.fixture
def app(folder: Path, home: Path) -> Iterator[App]:
    with (folder / "tasks.py").open("a") as code:
        code.write(MORE)
    with NodeProcess("tasks", home, folder), App("shop", home=home) as client:
        yield client


def test_a_set_is_joined_in_order_and_told_as_it_comes(app: App) -> None:
    slow = app.send_task("tasks.nap", [1.0])
    results = ResultSet([slow, *(app.send_task("tasks.add", [n, 1]) for n in range(500))])
    order = [task_id for task_id, _ in results.iter_native(timeout=60)]
    assert sorted(order) == sorted(each.id for each in results)
    assert order[0] != slow.id
    assert results.get(timeout=0)[1:] == list(range(1, 501))
    assert (results.successful(), results.completed_count()) == (True, 501)


def test_a_failure_ends_the_wait_while_others_run(app: App) -> None:
    results = ResultSet([app.send_task("tasks.nap", [3.0]), app.send_task("tasks.fail", ["no such thing"])])
    with pytest.raises(ValueError, match="no such thing"):
        results.get(timeout=20)
    assert (results.ready(), results.failed(), results.completed_count()) == (False, True, 0)
    with pytest.raises(ResultTimeout, match="1 of 2 tasks haven't ended"):
        results.get(timeout=0.1, propagate=False)


def test_results_are_known_to_another_process_by_their_ids_and_forgotten_everywhere(app: App, home: Path) -> None:
    results = ResultSet(app.send_task("tasks.add", [n, 1]) for n in range(1_200))
    with App("shop", home=home) as other:
        app.flush(timeout=20)
        theirs = ResultSet(other.AsyncResult(each.id) for each in results)
        assert theirs.get(timeout=60) == list(range(1, 1_201))
        results.forget()
        looked_at = [other.AsyncResult(each.id) for each in results.results[::400]]
        # The node answers before its commit; until then another's look into the store may still find them.
        wait_until(lambda: {each.state for each in looked_at} == {"UNKNOWN"}, what="the commit")


def test_functions_are_called_when_results_come(app: App) -> None:
    seen: list[object] = []
    errors: list[BaseException] = []
    app.send_task("tasks.add", [1, 1]).then(lambda result: seen.append(result.get()), errors.append)
    app.send_task("tasks.fail", ["no such thing"]).then(seen.append, errors.append)
    ResultSet(app.send_task("tasks.add", [n, 1]) for n in range(50)).then(lambda all_of: seen.append(sum(all_of.get())))
    wait_until(lambda: len(seen) + len(errors) == 3, what="the callbacks")
    assert (set(seen), [str(error) for error in errors]) == ({2, 1275}, ["no such thing"])


def test_a_task_may_not_wait_for_others_unless_it_says_so(app: App) -> None:
    with pytest.raises(RuntimeError, match=r"expected get\(\) to be called outside of tasks.*tasks\.gather"):
        app.send_task("tasks.gather", [3]).get(timeout=20)
    assert app.send_task("tasks.gather_anyhow", [3]).get(timeout=20) == [1, 2, 3]
