"""One hub for a home."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from actorq.errors import StoreLocked
from actorq.node.hub_lock import HubLock

if TYPE_CHECKING:
    from pathlib import Path


def test_only_one_holds_the_lock_until_it_lets_go(tmp_path: Path) -> None:
    first, second = HubLock(tmp_path / "hub.lock"), HubLock(tmp_path / "hub.lock")
    assert first.acquire()
    assert first.acquire(), "asking again is harmless"
    assert not second.acquire()
    assert second.owner() == os.getpid()
    first.release()
    assert second.acquire()
    second.release()


def test_a_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "hub.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreLocked, match=r"hub\.lock"):
        HubLock(tmp_path / "hub.lock").acquire()
