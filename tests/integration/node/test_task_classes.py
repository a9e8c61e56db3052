"""Class-based tasks, their handlers and their log, through a real node, in pools of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actorq.testing.wait import wait_until
from tests.integration.node import task_classes as tasks
from tests.nodes import ROOT, NodeProcess, home_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", params=["process", "thread", "async"])
def node(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[NodeProcess]:
    home = tmp_path_factory.mktemp("classes") / "home"
    tasks.app.close()
    tasks.app.use_home(home_of(home))
    with NodeProcess(tasks.__name__, home, ROOT, options=("-P", request.param)) as running:
        yield running
    tasks.app.close()


def told(path: Path, count: int) -> list[str]:
    wait_until(lambda: len(path.read_text().splitlines()) >= count, 10, "the handlers to be told")
    return path.read_text().splitlines()


@pytest.mark.usefixtures("node")
def test_a_class_is_told_of_its_success_and_its_mistake_there_changes_nothing(tmp_path):
    log = tmp_path / "log"
    assert tasks.pick.delay(str(log), "apple").get(timeout=10) == "apple"
    assert told(log, 3) == ["before_start 0", "on_success apple True", "after_return SUCCESS"]


@pytest.mark.usefixtures("node")
def test_a_class_is_told_of_a_coroutines_end_too(tmp_path):
    log = tmp_path / "log"
    assert tasks.pick_async.delay(str(log), "pear").get(timeout=10) == "pear"
    assert told(log, 3) == ["before_start 0", "on_success pear True", "after_return SUCCESS"]


@pytest.mark.usefixtures("node")
def test_a_class_is_told_of_its_failure(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(ValueError, match="wrong"):
        tasks.pick.delay(str(log), "wrong").get(timeout=10)
    assert told(log, 3) == ["before_start 0", "on_failure ValueError('wrong') True", "after_return FAILURE"]


@pytest.mark.usefixtures("node")
def test_a_class_is_told_of_each_retry_and_of_the_end(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(ConnectionError, match="down"):
        tasks.pick.delay(str(log), "down").get(timeout=10)
    one = ["before_start {}", "on_{} ConnectionError('down'){}", "after_return {}"]
    assert told(log, 6) == [
        *(one[0].format(0), one[1].format("retry", ""), one[2].format("RETRY")),
        *(one[0].format(1), one[1].format("failure", " True"), one[2].format("FAILURE")),
    ]


def test_a_slots_log_has_the_traceback_of_what_was_not_expected_only(node):
    for task in (tasks.expected, tasks.unexpected):
        sent = task.delay()
        with pytest.raises(tasks.Unknown):
            sent.get(timeout=10)
        wait_until(lambda: sent.id in node.output, 10, "the end of the task in the log")  # noqa: B023
    calm, alarm = node.logged("task_failed")[-2:]
    assert (calm["level"], alarm["level"]) == ("info", "error")
    assert (calm["error"], calm["expected"]) == ("Unknown: nobody of that name", True)
    assert 'raise Unknown("out of the blue")' in alarm["exception"]
    assert "exception" not in calm
