"""Parts of plugins: what may come, and what is said of what may not."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from actorq import Plugin, PluginError
from actorq.actors import Actor
from actorq.config import load_settings
from actorq.errors import ConfigError
from actorq.node.components import list_commands, list_components
from actorq.plugins import collect_commands, collect_options, collect_verbs, configure_plugin, has_node_parts
from actorq.slot.zygote_process import ZygoteProcess
from actorq.supervisor import Component, resolve_graph
from actorq.supervisor.graph_errors import DuplicateComponent


def make_plugin(name="made", **methods) -> Plugin:
    """Return a plugin whose methods return these values, or call these functions."""

    def method(value):
        return lambda self, *given: value(*given) if callable(value) else value  # noqa: ARG005

    made: Plugin = type("Made", (Plugin,), {"name": name, **{key: method(value) for key, value in methods.items()}})()
    made.origin = "command line"
    return made


def option(*spellings):
    return click.Option(list(spellings))


def test_the_empty_plugin_has_no_parts():
    empty = make_plugin()
    assert collect_commands([empty]) == {}
    assert collect_verbs([empty]) == {}
    assert collect_options([empty], "node") == []
    assert not has_node_parts(empty)
    assert has_node_parts(make_plugin(commands={}))


def test_a_name_that_two_plugins_want_is_refused_and_both_are_named():
    both = [make_plugin("one", commands={"poke": print}), make_plugin("two", commands={"poke": print})]
    with pytest.raises(PluginError, match=r"plugin 'two' \(command line\): .* got 'poke', which plugin 'one' has"):
        collect_commands(both)


@pytest.mark.parametrize("name", ["ping", "status", "task_state", "tree", "restart"])
def test_a_control_command_cannot_take_the_name_of_a_built_in_one(name):
    with pytest.raises(PluginError, match=f"got {name!r}, which actorq itself has"):
        list_commands([make_plugin(commands={name: print})])


def test_a_verb_cannot_take_the_name_of_a_built_in_one_and_must_be_a_command():
    with pytest.raises(PluginError, match="expected a free name for its verb, got 'node'"):
        collect_verbs([make_plugin(verbs={"node": click.Command("node")})], ["node"])
    with pytest.raises(PluginError, match=r"expected verbs\(\) to return names and click\.Command, got for 'x' int 5"):
        collect_verbs([make_plugin(verbs={"x": 5})])


def test_an_option_cannot_take_the_spelling_or_the_name_of_another():
    with pytest.raises(PluginError, match="got '--home', which actorq itself has"):
        collect_options([make_plugin(options={"node": [option("--home")]})], "node", ["--home", "home"])
    with pytest.raises(PluginError, match="got 'file', which plugin 'one' has"):
        plugins = [
            make_plugin("one", options={"node": [option("--a-file", "file")]}),
            make_plugin("two", options={"node": [option("--b-file", "file")]}),
        ]
        collect_options(plugins, "node")


@pytest.mark.parametrize("wrong", [None, [option("--x")], {"node": "--x"}, {"node": ["--x"]}, {5: []}])
def test_options_that_are_no_lists_of_options_by_verb_are_refused(wrong):
    with pytest.raises(PluginError, match=r"plugin 'made' \(command line\): expected options\(\) to return"):
        collect_options([make_plugin(options=wrong)], "node")


@pytest.mark.parametrize("wrong", [None, 5, ["poke"], {"": print}, {"a b": print}, {5: print}])
def test_commands_that_are_no_names_and_callables_are_refused(wrong):
    with pytest.raises(PluginError, match=r"plugin 'made' \(command line\): expected commands\(\) to return"):
        collect_commands([make_plugin(commands=wrong)])


@pytest.mark.parametrize("error", [ValueError("no file"), SystemExit(2)])
def test_what_a_method_raises_is_told_with_its_name(error):
    def blow(*_):
        raise error

    with pytest.raises(PluginError, match=r"plugin 'made' \(command line\): its configure\(\) raised "):
        configure_plugin(make_plugin(configure=blow), {})


def test_values_of_options_reach_slots_as_plain_data_or_are_refused():
    ZygoteProcess(values={"made": {"file": Path("a/b")}})
    with pytest.raises(ConfigError, match="expected the options of plugins to have plain values"):
        ZygoteProcess(values={"made": {"file": object()}})


def test_two_plugins_with_a_component_of_one_id_are_both_named():
    class Idle(Actor):
        pass

    plugins = [make_plugin(name, components=[Component("idle", Idle)]) for name in ("one", "two")]
    with pytest.raises(DuplicateComponent, match="got two, of one and of two"):
        resolve_graph(list_components(None, plugins), load_settings())


def test_a_condition_sees_the_settings_and_that_of_a_plugin_counts_as_any():
    class Idle(Actor):
        pass

    component = Component("idle", Idle, enabled=lambda settings: settings.concurrency == 0)
    for concurrency in (0, 1):
        settings = load_settings({"concurrency": concurrency})
        graph = resolve_graph(list_components(None, [make_plugin(components=[component])], settings), settings)
        assert ("idle" in {one.id for one in graph.components}) is (concurrency == 0)
