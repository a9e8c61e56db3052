"""What plugins add to the command line, and what a broken one can't stop. Verbs run in this process, without a node."""

from __future__ import annotations

import json

import pytest

from actorq.cli.extensions import peek
from tests.command_line import make_runner

GOOD = """
import click

from actorq import Plugin


class Hummer(Plugin):
    name = "hummer"
    given = None

    def verbs(self):
        @click.command()
        @click.option("--loud", is_flag=True)
        def hum(loud):
            '''Hum a tune.'''
            click.echo(f"{'HUM' if loud else 'hum'} {type(self).given}")

        return {"hum": hum}

    def options(self):
        return {"graph": [click.Option(["--tune"], help="Which tune.")], "health": [click.Option(["--tune"])]}

    def configure(self, values):
        click.echo(f"configured {values}", err=True)
"""
BROKEN = "raise RuntimeError('out of\\ntune')\n"
GREEDY = """
import click

from actorq import Plugin
from tests.command_line import make_runner


class Greedy(Plugin):
    name = "greedy"

    def verbs(self):
        return {"tree": click.Command("tree")}
"""


@pytest.fixture
def actorq(tmp_path, monkeypatch, capfd):
    for name, text in (("humming", GOOD), ("brokenness", BROKEN), ("greediness", GREEDY), ("misfits", MISFITS)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("ACTORQ_APP", "ACTORQ_HOME", "ACTORQ_PLUGIN"):
        monkeypatch.delenv(name, raising=False)

    return make_runner(capfd)


MISFITS = """
from actorq import Actor, Plugin
from actorq.supervisor import Component


def make(name, *components):
    found = type(name, (Plugin,), {"name": name, "components": lambda self, settings: components})
    return found()


hungry = make("hungry", Component("gauge", Actor, requires=("thermometer",)))
ring = make("ring", Component("hen", Actor, requires=("egg",)), Component("egg", Actor, requires=("hen",)))
double = make("double", Component("second", Actor, provides=("store",)))
lame = make("lame", Component("wheel", Actor, replaces="timers"))
"""


HUM = ("--plugin", "humming:Hummer")
BREAK = ("--plugin", "brokenness:Any")


@pytest.mark.parametrize("arguments", [(*HUM, "hum", "--loud"), ("hum", "--loud", *HUM), ("hum", *HUM, "--loud")])
def test_a_verb_of_a_plugin_runs_wherever_the_plugin_is_named(actorq, arguments):
    assert actorq(*arguments) == (0, "HUM None\n", "")


def test_the_environment_names_plugins_too(actorq, monkeypatch):
    monkeypatch.setenv("ACTORQ_PLUGIN", "humming:Hummer")
    assert actorq("hum")[:2] == (0, "hum None\n")


def test_help_lists_the_verbs_of_plugins_and_says_which_cant_be_used(actorq):
    code, told, _ = actorq(*HUM, *BREAK, "--help")
    assert code == 0
    assert "hum" in told
    assert "Hum a tune." in told
    assert "(brokenness:Any)  can't be used; see: actorq plugins" in told


def test_a_verb_that_nobody_has_is_compared_with_those_of_plugins(actorq):
    code, _, errors = actorq("humm", *HUM)
    assert code == 2
    assert "did you mean 'hum'?" in errors


def test_an_unknown_verb_may_be_that_of_a_broken_plugin(actorq):
    code, told, errors = actorq("strum", *BREAK)
    assert (code, told) == (3, "")
    assert errors.startswith(
        "actorq: plugin 'brokenness:Any' (command line): can't import brokenness: RuntimeError: out of"
    )
    assert errors.count("\n") == 1


def test_options_of_a_plugin_reach_it_before_the_verb_runs(actorq):
    code, told, errors = actorq("graph", "--tune", "samba", *HUM, "components")
    assert code == 0
    assert errors == "configured {'tune': 'samba'}\n"
    assert "store" in told


def test_a_verb_that_needs_plugins_ends_with_3_and_one_line(actorq):
    code, told, errors = actorq("graph", "components", *BREAK)
    assert (code, told) == (3, "")
    assert errors.count("\n") == 1


def test_a_verb_that_looks_after_nodes_goes_on_without_a_broken_plugin(actorq, tmp_path):
    code, _, errors = actorq("status", "--home", str(tmp_path), "--timeout", "0.1", *BREAK)
    assert code == 69
    assert "going on without it" in errors


def test_health_never_looks_for_plugins(actorq, tmp_path):
    code, _, errors = actorq("health", "--home", str(tmp_path), "--timeout", "0.1", *BREAK)
    assert code == 69
    assert "brokenness" not in errors
    assert actorq("health", *HUM, "--tune", "x")[0] == 2


def test_a_plugin_cant_take_a_verb_that_is_ours(actorq):
    assert actorq("plugins", "--plugin", "greediness:Greedy")[0] == 3
    assert actorq("tree", "--plugin", "greediness:Greedy", "--help")[1].startswith("Usage: actorq tree")


def test_plugins_are_listed_with_what_they_add(actorq):
    code, told, errors = actorq("plugins", *HUM, "--json")
    assert (code, errors) == (0, "")
    (row,) = json.loads(told)
    assert row == {
        "name": "hummer",
        "state": "enabled",
        "version": "",
        "origin": "command line",
        "error": "",
        "adds": {"verbs": ["hum"], "options": ["graph --tune", "health --tune"]},
    }


def test_a_plugin_that_cant_be_used_is_listed_with_the_reason_and_ends_with_3(actorq, monkeypatch):
    code, told, _ = actorq("plugins", *HUM, *BREAK)
    assert code == 3
    assert "brokenness:Any: can't import brokenness: RuntimeError: out of" in told
    assert "hummer" in told
    monkeypatch.setenv("ACTORQ_PLUGINS_DISABLE", "brokenness:Any")
    code, told, _ = actorq("plugins", *HUM, *BREAK)
    assert code == 0
    assert "disabled" in told


def test_no_plugins_is_a_line_for_people_and_a_list_for_programs(actorq):
    assert actorq("plugins")[:2] == (0, "no plugins: none installed, none named with --plugin or by the application\n")
    assert actorq("plugins", "--json")[:2] == (0, "[]\n")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), []),
        (("--plugin", "a:B", "x", "--plugin=c:D"), ["a:B", "c:D"]),
        (("--", "--plugin", "a:B"), []),
        (("--plugin",), []),
        (("--plugins", "a:B"), []),
    ],
)
def test_an_option_is_found_among_words_that_nobody_has_parsed(words, found):
    assert peek(words, "--plugin") == found


