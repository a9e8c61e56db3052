"""The heart: an actor that shows by a file that its node lives.

Light; permanent, and parked where it can't write: a node works without it. Readers never see half a file: each beat is
written beside it and renamed over it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actorq.actors import Actor

if TYPE_CHECKING:
    from actorq.transport.paths import Home

__all__ = ["FILE_PATTERN", "Heart", "TellBeats"]

FILE_PATTERN = "heartbeat-{}.json"  # in the home, with the node's name, where no other file was named


class TellBeats:
    """Ask the heart: how many beats were there? Answered with a dictionary."""


class _Beat:
    """Timer: beat."""


class Heart(Actor):
    """Beats every `interval_s`, for the first time before its start is confirmed."""

    def init(self, *, path: str | None, interval_s: float, home: Home, node: str) -> None:
        """Write the first beat; where that fails, so does the start."""
        self.path = Path(path) if path else home.path / FILE_PATTERN.format(node.replace("/", "-"))
        self.node = node
        self.beats = 0
        self._beat()
        self.timers.every(interval_s, _Beat())

    def on_beat(self, _: _Beat) -> None:
        """Beat."""
        self._beat()

    def on_tell_beats(self, _: TellBeats) -> dict[str, Any]:
        """Answer how many there were."""
        return self.describe()

    def _beat(self) -> None:
        self.beats += 1
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            fresh.write_text(
                json.dumps({"node": self.node, "pid": os.getpid(), "at": time.time(), "beats": self.beats})
            )
            fresh.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise

    def terminate(self, reason: object) -> None:
        """Stop beating in a way that can be seen."""
        if hasattr(self, "path"):
            self.path.unlink(missing_ok=True)

    def describe(self) -> dict[str, Any]:
        """Return what `actorq tree` shows."""
        return {"path": str(getattr(self, "path", "")), "beats": getattr(self, "beats", 0)}
