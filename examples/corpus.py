"""Count the tokens of a folder of Python files on two processes, kill one half-way, and get the right answer.

    python -m examples.corpus [FOLDER] [--limit N]

Starts a node of its own in a temporary home, sends it one task a file, kills one of its two slots with SIGKILL when half
of the files are counted, merges the results, and does the same work again in a plain loop. Exits 0 only if both agree on
every single file. FOLDER defaults to the standard library of the running Python.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actorq import AsyncResult

SLOTS: Final = 2
RESULT_TIMEOUT_S: Final = 60.0  # the longest file takes about a second
STOP_TIMEOUT_S: Final = 15.0
BAR_WIDTH: Final = 30


@dataclass(slots=True)
class Run:
    """One pass over all files: what was counted, file by file, and what it took."""

    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)
    killed_pid: int | None = None
    duration_s: float = 0.0

    def total(self, what: str) -> int:
        """Return the sum of `what` over all files."""
        return sum(counts[what] for counts in self.counts.values())

    def names(self) -> Counter[str]:
        """Return how often each name occurs in all files."""
        merged: Counter[str] = Counter()
        for counts in self.counts.values():
            merged.update(counts["names"])
        return merged


class Progress:
    """A bar on stderr; a line every tenth where stderr is no terminal."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total = label, total
        self.started_at = time.monotonic()
        self.shown = -1
        self.is_terminal = sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Draw `done` of the total, if it looks different from the last time."""
        steps = BAR_WIDTH if self.is_terminal else 10
        step = done * steps // self.total
        if step == self.shown and not (self.is_terminal and done % 10 == 0):
            return
        self.shown = step
        rate = done / max(time.monotonic() - self.started_at, 1e-9)
        text = f"{self.label:<12} {done:>5}/{self.total} files {rate:>6.0f}/s"
        if self.is_terminal:
            bar = "#" * step + "." * (BAR_WIDTH - step)
            print(f"\r[{bar}] {text}", end="\n" if done == self.total else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Print a line of its own."""
        print(f"{chr(10) if self.is_terminal else ''}{text}", file=sys.stderr, flush=True)


def find_files(folder: Path, limit: int | None) -> list[str]:
    """Return the Python files under `folder`, in a stable order, without what pip put there."""
    installed = {"site-packages", "dist-packages", "__pycache__"}
    found = (path for path in folder.rglob("*.py") if path.is_file())
    return sorted(str(path) for path in found if not installed & set(path.parts[len(folder.parts) :]))[:limit]


