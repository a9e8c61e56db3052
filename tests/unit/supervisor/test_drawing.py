"""Drawings of a graph: every component, every edge as what it is, and nothing that a name can break."""

from __future__ import annotations

import re
import shutil
import subprocess
from random import Random

import pytest

from actorq.actors import Actor
from actorq.drawing import FORMATS
from actorq.supervisor import Component, resolve_graph
from actorq.supervisor.drawing import draw_graph

COMPONENTS = [
    Component("store", Actor),
    Component("broker", Actor, provides=("tasks",), requires=("store",)),
    Component("timers", Actor, requires=("store", "broker")),
    Component("wheel", Actor, requires=("store", "tasks"), wants=("events",), replaces="timers", origin="wheels"),
    Component("control", Actor, wants=("broker",), rebind=("broker",)),
]

TEXT = """\
1. store
2. broker
   └── store
3. control
   └╌╌ broker (rebinds)
4. wheel  (from wheels, replaces timers)
   ├── store
   ├── broker as tasks
   └╌╌ events: nobody provides it

── requires   ╌╌ wants   (rebinds): goes on without it and takes it back   else: restarts after it
"""
DOT = """\
digraph components {
  rankdir=BT;
  node [shape=box, style=rounded, fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  "store" [label="store"];
  "broker" [label="broker"];
  "control" [label="control"];
  "wheel" [label="wheel\\n(from wheels, replaces timers)", style=bold];
  "broker" -> "store";
  "control" -> "broker" [style=dashed, label="rebinds"];
  "wheel" -> "store";
  "wheel" -> "broker" [label="as tasks"];
}
"""
MERMAID = """\
flowchart BT
  c1["store"]
  c2["broker"]
  c3["control"]
  c4["wheel<br/>(from wheels, replaces timers)"]:::foreign
  c2 --> c1
  c3 -.->|"rebinds"| c2
  c4 --> c1
  c4 -->|"as tasks"| c2
  classDef foreign stroke-width:3px
"""
EVIL = 'an "end" \\ <b>#1</b>\n`x` & ]-->'


def draw(components, format):
    return draw_graph(resolve_graph(components), format)


@pytest.mark.parametrize(("format", "drawing"), [("text", TEXT), ("dot", DOT), ("mermaid", MERMAID)])
def test_a_drawing_shows_components_in_start_order_and_edges_as_what_they_are(format, drawing):
    assert draw(COMPONENTS, format) == drawing


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_components_in_another_order_give_the_same_drawing(format):
    shuffled = list(COMPONENTS)
    Random(7).shuffle(shuffled)
    assert draw(shuffled, format) == draw(COMPONENTS, format)


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="among text, dot, mermaid, got 'svg'"):
        draw(COMPONENTS, "svg")


@pytest.mark.parametrize("format", FORMATS)
def test_no_name_breaks_out_of_its_line(format):
    plain = draw([Component("a", Actor), Component("b", Actor, requires=("a",), origin="plain")], format)
    evil = draw([Component("a", Actor), Component("b", Actor, requires=("a",), origin=EVIL)], format)
    assert evil.count("\n") == plain.count("\n")


def test_every_line_of_a_mermaid_drawing_is_one_of_its_forms():
    evil = [*COMPONENTS, Component(EVIL, Actor, origin=EVIL)]
    text = r'"[^"<>`]*(<br/>[^"<>`]*)?"'
    forms = [
        r"flowchart BT",
        rf"  c\d+\[{text}\](:::foreign)?",
        rf"  c\d+ (-->|-\.->)(\|{text}\|)? c\d+",
        r"  classDef foreign stroke-width:3px",
    ]
    for line in draw(evil, "mermaid").splitlines():
        assert any(re.fullmatch(form, line) for form in forms), line


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_graphviz_reads_a_dot_drawing():
    evil = [*COMPONENTS, Component(EVIL, Actor, origin=EVIL)]
    done = subprocess.run(
        ["dot", "-Tplain"], input=draw(evil, "dot"), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("node ") for line in done.stdout.splitlines()) == 5
    assert sum(line.startswith("edge ") for line in done.stdout.splitlines()) == 4
