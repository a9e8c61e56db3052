"""The terminal while a verb redraws: an alternate screen that is given back however the verb ends.

A frame is one write that starts at the top left corner and clears as it goes, never the whole screen, so nothing flickers.
Colours appear only on a terminal, and not where NO_COLOR is set (https://no-color.org).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from actorq.cli.tree_view import cut

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import Any, Self

    from actorq.cli.tree_view import Line

__all__ = ["Screen", "has_colours", "paint", "width_of_terminal"]

ENTER: Final = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
LEAVE: Final = "\x1b[0m\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
CLEAR_LINE: Final = "\x1b[K"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know these show what is between them at once
CLEAR_BELOW: Final = "\x1b[J"
TERMINATED: Final = 128 + signal.SIGTERM


def width_of_terminal() -> int | None:
    """Return how wide a line may be; None: it goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colours() -> bool:
    """Return whether output may be coloured."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(line: Line) -> str:
    """Return a line with its colours, if there are any to be shown."""
    text = line.text
    if has_colours():
        for start, end, colour in sorted(line.colours, reverse=True):
            text = text[:start] + click.style(text[start:end], fg=colour) + text[end:]
    return text


class Screen:
    """A context manager; `draw` replaces what is shown. What was on the terminal before comes back at the end."""

    def __enter__(self) -> Self:
        self._on_term: Any = signal.signal(signal.SIGTERM, _end)
        _write(ENTER)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        _write(LEAVE)
        signal.signal(signal.SIGTERM, self._on_term)

    def draw(self, lines: Sequence[str]) -> None:
        """Show `lines`, as many as there is room for, and say how many there isn't."""
        size = shutil.get_terminal_size()
        shown = list(lines)
        if len(shown) > size.lines:
            hidden = len(shown) - size.lines + 1
            shown = [*shown[: size.lines - 1], cut(f"… {hidden} more lines: make the terminal higher", size.columns)]
        # Clear before writing: after a line that ends in the last column, clearing would take its last letter.
        below = f"\n{CLEAR_BELOW}" if len(shown) < size.lines else ""
        _write(BEGIN + HOME + "\n".join(f"{CLEAR_LINE}{line}" for line in shown) + below + END)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End as if nobody had caught the signal, but through `__exit__`."""
    raise SystemExit(TERMINATED)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
