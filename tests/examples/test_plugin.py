"""The example plugin, installed as a package of its own: each thing it adds is there in a real node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from actorq.testing.wait import wait_until
from tests.nodes import ROOT, NodeProcess

TASKS = """
from actorq import App

app = App("shop")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def fail() -> None:
    raise ValueError("no")


@app.task
def later(x: int) -> int:
    return app.send_task("shop_tasks.add", (x, 1)).id
"""
ADDED = """
from actorq_heartbeat import HeartbeatPlugin

app.plugins.add(HeartbeatPlugin(file={file!r}, runs_file={runs!r}, interval_s=0.1))
"""


class Place:
    """A folder with tasks, and programs that find the plugin or don't."""

    started: NodeProcess

    def __init__(self, folder, *found):
        self.folder, self.home = folder, folder / "home"
        self.file, self.runs = folder / "beat.json", folder / "runs.jsonl"
        self.environ = {"PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT, *found)))}
        (folder / "shop_tasks.py").write_text(TASKS)

    def node(self, *options, **environ):
        return NodeProcess("shop_tasks", self.home, self.folder, options=options, environ={**self.environ, **environ})

    def run(self, *arguments, **environ):
        command = [sys.executable, *arguments]
        env = {**os.environ, **self.environ, "ACTORQ_HOME": str(self.home), **environ}
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=60
        )

    def actorq(self, *arguments, **environ):
        return self.run("-m", "actorq", *arguments, **environ)

    def call(self, expression):
        """Evaluate it in a process of its own and return what it gives, by way of JSON."""
        code = f"import json, os, shop_tasks; from shop_tasks import *; print(json.dumps({expression}))"
        done = self.run("-c", code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lines(self):
        return [json.loads(line) for line in self.runs.read_text().splitlines()] if self.runs.exists() else []

    def beat(self):
        return json.loads(self.file.read_text())

    def children(self):
        done = self.actorq("tree", "--json")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package installed as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    source = folder / "source"
    shutil.copytree(ROOT / "examples" / "plugin", source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    options = [
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--target",
        str(folder / "site"),
        str(source),
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run([*command, *options], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def installed(site, tmp_path_factory):
    """A node in an environment where the package is installed, with options that only its plugin has."""
    place = Place(tmp_path_factory.mktemp("installed"), site)
    with place.node("--heartbeat-file", str(place.file), "--runs-file", "runs.jsonl") as node:
        place.started = node
        yield place


@pytest.mark.slow
def test_its_actor_shows_by_a_file_that_the_node_lives_and_is_a_child_of_the_node(installed):
    wait_until(lambda: installed.beat()["beats"] > 1, 10, "a second beat")
    assert installed.beat()["pid"] == installed.started.pid
    assert '"heart"' in installed.children()


@pytest.mark.slow
def test_its_timers_stand_in_the_place_of_the_built_in_ones_and_tasks_for_later_run_on_time(installed):
    tree = installed.children()
    assert '"wheel-timers"' in tree
    assert '"timers"' not in tree.replace('"id": "wheel-timers"', "")
    started_at = time.time()
    assert installed.call("add.apply_async((2, 3), countdown=0.5).get(timeout=20)") == 5
    assert time.time() - started_at >= 0.5
    assert "tasks_woken" in installed.started.output


@pytest.mark.slow
def test_its_hook_around_sending_says_who_sent_what_its_hook_around_running_writes_down(installed):
    pid, task_id = installed.call("[os.getpid(), (r := add.delay(1, 1), r.get(timeout=20), r.id)[-1]]")
    (line,) = [line for line in installed.lines() if line["id"] == task_id]
    assert line["sent_by"].startswith(f"{pid}@")
    assert (line["task"], line["ended"]) == ("shop_tasks.add", "returned")


@pytest.mark.slow
def test_a_task_that_a_task_sends_and_one_that_fails_pass_the_hooks_as_well(installed):
    task_id = installed.call("later.delay(1).get(timeout=20)")
    wait_until(lambda: any(line["id"] == task_id for line in installed.lines()), 20, "the inner run")
    (line,) = [line for line in installed.lines() if line["id"] == task_id]
    assert int(line["sent_by"].partition("@")[0]) in installed.started.slot_pids()
    failed = installed.call("(r := fail.delay(), r.get(timeout=20, propagate=False), r.id)[-1]")
    assert [line["ended"] for line in installed.lines() if line["id"] == failed] == ["failed"]


@pytest.mark.slow
def test_its_heart_beats_on_when_its_component_is_restarted(installed):
    beats = installed.beat()["beats"]
    wait_until(lambda: installed.beat()["beats"] > beats, 10, "another beat")
    done = installed.actorq("control", "restart", "heart")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: installed.file.exists() and installed.beat()["beats"] > 0, 10, "a beat of the new heart")
    assert installed.call("add.delay(2, 3).get(timeout=20)") == 5


@pytest.mark.slow
def test_its_timers_can_be_restarted_and_no_task_for_later_is_forgotten(installed):
    code = "r = add.apply_async((2, 3), countdown=1.5, confirm=True); print(r.id)"
    done = installed.run("-c", f"from shop_tasks import *; {code}")
    assert done.returncode == 0, done.stderr
    assert installed.actorq("control", "restart", "wheel-timers").returncode == 0
    assert installed.call(f"app.AsyncResult({done.stdout.strip()!r}).get(timeout=20)") == 5


@pytest.mark.slow
def test_its_verb_says_how_old_the_last_beat_is(installed):
    done = installed.actorq("heartbeat", "--file", str(installed.file))
    assert done.returncode == 0, done.stderr
    assert f"(pid {installed.started.pid}) beat" in done.stdout
    done = installed.actorq("--json", "heartbeat", "--file", "nowhere.json")
    assert done.returncode == 69
    assert "there is no heartbeat file" in done.stderr


@pytest.mark.slow
def test_its_control_command_is_answered_by_its_actor(installed):
    done = installed.actorq("control", "heartbeat", "--json")
    assert done.returncode == 0, done.stderr
    assert str(installed.file) in done.stdout


@pytest.mark.slow
def test_it_is_listed_with_where_it_comes_from(installed):
    done = installed.actorq("plugins")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("heartbeat ")]
    assert "actorq-heartbeat" in line
    assert "1.0" in line


@pytest.mark.slow
def test_where_it_is_disabled_everything_is_as_if_it_weren_t_installed(site, tmp_path):
    place = Place(tmp_path, site)
    with place.node(ACTORQ_PLUGINS_DISABLE="heartbeat"):
        assert place.call("add.apply_async((2, 3), countdown=0.2).get(timeout=20)") == 5
        tree = place.children()
        assert '"timers"' in tree
        assert '"heart"' not in tree
    assert place.actorq("heartbeat", ACTORQ_PLUGINS_DISABLE="heartbeat").returncode == 2


@pytest.mark.slow
def test_added_by_the_application_it_does_the_same_in_node_and_slots(tmp_path):
    place = Place(tmp_path, ROOT / "examples" / "plugin")
    tasks = TASKS + ADDED.format(file=str(place.file), runs=str(place.runs))
    (tmp_path / "shop_tasks.py").write_text(tasks)
    with place.node() as node:
        assert place.call("add.apply_async((2, 3), countdown=0.2).get(timeout=20)") == 5
        assert place.beat()["pid"] == node.pid
        assert [line["ended"] for line in place.lines()] == ["returned"]
        assert '"wheel-timers"' in place.children()
        assert node.stop() == 0
    assert not place.file.exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["option", "environment"])
def test_named_on_the_command_line_it_does_the_same(tmp_path, how):
    place = Place(tmp_path, ROOT / "examples" / "plugin")
    spec = "actorq_heartbeat:HeartbeatPlugin"
    said = ("--plugin", spec) if how == "option" else ()
    environ = {} if how == "option" else {"ACTORQ_PLUGIN": spec}
    with place.node(*said, "--heartbeat-file", "beat.json", "--runs-file", "runs.jsonl", **environ) as node:
        assert place.call("add.delay(2, 3).get(timeout=20)") == 5
        assert place.beat()["pid"] == node.pid
        assert [line["ended"] for line in place.lines()] == ["returned"]


@pytest.mark.slow
def test_a_heart_that_cannot_write_is_parked_and_the_node_runs_tasks(tmp_path):
    place = Place(tmp_path, ROOT / "examples" / "plugin")
    tasks = TASKS + ADDED.format(file=str(tmp_path / "missing" / "beat.json"), runs=str(place.runs))
    (tmp_path / "shop_tasks.py").write_text(tasks)
    with place.node():
        assert place.call("add.delay(2, 3).get(timeout=20)") == 5
        assert '"parked"' in place.children()
