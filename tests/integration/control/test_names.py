"""Names of real nodes: filled in, and borne by one at a time."""

from __future__ import annotations

import socket

import pytest

from actorq import App
from tests.nodes import NodeProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_second_node_of_the_name_is_refused_until_the_first_has_gone(folder, home):
    with NodeProcess("tasks", home, folder, options=("-n", "shop@%h")) as first, App("shop", home=home) as app:
        name = f"shop@{socket.gethostname()}"
        assert app.control.inspect().ping().keys() == {name}
        second = NodeProcess("tasks", home, folder, options=("-n", "shop@%h")).start()
        assert second.process is not None
        assert second.process.wait(30) == 3
        assert (
            f"expected the node name {name!r} to be free in this home, got one that process {first.pid} has"
            in second.output
        )
        assert app.send_task("tasks.add", (1, 2)).get(timeout=20) == 3
        first.kill()
        with NodeProcess("tasks", home, folder, options=("-n", "shop@%h")):
            assert app.send_task("tasks.add", (3, 4)).get(timeout=20) == 7


def test_a_pattern_that_makes_no_sense_is_refused_with_3(folder, home):
    node = NodeProcess("tasks", home, folder, options=("-n", "shop@%x")).start()
    assert node.process is not None
    assert node.process.wait(30) == 3
    assert "expected %h, %n, %d or %% in the name of a node, got '%x'" in node.output
