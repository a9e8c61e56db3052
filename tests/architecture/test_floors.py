"""The rooms import only from floors below them, and a client stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command as main; sys.exit(main())"


def run_python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_room_imports_only_from_floors_below_it():
    assert "0 broken" in run_python(LINT_IMPORTS, "--no-logo", "--no-cache")


@pytest.mark.parametrize(
    "module", ["structlog", "asyncio", "click", "psutil", "sqlite3", "croniter", "cloudpickle", "zmq"]
)
def test_importing_actorq_does_not_import(module):
    assert run_python(f"import actorq, sys; print({module!r} in sys.modules)").strip() == "False"


def test_looking_for_plugins_is_left_to_the_first_send_and_costs_no_metadata_where_none_is_installed(tmp_path):
    code = """
import sys
from actorq import App
app = App("lazy", home=sys.argv[1])
task = app.task(name="t")(lambda: None)
from actorq.plugins.entry_points import _kept
before = list(_kept)
task.delay()
print(before, _kept, "importlib.metadata" in sys.modules)
"""
    assert run_python(code, str(tmp_path)).strip() == "[] [()] False"


@pytest.mark.parametrize("room", ["canvas", "node", "engine", "slot", "actors", "supervisor", "cli", "testing"])
def test_a_process_that_only_calls_tasks_never_imports(room):
    code = f"import actorq, sys; print([name for name in sys.modules if (name + '.').startswith('actorq.{room}.')])"
    assert run_python(code).strip() == "[]"


def test_only_codec_unpickles():
    unpickles = re.compile(r"pickle\.loads?\(|Unpickler\(")
    found = {path.relative_to(ROOT) for path in (ROOT / "actorq").rglob("*.py") if unpickles.search(path.read_text())}
    assert {path.parts[1] for path in found} <= {"codec"}
