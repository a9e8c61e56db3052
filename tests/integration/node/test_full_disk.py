"""A disk without room: new tasks are refused with a typed error, old ones go on, and it recovers by itself."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from actorq import App, StoreFull
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(mount)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room at all."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as filler:
        for size in (1 << 20, 4096):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                continue
    return path


def test_a_full_disk_refuses_new_tasks_and_takes_them_again_when_there_is_room(folder: Path, small: Path) -> None:
    with NodeProcess("tasks", small / "home", folder) as node, App("shop", home=small / "home") as app:
        long = app.send_task("tasks.nap", [2.0])
        long.confirm(10)
        filler = fill(small)
        with pytest.raises(StoreFull, match="space"):
            for number in range(400):
                app.send_task("tasks.add", ["x" * 4_000, "y"], confirm=number % 20 == 19)
        assert long.get(timeout=20), "what was running goes on"
        assert node.returncode is None, node.output
        filler.unlink()

        def works() -> bool:
            try:
                return bool(app.send_task("tasks.add", [1, 1], confirm=True).get(timeout=10) == 2)
            except StoreFull:
                return False

        wait_until(works, 30, "new tasks to be taken again")


def test_a_node_cannot_start_on_a_full_disk_and_says_so(folder: Path, small: Path) -> None:
    fill(small)
    done = actorq("node", "-A", "tasks", "--home", str(small / "home"), cwd=folder)
    assert done.returncode == 4, done.stderr
    assert "space" in done.stderr
