"""The examples of the guide on testing run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "guides" / "testing.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(folder, *command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ACTORQ_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        # Where actorq is installed pytest would find its plugin by itself and refuse to take it twice.
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
def test_calls_happen_as_they_are_told(tmp_path):
    (tmp_path / "calls.py").write_text(BLOCKS[0])
    done = run(tmp_path, "calls.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_eager_tests_of_the_guide_pass_and_leave_nothing(tmp_path):
    (tmp_path / "test_shop.py").write_text(BLOCKS[1])
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "3 passed" in done.stdout, done.stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_the_program_with_a_node_runs_and_ends(tmp_path):
    (tmp_path / "shop.py").write_text(BLOCKS[2])
    done = run(tmp_path, "shop.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5\nactorq node\n"), done.stdout


@pytest.mark.slow
def test_the_tests_with_fixtures_pass(tmp_path):
    (tmp_path / "tasks.py").write_text(BLOCKS[3])
    (tmp_path / "test_tasks.py").write_text(BLOCKS[4])
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_actorq", "--strict-markers")
    assert "3 passed" in done.stdout, done.stdout
    assert not (tmp_path / "home").exists()
