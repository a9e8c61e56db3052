"""What goes wrong is one clear line and a documented exit code."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from actorq import App, BrokerUnavailable, QueueFull, ResultTimeout
from tests.nodes import NodeProcess, actorq

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_an_application_that_cannot_be_imported_is_named_with_its_error(folder: Path, home: Path) -> None:
    (folder / "broken.py").write_text("import no_such_module\n")
    done = actorq("node", "-A", "broken", "--home", str(home), cwd=folder)
    assert done.returncode == 3
    assert "no_such_module" in one_line(done)


def test_a_missing_application_says_how_to_give_one(folder: Path, home: Path) -> None:
    done = actorq("node", "--home", str(home), cwd=folder)
    assert done.returncode == 3
    assert "-A" in one_line(done)


def test_a_wrong_option_is_a_usage_error_with_a_suggestion(folder: Path) -> None:
    done = actorq("node", "--concurency", "2", cwd=folder)
    assert done.returncode == 2
    assert "--concurrency" in done.stderr
    done = actorq("nod", cwd=folder)
    assert done.returncode == 2
    assert "'node'" in done.stderr


def test_a_damaged_store_is_refused_with_its_own_code(folder: Path, home: Path) -> None:
    with NodeProcess("tasks", home, folder) as node, App("shop", home=home) as app:
        app.send_task("tasks.add", [1, 1]).get(timeout=10)
        node.kill()
    (home / "store.db-wal").unlink(missing_ok=True)
    (home / "store.db").write_bytes(b"\0" * 8192)
    done = actorq("node", "-A", "tasks", "--home", str(home), cwd=folder)
    assert done.returncode == 5, done.stderr
    assert "store" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a home of another user")
def test_a_home_of_another_user_is_refused(folder: Path, home: Path) -> None:
    home.mkdir(mode=0o755)
    os.chown(home, 65534, 65534)
    done = actorq("node", "-A", "tasks", "--home", str(home), cwd=folder)
    assert done.returncode == 4
    assert "65534" in one_line(done)


def test_nobody_answering_is_said_with_its_own_code(folder: Path, home: Path) -> None:
    done = actorq("status", "--home", str(home), "--timeout", "0.5", cwd=folder)
    assert done.returncode == 69
    assert "actorq node" in one_line(done)


def test_get_without_a_node_times_out_and_says_how_to_start_one(home: Path) -> None:
    with App("shop", home=home) as app:
        sent = app.send_task("tasks.add", [1, 1])
        with pytest.raises(ResultTimeout, match="actorq node"):
            sent.get(timeout=0.5)
        assert sent.state == "PENDING"


def test_a_confirmation_without_a_node_fails_within_five_seconds(home: Path) -> None:
    with App("shop", home=home) as app:
        started_at = time.monotonic()
        with pytest.raises(BrokerUnavailable, match="actorq node"):
            app.send_task("tasks.add", [1, 1], confirm=True)
        assert time.monotonic() - started_at < 6.0


def test_a_full_outbox_raises_instead_of_growing(home: Path) -> None:
    with App("shop", home=home, config={"outbox_max_tasks": 10}) as app:
        with pytest.raises(QueueFull, match="10"):
            for _ in range(20):
                app.send_task("tasks.add", [1, 1])
