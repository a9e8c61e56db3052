"""A node for as long as a block runs: it works, it says what is wrong, and it leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from actorq import App, ConfigError
from actorq.app import load_app
from actorq.embedded import find_spec
from actorq.errors import ActorqError
from actorq.testing import wait_until

ROOT = Path(__file__).resolve().parents[3]
TASKS = """
import os, signal
from actorq import App

app = App({name!r}, home={home!r})

@app.task
def add(x, y):
    return x + y

@app.task
def tell():
    return [os.getpid(), os.getppid(), app.conf.default_queue]
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    name = f"shop_{os.urandom(3).hex()}"
    (tmp_path / f"{name}.py").write_text(TASKS.format(name=name, home=str(tmp_path / "home")))
    monkeypatch.syspath_prepend(str(tmp_path))
    app = load_app(name)
    yield app
    app.close()
    del sys.modules[name]


def open_things():
    me = psutil.Process()
    return sorted(os.listdir("/proc/self/fd")), me.children(recursive=True), threading.enumerate()


def test_tasks_run_in_slots_of_a_node_and_nothing_is_left_of_it(app):
    before = open_things()
    with app.node(concurrency=2, default_queue="elsewhere") as node:
        assert app.tasks[f"{app.name}.add"].delay(2, 3).get(timeout=20) == 5
        slot, parent, queue = app.tasks[f"{app.name}.tell"].delay().get(timeout=20)
        assert (parent, queue) == (node.pid, "elsewhere")
        assert os.getpid() not in (slot, parent)
        assert "slots    2 processes" in node.output
    app.close()
    assert open_things() == before
    assert not psutil.pid_exists(slot)
    assert "actorq node" in node.output, "what it said can be read afterwards"
    assert repr(node) == f"<Node at {app.home.path}, not running>"


def test_a_second_node_joins_the_first(app):
    with app.node(concurrency=0), app.node(concurrency=1, name="second") as second:
        assert app.tasks[f"{app.name}.tell"].delay().get(timeout=20)[1] == second.pid


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"concurency": 2}, r"unknown setting 'concurency' in app.node\(\); did you mean 'concurrency'"),
        ({"concurrency": -1}, r"expected concurrency to be a whole number from 0 to 10000, got -1"),
        ({"task_routes": {"a.*": "b"}}, "expected task_routes to be a text, .*set it in App"),
        ({"task_always_eager": True}, "expected task_always_eager to be off"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(app, options, text):
    with pytest.raises(ConfigError, match=text):
        app.node(**options)


def test_an_application_that_no_module_has_is_refused(tmp_path):
    hidden = App("hidden", home=tmp_path)
    with pytest.raises(ConfigError, match=r"expected <App 'hidden'.* to be an attribute of a module"):
        hidden.node()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("no_such_module", "exit code 3 before it was up: can't import no_such_module"),
        ("os:path", "to be an actorq.App"),
    ],
)
def test_what_the_node_says_when_it_cannot_start_is_what_the_caller_gets(app, spec, text):
    before = open_things()
    with pytest.raises(ConfigError, match=text):
        app.node(spec=spec).start()
    assert open_things() == before


def test_a_node_that_is_not_up_in_time_is_ended(app):
    before = open_things()
    with pytest.raises(ActorqError, match=r"expected the node to be up within 0.01 s, got: it said nothing"):
        app.node(timeout=0.01).start()
    assert open_things() == before


def test_a_node_that_ended_by_itself_is_an_error_at_the_end_and_a_note_on_another(app):
    def lose(error=None):
        with app.node(concurrency=1) as node:
            os.kill(node.pid, signal.SIGKILL)
            os.waitid(os.P_PID, node.pid, os.WEXITED | os.WNOWAIT)
            if error:
                raise error

    with pytest.raises(ActorqError, match="the node ended by itself with exit code -9"):
        lose()
    with pytest.raises(ValueError, match="mine") as caught:
        lose(ValueError("mine"))
    assert "exit code -9" in caught.value.__notes__[0]


def test_a_node_is_started_once_and_stopped_as_often_as_you_like(app):
    node = app.node(concurrency=0).start()
    with pytest.raises(RuntimeError, match="make another"):
        node.start()
    assert [node.stop(), node.stop()] == [0, 0]
    with pytest.raises(RuntimeError, match="make another"):
        node.start()


def run(folder, program):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, program]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


CALLER = """
import tempfile, threading
from actorq import App

app = App("caller", home={home!r})

@app.task
def add(x, y):
    return x + y

if {guard}:
    with app.node(concurrency=1) as node:
        print(node.pid, add.delay(1, 2).get(timeout=20), flush=True)
        {wait}
"""


def test_a_node_ends_when_its_caller_is_killed(tmp_path):
    text = CALLER.format(home=str(tmp_path / "home"), guard='__name__ == "__main__"', wait="threading.Event().wait()")
    (tmp_path / "caller.py").write_text(text)
    with run(tmp_path, "caller.py") as caller:
        assert caller.stdout is not None
        pid = int(caller.stdout.readline().split()[0])
        node = psutil.Process(pid)
        below = [node, *node.children(recursive=True)]
        caller.kill()
        wait_until(lambda: not any(each.is_running() and each.status() != "zombie" for each in below), 20, "its end")
        caller.communicate(timeout=20)


def test_a_forked_child_neither_ends_the_node_nor_keeps_it_alive(app):
    with app.node(concurrency=0) as node:
        child = os.fork()
        if child == 0:
            node.stop()
            os._exit(0 if node.pid == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert psutil.Process(node.pid).status() != "zombie"


def test_a_program_without_a_guard_is_told_so_instead_of_starting_nodes_without_end(tmp_path):
    text = CALLER.format(home=str(tmp_path / "home"), guard="True", wait="pass")
    (tmp_path / "caller.py").write_text(text)
    with run(tmp_path, "caller.py") as caller:
        _, errors = caller.communicate(timeout=60)
    assert caller.returncode == 1
    assert 'under `if __name__ == "__main__":`' in errors


def test_a_lifeline_that_is_none_is_a_mistake_on_the_command_line(app, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "actorq", "node", "-A", app.name, "--lifeline", "99"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert "expected --lifeline to be the descriptor of a socket, got 99" in done.stderr


def test_an_application_is_found_where_its_tasks_are(app):
    assert find_spec(app) == f"{app.name}:app"
