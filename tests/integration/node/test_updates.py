"""What running tasks say of themselves, with a real node: who sees it, when, and what is left of it."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from actorq import App, EncodeError, ResultTimeout, TaskIgnored, WouldBlock
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, hub_pid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCEPTS = {"accept_content": ["msgpack", "json", "pickle"]}
TASKS = """
import asyncio, os, time
from actorq import App, Ignore, current_request

app = App("shop", config={"accept_content": ["msgpack", "json", "pickle"]})

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)

@app.task(bind=True)
def work(self, steps, gate=None):
    for step in range(steps):
        self.update_state(state="PROGRESS", meta={"done": step + 1, "total": steps})
    if gate:
        wait_for(gate)
    return "done"

@app.task
def unbound(gate):
    unbound.update_state("HALFWAY", 50)
    wait_for(gate)

@app.task(bind=True)
async def coroutine(self, gate):
    self.update_state("AWAITING", [1, 2])
    while not os.path.exists(gate):
        await asyncio.sleep(0.01)

@app.task(bind=True)
def ignored(self, state, meta=None):
    self.update_state(state, meta)
    raise Ignore

@app.task(bind=True, max_retries=1)
def retried(self, gate):
    if self.request.retries == 0:
        self.update_state("FIRST")
        raise self.retry(countdown=0)
    wait_for(gate)

@app.task(bind=True)
def bad(self, what):
    self.update_state("PROGRESS", {"object": object(), "big": "x" * 100_000}[what])

@app.task(bind=True)
def reserved(self, state):
    self.update_state(state)

@app.task(bind=True)
def dies(self, born, dead, gate):
    if not os.path.exists(born):
        open(born, "w").close()
        self.update_state("DYING")
        wait_for(dead)
        os.kill(os.getpid(), 9)
    wait_for(gate)

@app.task(bind=True, serializer="pickle")
def pickled(self, gate):
    self.update_state("PROGRESS", {1, 2})
    wait_for(gate)

@app.task(bind=True)
def forked(self, gate):
    pid = os.fork()
    if not pid:
        self.update_state("CHILD", os.getppid())
        wait_for(gate)
        os._exit(0)
    os.waitpid(pid, 0)
    return "reaped"

@app.task(track_started=True)
def tracked(gate):
    wait_for(gate)
    return os.getpid()

@app.task(bind=True)
def follower(self, task_id):
    return list(app.AsyncResult(task_id).updates(timeout=5))

@app.task
def add(x, y):
    return x + y
