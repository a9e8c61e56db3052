"""What the package adds to actorq, and where."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from actorq.cli.common import Common, common_options, locate, print_data, with_errors
from actorq.errors import BrokerUnavailable
from actorq.plugins import NodePart, Plugin
from actorq.supervisor import Component

from .heart import FILE_PATTERN, Heart, TellBeats
from .timers import WheelTimers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from actorq.config import Settings
    from actorq.plugins import NodeCommand, Running, Sending

__all__ = ["HeartbeatPlugin"]

HEADER = "sent-by"


class HeartbeatPlugin(Plugin):
    """A heartbeat file, timers on a wheel, a header that names the sender, and a line for each run."""

    name = "heartbeat"

    def __init__(
        self, file: str | None = None, interval_s: float = 1.0, runs_file: str | None = None, tick_s: float = 0.25
    ) -> None:
        """Keep it all; an application may say it here, the command line says it with options."""
        self.file, self.interval_s, self.runs_file, self.tick_s = file, interval_s, runs_file, tick_s

    # -- in a node ----------------------------------------------------------------------------------------------------

    def components(self, settings: Settings) -> Iterable[Component]:
        """Add the heart, and put timers on a wheel in the place of the built-in ones."""
        yield Component(
            "heart",
            Heart,
            kwargs={
                "path": self.file,
                "interval_s": self.interval_s,
                "home": NodePart("home"),
                "node": NodePart("node"),
            },
            exhausted="park",  # a node without a heartbeat still runs tasks
        )
        yield Component(
            "wheel-timers",
            WheelTimers,
            requires=("store", "broker"),
            replaces="timers",
            kwargs={"tick_s": self.tick_s},
        )

    def commands(self) -> Mapping[str, Callable[[NodeCommand], Any]]:
        """`actorq control heartbeat`: have the heart itself answer."""
        return {"heartbeat": lambda command: command.ask("heart", TellBeats())}

    # -- on the command line ------------------------------------------------------------------------------------------

    def verbs(self) -> Mapping[str, click.Command]:
        """`actorq heartbeat`: how old is the last beat?"""
        return {"heartbeat": heartbeat}

    def options(self) -> Mapping[str, Sequence[click.Option]]:
        """Let whoever starts a node say which files."""
        return {
            "node": [
                click.Option(["--heartbeat-file"], metavar="FILE", help="Where the node shows that it lives."),
                click.Option(["--runs-file"], metavar="FILE", help="Where slots write a line for each run."),
            ]
        }

    def configure(self, values: Mapping[str, Any]) -> None:
        """Take the files, made absolute: slots may have another working directory."""
        if values.get("heartbeat_file"):
            self.file = os.path.abspath(values["heartbeat_file"])
        if values.get("runs_file"):
            self.runs_file = os.path.abspath(values["runs_file"])

    # -- around calls -------------------------------------------------------------------------------------------------

    @contextmanager
    def sending(self, call: Sending) -> Iterator[None]:
        """Say in a header who sends."""
        call.headers.setdefault(HEADER, f"{os.getpid()}@{socket.gethostname()}")
        yield

    def running(self, run: Running) -> AbstractContextManager[object] | None:
        """Measure the run, if it is to be written down."""
        return None if self.runs_file is None else _measure(run, self.runs_file)


@contextmanager
def _measure(run: Running, file: str) -> Iterator[None]:
    started_at, ended = time.perf_counter(), "failed"
    try:
        yield
        ended = "returned"
    finally:
        facts = {
            "task": run.task,
            "id": run.request.id,
            "sent_by": run.headers.get(HEADER),
            "ended": ended,
            "duration_s": time.perf_counter() - started_at,
        }
        with open(file, "a", encoding="utf-8") as lines:  # one write of a short line: lines of several slots don't mix
            lines.write(json.dumps(facts) + "\n")


@click.command()
@common_options
@click.option("--file", metavar="FILE", help="The heartbeat file; default: those in the home.")
@click.option("--max-age", "max_age_s", type=float, default=10.0, metavar="SECONDS", help="Older is dead; default: 10.")
@with_errors
def heartbeat(common: Common, /, file: str | None, max_age_s: float) -> None:
    """Say how old the last beat of each node is; exit code 69 if there is none, or one that is too old."""
    paths = [Path(file)] if file else sorted(locate(common).path.glob(FILE_PATTERN.format("*")))
    beats = [json.loads(path.read_text()) for path in paths if path.exists()]
    if not beats:
        raise BrokerUnavailable(file or "this home", 0.0, "there is no heartbeat file; is the node's plugin enabled?")
    for beat in beats:
        beat["age_s"] = max(0.0, time.time() - beat["at"])
    print_data(common, beats, _print_beats)
    oldest = max(beats, key=lambda beat: beat["age_s"])
    if oldest["age_s"] > max_age_s:
        raise BrokerUnavailable(oldest["node"], oldest["age_s"], f"its last beat is older than {max_age_s:g} s")


def _print_beats(beats: list[dict[str, Any]]) -> None:
    for beat in beats:
        click.echo(f"{beat['node']} (pid {beat['pid']}) beat {beat['age_s']:.1f} s ago; {beat['beats']} beats")
