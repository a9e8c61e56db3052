"""What a running task knows of itself, and what is kept when it runs again: through a real node."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any

import pytest

from actorq import MaxRetriesExceeded, TaskRevoked
from actorq.testing.wait import wait_until
from tests.integration.node import task_classes as tasks
from tests.nodes import ROOT, NodeProcess, actorq, home_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    home = tmp_path_factory.mktemp("requests") / "home"
    tasks.app.close()
    tasks.app.use_home(home_of(home))
    with NodeProcess(tasks.__name__, home, ROOT, options=("-n", "here")) as running:
        yield running
    tasks.app.close()


def test_every_field_of_a_request_is_filled() -> None:
    sent_at = datetime.datetime.now(datetime.UTC)
    options: dict[str, Any] = {
        "queue": "q", "priority": 3, "headers": {"trace": "t"}, "time_limit": 60, "soft_time_limit": 50, "expires": 3600
    }  # fmt: skip
    sent = tasks.show.apply_async((1, 2), {"child": True, "x": 5}, **options)
    said = sent.get(timeout=10)
    outbox = sent.id.partition("-")[0]
    child = said.pop("child")
    assert abs(said.pop("expires") - sent_at - HOUR) < datetime.timedelta(seconds=30)
    assert said == {
        "id": sent.id, "root_id": sent.id, "parent_id": None, "correlation_id": sent.id, "task": "show",
        "args": [1, 2], "kwargs": {"child": True, "x": 5}, "retries": 0, "eta": None, "timelimit": [60, 50],
        "hostname": said["hostname"], "origin": f"{outbox}@{os.uname().nodename}", "reply_to": outbox,
        "delivery_info": {"queue": "q", "priority": 3, "redelivered": False, "deliveries": 0},
        "headers": {"trace": "t"}, "is_eager": False, "called_directly": False, "replaced_task_nesting": 0,
        "group": None, "chord": None, "chain": None, "callbacks": None, "errbacks": None, "current": True,
        "properties": {
            "correlation_id": sent.id, "reply_to": outbox, "content_type": "msgpack", "priority": 3,
            "delivery_mode": 2, "delivery_info": said["delivery_info"],
        },
    }  # fmt: skip
    assert said["hostname"].startswith("here")
    below = tasks.app.AsyncResult(child).get(timeout=10)
    assert (below["root_id"], below["parent_id"]) == (sent.id, sent.id)


def test_another_run_keeps_all_that_the_first_one_had() -> None:
    options: dict[str, Any] = {
        "queue": "q",
        "priority": 7,
        "headers": {"trace": "t"},
        "time_limit": 60,
        "expires": 3600,
    }
    first = tasks.show.apply_async((1,), {"again": 0}, task_id="keeper-1", **options).get(timeout=10)
    later = tasks.show.apply_async((1,), {"again": 5}, task_id="keeper-2", **options).get(timeout=10)
    assert (later.pop("retries"), first.pop("retries")) == (5, 0)
    for said in (first, later):
        for name in ("id", "root_id", "correlation_id", "properties", "kwargs", "expires"):
            said.pop(name)
    assert later == first


def test_a_task_that_waits_for_its_next_run_is_in_retry(tmp_path) -> None:
    gate = tmp_path / "gate"
    sent = tasks.slow_retry.delay(str(gate), countdown=0.5)
    wait_until(lambda: sent.state == "RETRY", 10, "the task to wait for its next run")
    gate.touch()
    assert sent.get(timeout=10)["retries"] >= 1


def test_another_run_may_have_other_arguments(tmp_path) -> None:
    there = tmp_path / "there"
    there.touch()
    sent = tasks.slow_retry.delay(str(tmp_path / "no"), args=[str(there)], kwargs={"countdown": 9}, countdown=0)
    assert sent.get(timeout=10) == {"retries": 1, "args": [str(there)], "kwargs": {"countdown": 9}}


def test_another_run_may_expire_before_it_starts(tmp_path) -> None:
    sent = tasks.slow_retry.delay(str(tmp_path / "no"), countdown=1.0, expires=0.5)
    with pytest.raises(TaskRevoked):
        sent.get(timeout=15)
    assert sent.state == "REVOKED"


def test_a_task_that_sets_two_times_fails_with_the_reason(tmp_path) -> None:
    with pytest.raises(ValueError, match="got both"):
        tasks.slow_retry.delay(str(tmp_path / "no"), countdown=1.0, eta=5.0).get(timeout=10)


def test_retries_that_are_used_up_end_in_their_cause_or_say_so() -> None:
    with pytest.raises(LookupError, match="2"):
        tasks.exhaust.delay(cause=True).get(timeout=10)
    with pytest.raises(MaxRetriesExceeded, match="2 retries"):
        tasks.exhaust.delay(cause=False).get(timeout=10)


def test_a_retry_that_was_not_thrown_is_one_once_it_is_raised() -> None:
    assert tasks.unthrown.delay().get(timeout=10) == 1


def test_a_task_goes_by_what_the_settings_say_of_it() -> None:
    assert tasks.annotated.delay().get(timeout=10) == [7, 5.0, 60, 50]


def test_a_node_says_where_two_tasks_of_one_name_are(tmp_path) -> None:
    source = "from actorq import App\napp = App('twins')\n"
    (tmp_path / "twins.py").write_text(source + "@app.task\ndef pay(): ...\n@app.task\ndef pay(): ...\n")
    done = actorq("node", "-A", "twins", "--home", str(tmp_path / "home"), cwd=tmp_path)
    assert done.returncode == 3
    assert "'twins.pay', got two: at" in done.stderr
    assert "twins.py:3 and at" in done.stderr
