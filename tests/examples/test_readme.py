"""What the README shows is what happens: its task module, its node, its calls."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(path.relative_to(ROOT) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks(page, language):
    return [text for found, text in BLOCK.findall((ROOT / page).read_text()) if found == language]


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """The README's `tasks.py` as a module of its own folder, with a home of its own."""
    (tmp_path / "tasks.py").write_text(blocks("README.md", "python")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(tmp_path / "home"))
    module = importlib.import_module("tasks")
    yield module
    module.app.close()
    del sys.modules["tasks"]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_python_block_is_python(page):
    for text in blocks(page, "python"):
        if not text.startswith(">>>"):
            compile(text, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@pytest.mark.slow
def test_the_readme_does_what_it_says(tasks, tmp_path):
    started = next(
        line for text in blocks("README.md", "console") for line in text.splitlines() if "actorq node" in line
    )
    arguments = started.removeprefix("$ actorq ").split()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "node.log").open("wb") as log:
        command = [sys.executable, "-m", "actorq", *arguments]
        node = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        assert tasks.add.delay(1, 1).get(timeout=30) == 2, (tmp_path / "node.log").read_text()
        calls = compile(blocks("README.md", "python")[1], "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert calls.co_flags & inspect.CO_COROUTINE
        asyncio.run(eval(calls, {}))
        assert tasks.add.delay(2, 3).get(timeout=5) == 5
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == 0
    finally:
        node.kill()
        node.wait()


def test_the_readmes_actors_say_what_it_says_they_do():
    (example,) = [text for text in blocks("README.md", "python") if "Actor" in text]
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"print\(.*\)  # (.*)", example)


def test_the_readmes_task_does_what_it_says(monkeypatch):
    (example,) = [text for text in blocks("README.md", "python") if "urllib" in text]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(example, "README.md", "exec"), names)
    fetch = names["fetch"]
    assert fetch.apply(("http://x",)).state == "REJECTED"
    monkeypatch.setattr("urllib.request.urlopen", lambda _: io.BytesIO(b"page"))
    assert fetch.apply(("https://x",)).get() == 4
