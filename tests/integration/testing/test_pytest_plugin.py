"""The pytest plugin as its users have it: pytest runs of their own, with real nodes."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
pytest_plugins = ["pytester"]

TASKS = """
import os
from actorq import App

app = App("shop")

@app.task
def add(x, y):
    return x + y

@app.task
def where():
    return [os.getpid(), app.conf.default_queue, str(app.home.path)]
"""


@pytest.fixture
def folder(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Where actorq is installed pytest would find the plugin by itself and refuse to take it twice.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("ACTORQ_HOME", str(pytester.path / "own-home"))
    pytester.makepyfile(tasks=TASKS)
    with tempfile.TemporaryDirectory() as runtime:  # short: sockets go there
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield pytester


def run(pytester, *arguments):
    return pytester.runpytest_subprocess(
        "-p", "pytest_actorq", "--strict-markers", "-p", "no:cacheprovider", *arguments
    )


def test_a_marked_test_gets_a_node_and_a_home_of_its_own_and_leaves_nothing(folder):
    folder.makepyfile(
        test_shop="""
        import os, pytest, tasks

        @pytest.mark.actorq(app="tasks:app", concurrency=2, default_queue="tested")
        def test_a_sum(actorq_app, actorq_node):
            assert actorq_app is tasks.app
            assert tasks.add.delay(2, 3).get(timeout=20) == 5
            pid, queue, home = tasks.where.delay().get(timeout=20)
            assert pid != os.getpid() and queue == actorq_app.conf.default_queue == "tested"
            assert home == str(actorq_app.home.path) and "own-home" not in home
            assert "slots    2 processes" in actorq_node.output
            with open("pids", "w") as file:
                print(actorq_node.pid, pid, file=file)

        def test_the_application_is_handed_back():
            assert tasks.app.conf.default_queue == "default"
            assert tasks.app.home.path.name == "own-home"
        """
    )
    run(folder).assert_outcomes(passed=2)
    assert not [pid for pid in (folder.path / "pids").read_text().split() if psutil.pid_exists(int(pid))]
    assert not (folder.path / "own-home").exists()
    assert list(Path(os.environ["XDG_RUNTIME_DIR"]).glob("actorq/*")) == []


def test_a_fixture_may_name_the_application_and_the_closest_marker_wins(folder):
    folder.makepyfile(
        test_shop="""
        import pytest, tasks

        pytestmark = pytest.mark.actorq(default_queue="module", task_always_eager=True)

        @pytest.fixture
        def actorq_application():
            return tasks.app

        @pytest.mark.actorq(default_queue="test")
        def test_closest(actorq_app):
            assert actorq_app.conf.default_queue == "test"
            assert tasks.add.delay(2, 3).get() == 5

        @pytest.mark.actorq(task_always_eager=False)
        def test_a_node_of_an_application_object(actorq_node):
            assert tasks.add.delay(2, 3).get(timeout=20) == 5
        """
    )
    run(folder).assert_outcomes(passed=2)


def test_what_the_node_said_stands_under_a_failed_test(folder):
    folder.makepyfile(
        test_shop="""
        import pytest

        @pytest.mark.actorq(app="tasks:app")
        def test_fails(actorq_node):
            assert not actorq_node.pid
        """
    )
    result = run(folder)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- actorq node -*", "actorq node"])


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("", "*expected an application or where it is, got None; say it with @pytest.mark.actorq*"),
        ("@pytest.mark.actorq('tasks:app')", "*with names only, got ('tasks:app',)*"),
        ("@pytest.mark.actorq(app='taks:app')", "*can't import taks*"),
        ("@pytest.mark.actorq(app='tasks:app', concurency=1)", "*unknown setting 'concurency'*did you mean*"),
        ("@pytest.mark.actorq(app='tasks:app', task_always_eager=True)", "*expected task_always_eager to be off*"),
    ],
)
def test_a_mistake_is_an_error_that_says_what_was_expected(folder, marker, text):
    folder.makepyfile(test_shop=f"import pytest\n{marker}\ndef test_it(actorq_node):\n    pass\n")
    result = run(folder)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([text])


def test_the_clock_moves_when_it_is_told_to(folder):
    folder.makepyfile(
        test_clock="""
        def test_it(actorq_clock):
            before = actorq_clock.now()
            actorq_clock.advance(60)
            assert actorq_clock.now() == before + 60
        """
    )
    run(folder).assert_outcomes(passed=1)


def test_pytest_loads_the_plugin_by_its_entry_point_and_nothing_of_actorq_with_it():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options.entry_points"]["pytest11"].split() == ["actorq", "=", "pytest_actorq"]
    assert setup["options"]["py_modules"].split() == ["pytest_actorq"]
    code = (
        "import sys, pytest, pytest_actorq; print([name for name in sys.modules if name.partition('.')[0] == 'actorq'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