def test_a_short_option_is_found_joined_to_its_value():
    assert peek(("-Atasks", "-A", "more", "--app=most"), "--app", "-A") == ["tasks", "more", "most"]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("hungry", ("gauge", "hungry", "thermometer")),
        ("ring", ("hen", "egg")),
        ("double", ("second", "double", "'store'")),
        ("lame", ("wheel", "lame", "timers")),
    ],
)
def test_a_graph_that_doesnt_fit_is_one_line_that_names_who_and_what(actorq, plugin, said):
    code, told, errors = actorq("graph", "components", "--plugin", f"misfits:{plugin}")
    assert (code, told, errors.count("\n")) == (3, "", 1)
    assert [word for word in said if word not in errors] == []


def test_a_plugins_component_is_drawn_with_its_origin(actorq, tmp_path):
    (tmp_path / "gauges.py").write_text(
        MISFITS.replace('"thermometer"', '"broker"').replace('"egg"', '"store"').replace('"hen",)', '"store",)')
    )
    code, told, errors = actorq("graph", "components", "--plugin", "gauges:hungry")
    assert (code, errors) == (0, "")
    assert "gauge  (from hungry)\n" in told
    edges = json.loads(actorq("graph", "components", "--plugin", "gauges:hungry", "--json")[1])["edges"]
    assert {
        "dependent": "gauge",
        "provider": "broker",
        "capability": "broker",
        "kind": "requires",
        "rebind": False,
    } in edges
