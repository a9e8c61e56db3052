"""Workflows draw themselves, before they are sent."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from actorq.canvas import Signature, chain, chord, group
from actorq.canvas.drawing import draw_plan
from actorq.canvas.plan import make_plan


def s(name: str, *args: Any, **kwargs: Any) -> Any:
    return Signature(name, args, kwargs)


CANVAS = (
    s("load", "a.txt").on_error(s("tell"))
    | group(s("count", 1), s("read") | s("count", 2), group(s("x"), s("y")))
    | s("total").link(s("keep") | s("send")).link(s("show"))
    | s("end")
)

TEXT = """\
load('a.txt')
└╌╌ on error tell()
all of 3
├── count(1)
├── read()
│   count(2)
└── all of 2
    ├── x()
    └── y()
total()
├── then keep()
│        send()
└── then show()
end()
"""


def test_as_text_what_follows_stands_below_and_what_is_beside_in_arms():
    assert CANVAS.draw() == TEXT
    assert chain().draw() == "nothing\n"
    assert group([]).draw() == "all of 0\n"


def test_states_stand_beside_what_is_in_them():
    assert draw_plan(make_plan(s("a") | s("b")), "text", {0: "SUCCESS"}) == "a()  SUCCESS\nb()\n"
    assert 'label="a()\\nSUCCESS"' in draw_plan(make_plan(s("a") | s("b")), "dot", {0: "SUCCESS"})


def test_every_task_and_every_link_is_in_the_graphs():
    dot, mermaid = CANVAS.draw("dot"), CANVAS.draw("mermaid")
    for name in ("load", "tell", "count", "read", "x", "y", "total", "keep", "send", "show", "end"):
        assert f'"{name}(' in dot
        assert f'"{name}(' in mermaid
    assert dot.count("->") == mermaid.count("-->") + mermaid.count("-.->") == 18
    assert "|on error| n0e0" in mermaid


def test_what_would_be_read_as_a_command_is_quoted():
    sig = s("a", 'say "<b>\n"')
    assert "<" not in sig.draw("mermaid").replace("flowchart", "")
    assert "\n" not in sig.draw("mermaid").splitlines()[1]
    assert r"\"" in sig.draw("dot")


def test_long_arguments_are_cut():
    assert len(s("a", "x" * 1_000).draw()) < 70


def test_generators_are_still_there_after_a_drawing():
    canvas = chord((s("a", each) for each in range(2)), s("b"))
    assert canvas.draw() == canvas.draw() == "all of 2\n├── a(0)\n└── a(1)\nb()\n"
    assert len(canvas.tasks) == 2


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="expected a format among text, dot, mermaid, got 'svg'"):
        CANVAS.draw("svg")


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_graphviz_can_read_it():
    done = subprocess.run(["dot", "-Tsvg"], input=CANVAS.draw("dot"), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