@contextmanager
def running_node(home: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a node with two slots on `home`; stop it in the end. Its log is shown if something goes wrong."""
    log_path = Path(home, "node.log")
    arguments = ["node", "-A", "examples.corpus_tasks", "-c", str(SLOTS), "--home", home]
    with log_path.open("wb") as log:
        node = subprocess.Popen(
            [sys.executable, "-m", "actorq", *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=Path(__file__).resolve().parent.parent,
        )  # fmt: skip
        try:
            yield node
        except Exception:
            sys.stderr.write(f"\nthe node's log:\n{log_path.read_text(errors='replace')[-4000:]}\n")
            raise
        finally:
            stop(node)


def stop(node: subprocess.Popen[bytes]) -> None:
    """Ask the node to end; insist after a while."""
    node.terminate()
    try:
        node.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()


def kill_slot(pid: int, node_pid: int) -> bool:
    """Kill the slot `pid` without warning. Only ever a child of our own node."""
    try:
        if node_pid not in [parent.pid for parent in psutil.Process(pid).parents()]:
            return False
        os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
    return True


def wait_for(result: AsyncResult[dict[str, Any]], node: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the value of a result; don't wait for a node that has ended.

    Raises:
        RuntimeError: the node has ended, or took too long.
    """
    deadline = time.monotonic() + RESULT_TIMEOUT_S
    while True:
        try:
            return result.get(timeout=1)
        except TimeoutError as error:
            if node.poll() is not None:
                raise RuntimeError(f"the node has ended with code {node.returncode}") from None
            if time.monotonic() > deadline:
                raise RuntimeError(str(error)) from None


def count_on_node(files: Sequence[str], node: subprocess.Popen[bytes]) -> Run:
    """Send one task a file; kill a slot when half of the results are in."""
    from examples.corpus_tasks import count_file  # noqa: PLC0415  the home has to be chosen before

    wait_for(count_file.delay(files[0]), node)  # the node is up; starting it is not what is measured
    run = Run()
    progress = Progress("two slots", len(files))
    started_at = time.monotonic()
    results = [count_file.delay(path) for path in files]
    for done, (path, result) in enumerate(zip(files, results, strict=True), 1):
        answer = wait_for(result, node)
        run.counts[path] = answer["counts"]
        run.pids.add(answer["pid"])
        if run.killed_pid is None and done * 2 >= len(files) and kill_slot(answer["pid"], node.pid):
            run.killed_pid = answer["pid"]
            progress.note(f"             killed slot {run.killed_pid} with SIGKILL")
        progress.show(done)
    run.duration_s = time.monotonic() - started_at
    return run


def count_in_loop(files: Sequence[str]) -> Run:
    """Count the same files here, one after the other."""
    from examples.corpus_tasks import count_tokens  # noqa: PLC0415  as above

    run = Run()
    progress = Progress("plain loop", len(files))
    started_at = time.monotonic()
    for done, path in enumerate(files, 1):
        run.counts[path] = count_tokens(path)
        progress.show(done)
    run.duration_s = time.monotonic() - started_at
    return run


def report(files: Sequence[str], actorq: Run, loop: Run) -> bool:
    """Print the table and return whether both runs agree on every file."""
    differing = [path for path in files if actorq.counts[path] != loop.counts[path]]
    names = actorq.names()
    print(f"\n{'name':<20}{'actorq':>12}{'plain loop':>12}")
    plain_names = loop.names()
    for name, count in names.most_common(10):
        print(f"{name:<20}{count:>12,}{plain_names[name]:>12,}")
    print()
    for what in ("tokens", "lines"):
        print(f"{what:<20}{actorq.total(what):>12,}{loop.total(what):>12,}")
    print(f"{'distinct names':<20}{len(names):>12,}{len(plain_names):>12,}")
    print(f"{'files':<20}{len(actorq.counts):>12,}{len(loop.counts):>12,}")
    print(f"{'seconds':<20}{actorq.duration_s:>12.2f}{loop.duration_s:>12.2f}")
    print(f"{'tasks/s':<20}{len(files) / actorq.duration_s:>12,.0f}{len(files) / loop.duration_s:>12,.0f}")
    print(f"{'speed-up':<20}{loop.duration_s / actorq.duration_s:>11.2f}x")
    print()
    if actorq.killed_pid is None:
        print("No slot could be killed: nothing was shown.")
        return False
    print(f"Slot {actorq.killed_pid} was killed with SIGKILL half-way; {len(actorq.pids)} processes counted in all.")
    if differing:
        print(f"The totals are NOT equal: {len(differing)} files differ, the first is {differing[0]}.")
        return False
    print(f"The totals are equal, file by file, over {len(files):,} files.")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.corpus", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(sysconfig.get_paths()["stdlib"]))
    parser.add_argument("--limit", type=int, default=None, help="take only the first LIMIT files")
    options = parser.parse_args(arguments)
    files = find_files(options.folder.resolve(), options.limit)
    if len(files) < 2 * SLOTS:
        parser.error(f"expected at least {2 * SLOTS} Python files under {options.folder}, got {len(files)}")
    for path in files:
        Path(path).read_bytes()  # from the disk into memory, so that neither run pays for it
    with tempfile.TemporaryDirectory(prefix="actorq-corpus-") as home:
        os.environ["ACTORQ_HOME"] = home
        try:
            with running_node(home) as node:
                actorq = count_on_node(files, node)
        except RuntimeError as error:
            print(f"The demo failed: {error}", file=sys.stderr)
            return 1
    loop = count_in_loop(files)
    return 0 if report(files, actorq, loop) else 1


if __name__ == "__main__":
    sys.exit(main())
