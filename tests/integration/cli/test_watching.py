"""`actorq tree --watch` on a terminal: what it draws, what it says while the hub is away, and how it leaves the terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Self

import psutil
import pytest

from actorq.testing.wait import wait_until
from tests.nodes import ROOT, NodeProcess

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[0m\x1b[?25h\x1b[?1049l"
END = "\x1b[?2026l"  # of a frame
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], columns: int, rows: int, **environ: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "actorq", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environ},
            cwd=folder,
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        self.fd, self.written = ours, ""

    def read(self) -> str:
        """Return everything it has written so far."""
        with contextlib.suppress(BlockingIOError, OSError):
            while part := os.read(self.fd, 1 << 16):
                self.written += part.decode()
        return self.written

    def frames(self) -> list[list[str]]:
        """Return the lines of each frame that is whole, without escapes."""
        return [
            [ESCAPES.sub("", line) for line in frame.split("\r\n\x1b[J")[0].split(END)[0].split("\r\n")]
            for frame in self.read().split("\x1b[H")[1:]
            if END in frame
        ]

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        wait_until(lambda: self.read() is not None and self.process.poll() is not None, 20, "it to end")
        return self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self.fd)


def watch(node: NodeProcess, *options: str, columns: int = 80, rows: int = 40, **environ: str) -> Terminal:
    arguments = ("tree", "-w", "-i", "0.2", "--home", str(node.home), *options)
    return Terminal(node.folder, arguments, columns, rows, **environ)


def zygote_of(node: NodeProcess) -> int:
    (pid,) = [child.pid for child in psutil.Process(node.pid).children() if child.name() == "actorq:zygote"]
    return pid


def test_a_watched_tree_is_redrawn_in_place_and_ctrl_c_gives_the_terminal_back(node):
    with watch(node) as terminal:
        wait_until(lambda: len(terminal.frames()) >= 3, 20, "three frames")
        frame = terminal.frames()[-1]
        assert frame[0].endswith("Ctrl-C ends") or frame[0].endswith("…")
        assert frame[1].startswith("COMPONENT")
        assert frame[2].startswith("shop-1")
        assert all(len(line) <= 80 for frame in terminal.frames() for line in frame)
        assert terminal.end(signal.SIGINT) == 0
        assert terminal.written.startswith(ENTER)
        assert terminal.written.endswith(LEAVE)
        assert "\x1b[2J" not in terminal.written, "clearing before drawing flickers"


def test_a_terminated_watch_gives_the_terminal_back_too(node):
    with watch(node) as terminal:
        wait_until(terminal.frames, 20, "a frame")
        assert terminal.end(signal.SIGTERM) == 128 + signal.SIGTERM
        assert terminal.written.endswith(LEAVE)


def test_a_terminal_that_is_too_low_says_how_much_it_hides(node):
    with watch(node, columns=60, rows=8) as terminal:
        wait_until(terminal.frames, 20, "a frame")
        frame = terminal.frames()[-1]
        assert len(frame) == 8
        assert re.fullmatch(r"… \d+ more lines: make the terminal higher", frame[-1])


def test_no_color_is_respected_and_colours_are_there_without_it(folder, tmp_path):
    options = ("-n", "one")
    with NodeProcess("steered", tmp_path / "home", folder, slots=1, options=options) as node:
        os.kill(zygote_of(node), signal.SIGKILL)
        with watch(node) as coloured:
            wait_until(lambda: "ZygoteEnded" in coloured.read(), 20, "the last error")
            assert "\x1b[31m" in coloured.read()
        with watch(node, NO_COLOR="1") as plain:
            wait_until(lambda: "ZygoteEnded" in plain.read(), 20, "the last error")
            assert "\x1b[31m" not in plain.read()


def test_a_watch_outlives_the_hub_says_so_and_goes_on(folder, tmp_path):
    home = tmp_path / "home"
    with NodeProcess("steered", home, folder, slots=1, options=("-n", "first")) as first, watch(first) as terminal:
        wait_until(terminal.frames, 20, "a frame")
        first.kill()
        wait_until(lambda: terminal.frames()[-1][0].startswith("no answer for"), 20, "it to say so")
        assert terminal.frames()[-1][2].startswith("first"), "what was last seen stays"
        with NodeProcess("steered", home, folder, slots=1, options=("-n", "next")):
            wait_until(lambda: terminal.frames()[-1][2].startswith("next"), 30, "the new hub's tree")
            assert terminal.end(signal.SIGINT) == 0


def test_a_watch_that_is_no_terminal_prints_a_line_of_json_each_time(node):
    program = [sys.executable, "-m", "actorq", "tree", "-w", "-i", "0.1", "--json", "--home", str(node.home)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert all(json.loads(line).keys() == {"shop-1"} for line in lines)
    assert "\x1b" not in "".join(lines)
