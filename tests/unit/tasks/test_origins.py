"""Two tasks of one name, and one that is defined twice."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from actorq import App, Task
from tests.nodes import ROOT


@pytest.fixture
def app(tmp_path):
    return App("shop", home=tmp_path)


def test_two_tasks_of_one_name_are_refused_with_both_places(app):
    @app.task(name="pay")
    def first():
        pass

    with pytest.raises(ValueError, match=r"'pay', got two: at .*test_origins\.py:\d+ and at .*test_origins\.py:\d+"):

        @app.task(name="pay")
        def second():
            pass

    assert app.tasks["pay"] is first


def test_two_classes_of_one_name_are_refused_too(app):
    class First(Task[..., Any]):
        name = "job"

        def run(self):
            pass

    class Second(Task[..., Any]):
        name = "job"

        def run(self):
            pass

    app.register_task(First)
    app.register_task(First)
    with pytest.raises(ValueError, match="'job', got two"):
        app.register_task(Second)


def test_the_same_lines_define_the_same_task_again(app):
    def define(value):
        @app.task(name="again", bind=True)
        def again(self):
            return value

    define(1)
    define(2)
    assert app.tasks["again"]() == 2


def test_what_a_prompt_defines_again_is_the_later_one(app):
    scope = {"app": app}
    for line in range(2):
        exec(compile("\n" * line + "@app.task(name='t')\ndef t(): pass", "<stdin>", "exec"), scope)
    assert app.tasks["t"] is scope["t"]


PROGRAM = """
from actorq import App
app = App("named")

def make():
    @app.task
    def inner():
        return 1
    return inner

@app.task
def outer(): ...

class Job(__import__("actorq").Task):
    def run(self): ...

app.register_task(Job)
make()
if __name__ == "__main__":
    import orders
    print(*app.tasks)
    print(*orders.app.tasks)
"""


def test_names_are_the_same_for_a_program_and_for_who_imports_it(tmp_path):
    (tmp_path / "orders.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "orders.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ACTORQ_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["orders.outer orders.Job orders.make.<locals>.inner"] * 2
