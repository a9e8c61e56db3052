"""Commands that an application brings, in real nodes: for programs and on the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorq import ActorqError, App
from tests.nodes import NodeProcess, actorq, ask

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMMANDS = """

@app.control.control_command(args=[("n", int)])
def double(state, n=1):
    return {"doubled": 2 * n, "by": state.node}


@app.control.inspect_command(name="which_pid")
def anything(state):
    return os.getpid()


@app.control.command
def odd(state):
    return object()
"""


@pytest.fixture
def folder(folder):
    tasks = folder / "tasks.py"
    tasks.write_text(tasks.read_text() + COMMANDS)
    return folder


def test_commands_run_in_every_node_while_its_slots_are_busy(app, node, folder):
    for _ in range(2):
        app.send_task("tasks.nap", (30.0,))
    assert app.control.broadcast("double", {"n": "21"}, reply=True) == [{"shop-1": {"doubled": 42, "by": "shop-1"}}]
    assert app.control.inspect().command("which_pid") == {"shop-1": node.pid}
    assert app.control.broadcast("double") is None
    told = ask(node.home, folder, "control", "double", "n=4", "-d", "shop-1")
    assert told == {"shop-1": {"doubled": 8, "by": "shop-1"}}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("double", {"n": "x"}, "expected n to be int, got 'x'"),
    ("double", {"m": 1}, "unexpected keyword argument 'm'"),
    ("odd", {}, "expected command 'odd' to answer with plain data"),
    ("doubl", {}, "did you mean 'double'"),
]


def test_a_command_that_goes_wrong_is_an_error_of_its_answer(app, node, folder):
    for command, arguments, said in WRONG:
        with pytest.raises(ActorqError) as raised:
            app.control.broadcast(command, arguments)
        assert said in str(raised.value), command
        pairs = [f"{key}={json.dumps(value)}" for key, value in arguments.items()]
        done = actorq("control", command, *pairs, "--home", str(node.home), cwd=folder)
        assert done.returncode == 1
        assert said in done.stderr
    assert app.control.inspect().ping() == {"shop-1": {"ok": "pong"}}


def test_what_is_no_command_is_refused_where_it_is_defined(tmp_path):
    app = App("shop", home=tmp_path / "home")

    async def waits(state):
        return state

    def nothing():
        return None

    def takes_m(state, m):
        return m

    with pytest.raises(TypeError, match="expected a plain function as a command"):
        app.control.control_command(waits)
    with pytest.raises(TypeError, match="to take the node's state"):
        app.control.control_command(nothing)
    with pytest.raises(TypeError, match="to take the node's state and n"):
        app.control.control_command(takes_m, args=[("n", int)])
    app.control.control_command(takes_m, name="m")
    with pytest.raises(ValueError, match="expected a free name for a command, got 'm'"):
        app.control.control_command(lambda state: state, name="m")


def test_a_command_cannot_take_the_name_of_a_built_in_one(folder, home):
    tasks = folder / "tasks.py"
    tasks.write_text(tasks.read_text() + "\n\n@app.control.command\ndef pool_grow(state):\n    return 1\n")
    node = NodeProcess("tasks", home, folder).start()
    assert node.process is not None
    assert node.process.wait(30) == 3
    assert "expected a free name for its control command, got 'pool_grow', which actorq itself has" in node.output