"""


@pytest.fixture
def node(folder: Path, home: Path) -> Iterator[NodeProcess]:
    with NodeProcess("tasks", home, folder, slots=1) as running:
        yield running


@pytest.fixture
def app(node: NodeProcess) -> Iterator[App]:
    with App("shop", home=node.home, config=ACCEPTS) as app:
        yield app


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def send(app: App, name: str, *args: Any) -> Any:
    return app.send_task(f"tasks.{name}", [str(each) if hasattr(each, "touch") else each for each in args])


@pytest.mark.parametrize(
    ("name", "state", "meta"),
    [("unbound", "HALFWAY", 50), ("coroutine", "AWAITING", [1, 2]), ("pickled", "PROGRESS", {1, 2})],
)
def test_what_a_task_says_shows_at_once_and_is_gone_when_it_ends(
    app: App, gate: Path, name: str, state: str, meta: Any
) -> None:
    result = app.send_task(f"tasks.{name}", [str(gate)], serializer="pickle" if name == "pickled" else None)
    wait_until(lambda: result.state == state, 20, "what it says")
    assert (result.info, result.result, result.ready(), result.successful()) == (meta, meta, False, False)
    with App("shop", home=app.home.path, config=ACCEPTS) as other:
        assert (other.AsyncResult(result.id).status, other.AsyncResult(result.id).info) == (state, meta)
    with pytest.raises(ResultTimeout, match=f"and says '{state}'"):
        result.get(timeout=0.05)
    gate.touch()
    assert result.get(timeout=20) is None
    assert (result.state, result.info) == ("SUCCESS", None)


def test_the_command_line_shows_what_a_task_says(app: App, node: NodeProcess, gate: Path) -> None:
    result = send(app, "work", 3, gate)
    wait_until(lambda: result.info == {"done": 3, "total": 3}, 20, "what it says")
    command = ("result", result.id, "--home", str(node.home), "--timeout", "1")
    shown = json.loads(actorq(*command, "--json", cwd=node.folder).stdout)
    assert (shown["state"], shown["info"]) == ("PROGRESS", {"done": 3, "total": 3})
    said = "says 'PROGRESS' {'done': 3, 'total': 3}"
    assert said in actorq(*command, cwd=node.folder).stderr
    assert said in actorq("task", "why", result.id, "--home", str(node.home), cwd=node.folder).stdout
    described = actorq("task", "show", result.id, "--home", str(node.home), "--json", cwd=node.folder)
    assert json.loads(described.stdout)["state"] == "PROGRESS"
    gate.touch()
    result.get(timeout=20)


def test_a_flood_of_updates_holds_nobody_up_and_its_last_one_is_seen(app: App, gate: Path) -> None:
    seen: list[tuple[str, Any]] = []
    result = send(app, "work", 100_000, gate)
    last = {"done": 100_000, "total": 100_000}

    def note(state: str, meta: Any) -> None:
        seen.append((state, meta))
        if meta == last:
            gate.touch()

    assert result.get(timeout=60, on_update=note) == "done"
    assert seen[-1] == ("PROGRESS", last)
    counts = [meta["done"] for _, meta in seen]
    assert counts == sorted(set(counts))
    assert len(seen) < 2_000


def test_updates_can_be_gone_through_by_several_at_once_also_before_the_task_starts(app: App, gate: Path) -> None:
    first_gate = gate.with_name("first")
    before = send(app, "work", 0, first_gate)
    result = send(app, "work", 1, gate)
    found: list[list[tuple[str, Any]]] = [[] for _ in range(3)]
    with App("shop", home=app.home.path) as other:
        results = [result, app.AsyncResult(result.id), other.AsyncResult(result.id)]
        threads = [
            threading.Thread(target=lambda each, into: into.extend(each.updates(timeout=20)), args=pair)
            for pair in zip(results, found, strict=True)
        ]
        for thread in threads:
            thread.start()
        first_gate.touch()
        before.get(timeout=20)
        wait_until(lambda: result.state == "PROGRESS", 20, "it to say so")
        gate.touch()
        for thread in threads:
            thread.join(20)
    assert all(each in ([("PROGRESS", {"done": 1, "total": 1})], []) for each in found)
    assert found[0], "the one who sent it asked before it started"
    assert result.get(timeout=0) == "done"


def test_who_follows_a_task_that_says_nothing_gets_its_end_and_a_timeout_ends_it_too(app: App, gate: Path) -> None:
    assert list(send(app, "add", 1, 2).updates(timeout=20)) == []
    result = send(app, "work", 0, gate)
    with pytest.raises(ResultTimeout):
        list(result.updates(timeout=0.2))
    with pytest.raises(ResultTimeout):
        result.get(timeout=0.2, on_update=print)
    gate.touch()
    assert result.get(timeout=20, on_update=print) == "done"


def test_following_inside_a_task_is_refused(app: App) -> None:
    with pytest.raises(WouldBlock):
        send(app, "follower", "order-7").get(timeout=20)


@pytest.mark.parametrize(
    ("state", "meta", "shown"), [("SKIPPED", {"why": "closed"}, "SKIPPED"), ("STARTED", 3, "IGNORED")]
)
def test_a_task_that_raises_ignore_after_an_update_ends_as_it_said(
    app: App, node: NodeProcess, state: str, meta: Any, shown: str
) -> None:
    result = send(app, "ignored", state, meta)
    with pytest.raises(TaskIgnored) as caught:
        result.get(timeout=20)
    assert (caught.value.state, caught.value.meta) == (shown, meta)
    assert (result.state, result.info, result.ready(), result.traceback) == (shown, meta, True, None)
    with App("shop", home=app.home.path) as other:
        again = other.AsyncResult(result.id)
        assert (again.state, again.ready(), again.info) == (shown, True, meta)
    node.stop()
    with NodeProcess("tasks", node.home, node.folder, slots=1), App("shop", home=app.home.path) as other:
        again = other.AsyncResult(result.id)
        assert (again.state, again.info) == (shown, meta), "it is kept like any end"


def test_a_task_may_end_as_a_success_or_a_failure_by_its_own_account(app: App) -> None:
    failed = send(app, "ignored", "FAILURE", {"reason": "no card"})
    with pytest.raises(TaskIgnored):
        failed.get(timeout=20)
    assert (failed.state, failed.failed(), failed.info) == ("FAILURE", True, {"reason": "no card"})
    done = send(app, "ignored", "SUCCESS", [1])
    assert (done.get(timeout=20), done.state) == ([1], "SUCCESS")


def test_a_retry_starts_without_the_update_of_the_run_before(app: App, gate: Path) -> None:
    result = send(app, "retried", gate)
    wait_until(lambda: result.state == "STARTED", 20, "the second run")
    assert result.info is None
    gate.touch()
    result.get(timeout=20)


def test_another_delivery_starts_without_the_update_of_the_one_before(app: App, gate: Path, tmp_path: Path) -> None:
    result = send(app, "dies", tmp_path / "born", tmp_path / "dead", gate)
    wait_until(lambda: result.state == "DYING", 20, "it to say so")
    (tmp_path / "dead").touch()
    wait_until(lambda: result.state == "STARTED", 20, "the next delivery")
    assert result.info is None
    gate.touch()
    result.get(timeout=20)


def test_after_a_hub_was_replaced_a_task_is_started_until_it_says_more_and_who_follows_it_goes_on(
    node: NodeProcess, app: App, tmp_path: Path
) -> None:
    gates = [tmp_path / "gate0", tmp_path / "gate1"]
    said: list[list[tuple[str, Any]]] = [[], []]
    with NodeProcess("tasks", node.home, node.folder, slots=1) as second:
        wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots")
        results = [send(app, "work", 1, gate) for gate in gates]
        threads = [
            threading.Thread(target=lambda each, into: into.extend(each.updates(timeout=60)), args=pair)
            for pair in zip(results, said, strict=True)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: [each.state for each in results] == ["PROGRESS"] * 2, 20, "what they say")
        node.kill()
        wait_until(lambda: hub_pid(node.home) == second.pid, 20, "the other to be the hub")
        wait_until(lambda: "STARTED" in [each.state for each in results], 20, "the one that lives to be known")
        living = [each.state for each in results].index("STARTED")
        gates[living].touch()
        wait_until(lambda: results[1 - living].state == "PROGRESS", 20, "the other one, delivered again, to say more")
        gates[1 - living].touch()
        for thread in threads:
            thread.join(30)
        assert [each.get(timeout=20) for each in results] == ["done"] * 2
    assert [len(said[living]), len(said[1 - living])] == [1, 2]


@pytest.mark.parametrize(("what", "error"), [("object", EncodeError), ("big", ValueError)])
def test_meta_that_cannot_travel_fails_its_task_with_the_reason(app: App, what: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="expected"):
        send(app, "bad", what).get(timeout=20)
    assert send(app, "add", 1, 2).get(timeout=20) == 3


@pytest.mark.parametrize("state", ["PENDING", "UNKNOWN", "RETRY"])
def test_a_state_that_is_not_the_tasks_to_say_fails_it(app: App, state: str) -> None:
    with pytest.raises(ValueError, match="told of a task that isn't running"):
        send(app, "reserved", state).get(timeout=20)


def test_a_process_that_a_task_forked_can_speak_for_it(app: App, gate: Path) -> None:
    result = send(app, "forked", gate)
    wait_until(lambda: result.state == "CHILD", 20, "what the child says")
    gate.touch()
    assert result.get(timeout=20) == "reaped"


def test_a_tracked_start_is_told_with_where_it_runs(app: App, gate: Path) -> None:
    result = send(app, "tracked", gate)
    told: list[tuple[str, Any]] = []
    for state, meta in result.updates(timeout=20):
        told.append((state, meta))
        gate.touch()
    ((state, meta),) = told
    assert (state, sorted(meta)) == ("STARTED", ["hostname", "pid"])
    assert result.get(timeout=0) == meta["pid"]


@pytest.mark.parametrize("pool", ["thread", "async"])
def test_tasks_of_a_slot_that_runs_many_at_once_each_say_their_own(
    tmp_path: Path, gate: Path, monkeypatch: pytest.MonkeyPatch, pool: str
) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    home = tmp_path / "home"
    with NodeProcess("tasks", home, tmp_path, slots=4, options=("-P", pool)), App("shop", home=home) as app:
        gates = [gate.with_name(f"gate{number}") for number in range(3)]
        results = [send(app, "coroutine", each) for each in gates]
        wait_until(lambda: [each.info for each in results] == [[1, 2]] * 3, 20, "what each says")
        gates[1].touch()
        results[1].get(timeout=20)
        assert [each.state for each in results] == ["AWAITING", "SUCCESS", "AWAITING"]
        gates[0].touch()
        gates[2].touch()
        skipped, tracked = send(app, "ignored", "SKIPPED", 7), send(app, "tracked", gates[0])
        with pytest.raises(TaskIgnored):
            skipped.get(timeout=20)
        assert (skipped.state, skipped.info) == ("SKIPPED", 7)
        assert tracked.get(timeout=20) in node_pids(app)


def node_pids(app: App) -> list[int]:
    """Return the slots' processes."""
    return [slot["pid"] for slot in app.ask("status")["slots"]]


def test_a_slot_whose_tasks_say_nothing_has_no_thread_for_it(app: App, node: NodeProcess) -> None:
    def count_threads() -> int:
        return sum(len(os.listdir(f"/proc/{slot}/task")) for slot in node.slot_pids())

    send(app, "add", 1, 2).get(timeout=20)
    wait_until(node.slot_pids, 20, "the slot")
    before = count_threads()
    send(app, "add", 1, 2).get(timeout=20)
    assert count_threads() == before
    send(app, "work", 1).get(timeout=20)
    wait_until(lambda: count_threads() > before, 20, "the teller")
