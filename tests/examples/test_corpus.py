"""The demo: its parts on a small folder, and the whole of it with a real node and a real kill."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from examples import corpus, corpus_tasks

ROOT = Path(__file__).resolve().parent.parent.parent


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_file_is_counted_by_names_that_are_not_keywords(tmp_path):
    path = write(tmp_path, "a.py", "def f(x):\n    return x\n")
    counts = corpus_tasks.count_tokens(path)
    assert counts["names"] == {"f": 1, "x": 2}
    assert (counts["lines"], counts["error"]) == (2, "")
    assert counts["sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_file_that_cannot_be_tokenized_counts_up_to_its_error(tmp_path):
    counts = corpus_tasks.count_tokens(write(tmp_path, "a.py", "x = 1\ny = (\n"))
    assert counts["error"] in {"TokenError", "SyntaxError"}
    assert counts["lines"] == 2


def test_what_pip_put_below_the_folder_is_left_out_but_not_the_folder_itself(tmp_path):
    folder = tmp_path / "site-packages" / "mine"
    wanted = [write(folder, "a.py", ""), write(folder, "sub/b.py", "")]
    write(folder, "site-packages/c.py", "")
    write(folder, "notes.txt", "")
    assert corpus.find_files(folder, None) == wanted
    assert corpus.find_files(folder, 1) == wanted[:1]


def test_a_process_that_is_not_a_child_of_the_node_is_never_killed():
    assert corpus.kill_slot(1, node_pid=2) is False


@pytest.mark.parametrize("killed", [None, 7])
def test_the_report_asks_for_a_kill_and_for_equal_counts(killed, capsys):
    counts = {"tokens": 3, "lines": 1, "names": {"x": 2}, "error": ""}
    actorq = corpus.Run({"a": counts}, {7, 8}, killed, 1.0)
    loop = corpus.Run({"a": dict(counts)}, set(), None, 2.0)
    assert corpus.report(["a"], actorq, loop) is (killed is not None)
    assert not corpus.report(["a"], actorq, corpus.Run({"a": {**counts, "tokens": 4}}, set(), None, 2.0))
    assert "2.00x" in capsys.readouterr().out


@pytest.mark.slow
def test_the_demo_survives_the_death_of_a_slot():
    command = [sys.executable, "-m", "examples.corpus", "--limit", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was killed with SIGKILL half-way" in done.stdout
    assert "equal, file by file, over 60 files" in done.stdout
