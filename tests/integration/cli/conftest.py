"""The command line in this process, and a node in another."""

from __future__ import annotations

import pytest

from tests.command_line import make_runner
from tests.nodes import NodeProcess

TASKS = """
import time
from pathlib import Path

from actorq import App

app = App("shop")


@app.task
def note(folder: str, number: int, nap_s: float) -> int:
    time.sleep(nap_s)
    with (Path(folder) / "runs").open("a") as runs:
        runs.write(f"{number}\\n")
    return number
"""
PLUGIN = """
from actorq import Plugin
from tests.command_line import make_runner


class Greeter(Plugin):
    name = "greeter"

    def commands(self):
        return {
            "greet": lambda command: {"hello": command.arguments.get("who", "you"), "from": command.node},
            "raise": lambda command: 1 / 0,
            "odd": lambda command: object(),
            "who": lambda command: command.ask("nobody-at-all", object(), 0.2),
        }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steering")
    (folder / "steered.py").write_text(TASKS)
    (folder / "greeting.py").write_text(PLUGIN)
    return folder


@pytest.fixture(scope="module")
def node(folder):
    options = ("-n", "shop-1", "--plugin", "greeting:Greeter")
    with NodeProcess("steered", folder / "home", folder, options=options) as started:
        yield started


@pytest.fixture
def actorq(node, monkeypatch, capfd):
    """Run the command line here, against the node's home; returns its code, what it printed, and what it said on stderr."""
    for name in ("ACTORQ_APP", "ACTORQ_PLUGIN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACTORQ_HOME", str(node.home))

    return make_runner(capfd)
