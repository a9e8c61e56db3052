"""The examples of docs/ run: the tutorial from its first line to its last, the pages about actors, every command line."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from actorq.cli.main import cli, run
from tests.nodes import NodeProcess

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXT = re.compile(r"(?<=: ).*", re.DOTALL)


def blocks(page, language):
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


COMMANDS = sorted(
    {
        line.removeprefix("$ ")
        for page in PAGES
        for text in blocks(page, "console")
        for line in text.splitlines()
        if line.startswith("$ actorq ")
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_pages_is_one_that_the_command_line_understands(command):
    arguments = shlex.split(command, comments=True)[1:]
    if "--help" in arguments:
        return
    found: click.Command = cli
    context: click.Context | None = None
    while isinstance(found, click.Group):
        context = click.Context(found, parent=context)
        _, below, arguments = found.resolve_command(context, arguments)
        assert below is not None
        found = below
    found.make_context(found.name, arguments, parent=context)


PROGRAMS = ["reference/actors", "reference/supervisors", "guides/your-own-actors", "guides/pykka-users"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS)
def test_the_blocks_of_a_page_about_actors_are_one_program_that_runs(page, tmp_path):
    program = tmp_path / "page.py"
    program.write_text("\n".join(blocks(DOCS / f"{page}.md", "python")))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(program)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


class Transcript:
    """Plays the `>>>` blocks of a page; what an exception says may differ in numbers and paths, not in its class."""

    def __init__(self, page):
        self.parser = doctest.DocTestParser()
        self.rest = [text for text in blocks(page, "python") if text.startswith(">>>")]
        self.names = {}

    def play(self):
        text = self.rest.pop(0)
        test = self.parser.get_doctest(text, self.names, "page", None, 0)
        runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
        said: list[str] = []
        runner.run(test, out=said.append, clear_globs=False)
        self.names = test.globs
        assert runner.failures == 0, "".join(said)


@pytest.mark.slow
def test_the_page_about_dead_letters_happens_as_it_is_told(tmp_path, monkeypatch, capsys):
    page = DOCS / "guides" / "dead-letters.md"
    (tmp_path / "tasks.py").write_text(blocks(page, "python")[0])
    home = tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(home))
    told = Transcript(page)
    with NodeProcess("tasks", home, tmp_path):
        try:
            told.play()  # it dies
            assert run(["dead", "ls"]) == 0
            columns = blocks(page, "console")[0].splitlines()[1]
            assert capsys.readouterr().out.splitlines()[0].split() == columns.split()
            assert run(["dead", "show", "cat"]) == 0
            while told.rest:
                told.play()
        finally:
            sys.modules.pop("tasks").app.close()


@pytest.mark.slow
def test_the_tutorial_happens_as_it_is_told(tmp_path, monkeypatch):
    page = DOCS / "tutorial.md"
    (tmp_path / "tasks.py").write_text(blocks(page, "python")[0])
    home = tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(home))
    told = Transcript(page)
    node = NodeProcess("tasks", home, tmp_path).start().wait_ready()
    try:
        told.play()  # a call
        node.stop()
        told.play()  # a call that nobody hears
        node = NodeProcess("tasks", home, tmp_path).start().wait_ready()
        told.play()  # the same task, heard
        told.play()  # a process that dies
        assert not told.rest
    finally:
        node.kill()
        sys.modules.pop("tasks").app.close()


def test_the_guide_to_workflows_happens_as_it_is_told(tmp_path, monkeypatch):
    page = DOCS / "guides" / "workflows.md"
    (tmp_path / "tasks.py").write_text(blocks(page, "python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(tmp_path / "home"))
    told = Transcript(page)
    try:
        while told.rest:
            told.play()
    finally:
        sys.modules.pop("tasks", None)
    assert not (tmp_path / "home").exists()


GUIDES = [
    "cancelling",
    "control",
    "errors",
    "results",
    "retries",
    "states",
    "tasks",
    "time-limits",
    "pools",
]


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_to_tasks_happens_as_it_is_told(guide, tmp_path, monkeypatch):
    page = DOCS / "guides" / f"{guide}.md"
    (tmp_path / "tasks.py").write_text(next(text for text in blocks(page, "python") if "@app.task" in text))
    home = tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(home))
    told = Transcript(page)
    with NodeProcess("tasks", home, tmp_path, options=("-n", "shop@here")):
        try:
            while told.rest:
                told.play()
        finally:
            sys.modules.pop("tasks").app.close()
