"""How far many tasks have come, as a bar on a terminal or in a notebook; elsewhere nothing is drawn.

Pure but for `Bar`, which writes. Drawn at most so often that a flood of results isn't slowed by it.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import Final, TextIO

__all__ = ["Bar", "draw_bar"]

REDRAW_S: Final = 0.1
LONGEST_BAR: Final = 40
TEXT_COLUMNS: Final = 44  # what stands beside the bar, at most


def draw_bar(done: int, failed: int, total: int, elapsed_s: float, columns: int = 80) -> str:
    """Return one line: a bar, how many have ended of how many, how many of them failed, and the time it took."""
    length = max(0, min(LONGEST_BAR, columns - TEXT_COLUMNS))
    filled = length if not total else length * done // total
    percent = 100 if not total else 100 * done // total
    failures = f"  {failed} failed" if failed else ""
    bar = f"[{'#' * filled}{'.' * (length - filled)}] " if length else ""
    return f"{bar}{done}/{total}  {percent:3d} %{failures}  {elapsed_s:.1f} s"[: max(1, columns - 1)]


class Bar:
    """A bar on `file`, if somebody sees it there."""

    def __init__(self, total: int, file: TextIO | None = None) -> None:
        self._file = sys.stderr if file is None else file
        self._total, self._done, self._failed = total, 0, 0
        self._started_at = time.monotonic()
        self._draw_at = 0.0
        self._widest = 0
        self.is_seen = _is_seen(self._file)

    def add(self, *, failed: bool) -> None:
        """Count one that has ended."""
        self._done += 1
        self._failed += failed
        if self.is_seen and time.monotonic() >= self._draw_at:
            self._draw()

    def close(self) -> None:
        """Draw the last state and leave the line."""
        if self.is_seen:
            self._draw()
            self._file.write("\n")
            self._file.flush()

    def _draw(self) -> None:
        now = time.monotonic()
        self._draw_at = now + REDRAW_S
        columns = shutil.get_terminal_size().columns
        line = draw_bar(self._done, self._failed, self._total, now - self._started_at, columns)
        self._widest = max(self._widest, len(line))
        self._file.write(f"\r{line:<{min(self._widest, columns - 1)}}")
        self._file.flush()


def _is_seen(file: TextIO) -> bool:
    """Return whether a line that is drawn over and over makes sense there: on a terminal, or in a notebook."""
    return file.isatty() or ("ipykernel" in sys.modules and type(file).__module__.startswith("ipykernel"))
