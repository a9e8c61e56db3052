"""The guide to plugins: its blocks make one module, and each plugin in it does what the text says."""

from __future__ import annotations

import re
import types

import click
import pytest
from click.testing import CliRunner

from actorq import App
from actorq.actors import System
from actorq.config import load_settings
from actorq.node.components import find_hub_components, list_commands, list_components
from actorq.plugins import AskComponent, NodeCommand, collect_options, collect_verbs, configure_plugin
from actorq.supervisor import resolve_graph
from tests.nodes import ROOT

PAGE = (ROOT / "docs" / "guides" / "plugins.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "plugins.md").read_text()


@pytest.fixture(scope="module")
def guide():
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    module = types.ModuleType("guide")
    exec(compile("\n".join(blocks), "plugins.md", "exec"), vars(module))
    return module


@pytest.fixture
def app(tmp_path):
    with App("guide", home=tmp_path / "home") as made:

        @made.task(name="add")
        def add(x, y):
            return x + y

        yield made


def resolve(*plugins):
    return resolve_graph(list_components(None, plugins), load_settings())


def test_the_hooks_see_each_other_s_header(guide, app, capsys):
    for plugin in (guide.Audit, guide.Sender, guide.Stopwatch):
        app.plugins.add(plugin)
    assert app.tasks["add"].apply((2, 3)).get() == 5
    ran, sent = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"add \d+ [\d.e-]+", ran)
    assert sent.startswith("add is ")


def test_the_component_joins_the_graph_and_lives_on_every_node(guide):
    graph = resolve(guide.ClockPlugin())
    assert "clock" in {one.id for one in graph.components}
    assert "clock" not in find_hub_components(graph)


def test_the_actor_of_the_component_works_by_itself(guide):
    system = System("guide")
    try:
        clock = system.spawn(guide.Clock, interval_s=0.01, node="here")
        assert clock.ask(guide.Count(), timeout=5)["node"] == "here"
    finally:
        system.shutdown(5)


def test_the_replacement_stands_in_the_place_of_the_timers_and_lives_on_the_hub(guide):
    graph = resolve(guide.TimersPlugin())
    names = {one.name: one for one in graph.components}
    assert names["timers"].id == "logged-timers"
    assert "logged-timers" in find_hub_components(graph)


def test_the_control_commands_answer_data_or_ask_a_component(guide):
    commands = list_commands([guide.ClockCommand()])
    system = System("guide")
    try:
        question = NodeCommand("ticks", {}, "node-1", load_settings(), system)
        assert isinstance(commands["ticks"](question), AskComponent)
        assert commands["where"](question) == "node-1"
    finally:
        system.shutdown(5)


def test_the_verb_says_what_the_option_gave(guide):
    plugin = guide.Shell()
    ((_, option),) = collect_options([plugin], "node")
    assert option.opts == ["--greeting"]
    configure_plugin(plugin, {"greeting": "good morning"})
    ((_, greet),) = collect_verbs([plugin]).values()
    assert isinstance(greet, click.Command)
    assert CliRunner().invoke(greet).output == "good morning\n"


def test_the_reference_lists_every_member_of_the_values_and_every_place(guide):
    from actorq import plugins

    for kind in (plugins.Sending, plugins.Running):
        section = REFERENCE.split(f"\n## `{kind.__name__}`\n")[1].split("\n## ")[0]
        assert [field for field in kind.__struct_fields__ if f"`{field}`" not in section] == []
    section = REFERENCE.split("\n## `Plugin`\n")[1].split("\n## ")[0]
    public = [name for name in vars(plugins.Plugin) if not name.startswith("_")]
    assert [name for name in public if f"`{name}" not in section] == []
    section = REFERENCE.split("\n## Places and protocols\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(\w+)`? \|", section, re.MULTILINE))
    assert rows == {one.id: "none" if one.protocol is None else one.protocol.__name__ for one in list_components(None)}
