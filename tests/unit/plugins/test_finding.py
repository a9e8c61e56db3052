"""Plugins from installed packages, applications and command lines, and everything that can be wrong with one."""

from __future__ import annotations

import sys

import pytest

from actorq import App, Plugin, PluginError
from actorq.errors import ConfigError
from actorq.plugins import find_plugins, load_plugins
from actorq.plugins.entry_points import forget_entry_points

MODULE = """
from actorq import Plugin

class Good(Plugin):
    name = "good"

class Other(Plugin):
    name = "other"

class Twin(Plugin):
    name = "good"

class Nameless(Plugin):
    pass

class Numbered(Plugin):
    name = 5

class Needy(Plugin):
    name = "needy"
    def __init__(self, something):
        pass

class Stranger:
    name = "stranger"

instance = Other()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to import from, with a module that no other test has."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found_plugins.py").write_text(MODULE)
    (tmp_path / "raising_plugin.py").write_text("1 / 0\n")
    (tmp_path / "leaving_plugin.py").write_text("raise SystemExit(4)\n")
    forget_entry_points()
    yield tmp_path
    forget_entry_points()
    for name in ("found_plugins", "raising_plugin", "leaving_plugin"):
        sys.modules.pop(name, None)


def install(folder, package, *entries):
    metadata = folder / f"{package}-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[actorq.plugins]\n" + "\n".join(entries) + "\n")
    forget_entry_points()


def test_an_installed_plugin_is_found_with_its_package_and_version(folder):
    install(folder, "shop_plugins", "good = found_plugins:Good")
    (found,) = find_plugins()
    assert (found.name, found.origin, found.enabled, found.error) == (
        "good",
        "entry point of shop_plugins 1.5",
        True,
        "",
    )
    assert [one.name for one in load_plugins()] == ["good"]


def test_plugins_come_in_the_order_of_names_wherever_they_are_from(folder):
    install(folder, "shop_plugins", "other = found_plugins:Other")

    class First(Plugin):
        name = "a-first"

    app = App("found", home=folder)
    app.plugins.add(First)
    found = find_plugins(app, extra=["found_plugins:Good"])
    assert [(one.name, one.origin) for one in found] == [
        ("a-first", "application"),
        ("good", "command line"),
        ("other", "entry point of shop_plugins 1.5"),
    ]


def test_a_plugin_is_one_instance_however_often_it_is_looked_for(folder):
    assert load_plugins(extra=["found_plugins:Good"]) == load_plugins(extra=["found_plugins:Good"])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("found_plugins:Nowhere", "found_plugins has no attribute 'Nowhere'"),
        ("found_plugins", "expected MODULE:OBJECT, got 'found_plugins'"),
        ("no_such_module:X", "No module named 'no_such_module'"),
        ("raising_plugin:X", "can't import raising_plugin: ZeroDivisionError: division by zero (at"),
        ("leaving_plugin:X", "can't import leaving_plugin: it called sys.exit(4)"),
        ("found_plugins:Nameless", "expected its name to be letters, digits, '-', '_' and '.', got ''"),
        ("found_plugins:Numbered", "got 5"),
        ("found_plugins:Needy", "expected Needy() to make it, got TypeError"),
        (
            "found_plugins:Stranger",
            "expected a subclass of actorq.Plugin or an instance of one, got the class Stranger",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_line_that_names_it_and_where_it_was_said(folder, spec, said):
    with pytest.raises(PluginError) as caught:
        load_plugins(extra=[spec])
    assert str(caught.value).startswith(f"plugin {spec!r} (command line): ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError)  # exit 3
    (found,) = find_plugins(extra=[spec])
    assert (found.name, found.plugin, found.enabled) == (spec, None, True)
    assert said in found.error


@pytest.mark.parametrize("module", ["raising_plugin", "leaving_plugin", "missing_plugin"])
def test_an_installed_plugin_that_cannot_be_imported_is_named_by_its_entry_point(folder, module):
    install(folder, "shop_plugins", f"bad = {module}:X")
    with pytest.raises(PluginError, match=rf"plugin 'bad' \(entry point of shop_plugins 1.5\): can't import {module}"):
        load_plugins()


def test_an_entry_point_that_names_no_object_says_what_was_expected(folder):
    install(folder, "shop_plugins", "bad = found_plugins")
    with pytest.raises(PluginError, match="expected MODULE:OBJECT, got 'found_plugins:"):
        load_plugins()


def test_extras_of_an_entry_point_are_no_part_of_its_object(folder):
    install(folder, "shop_plugins", "good = found_plugins:Good [web]")
    assert [one.name for one in load_plugins()] == ["good"]


def test_an_installed_plugin_bears_the_name_of_its_entry_point(folder):
    install(folder, "shop_plugins", "best = found_plugins:Good")
    with pytest.raises(PluginError, match="expected its name to be that of its entry point, 'best', got 'good'"):
        load_plugins()


def test_an_installed_plugin_that_is_disabled_is_not_even_imported(folder):
    install(folder, "shop_plugins", "bad = leaving_plugin:X")
    assert load_plugins(disabled=["bad"]) == []
    (found,) = find_plugins(disabled=["bad"])
    assert (found.enabled, found.plugin, found.error) == (False, None, "")


@pytest.mark.parametrize("how", ["call", "config", "environment"])
def test_every_way_to_disable_a_plugin(folder, monkeypatch, how):
    if how == "environment":
        monkeypatch.setenv("ACTORQ_PLUGINS_DISABLE", "x, good")
    app = App("found", home=folder, config={"plugins_disable": ["good"]} if how == "config" else None)
    app.plugins.add("found_plugins:Good")
    if how == "call":
        app.plugins.disable("good")
    assert load_plugins(app) == []
    assert list(app.plugins) == []


def test_two_plugins_of_one_name_are_refused_and_both_places_told(folder):
    install(folder, "shop_plugins", "good = found_plugins:Good")
    with pytest.raises(PluginError) as caught:
        load_plugins(extra=["found_plugins:Twin"])
    assert "plugin 'good'" in str(caught.value)
    assert "entry point of shop_plugins 1.5" in str(caught.value)
    assert "command line" in str(caught.value)
    assert load_plugins(extra=["found_plugins:Twin"], disabled=["good"]) == []


def test_the_same_plugin_said_twice_on_the_command_line_and_in_the_environment_counts_once(folder, monkeypatch):
    monkeypatch.setenv("ACTORQ_PLUGIN", "found_plugins:Good,found_plugins:instance")
    found = find_plugins(extra=["found_plugins:Good", "found_plugins:Good"])
    assert [(one.name, one.origin, one.error) for one in found] == [
        ("good", "command line", ""),
        ("other", "environment", ""),
    ]


def test_a_module_s_name_is_imported_only_when_it_is_needed(folder):
    app = App("found", home=folder)
    app.plugins.add("raising_plugin:X")
    with pytest.raises(PluginError, match=r"plugin 'raising_plugin:X' \(application\)"):
        list(app.plugins)


@pytest.mark.parametrize("thing", [5, object, None])
def test_what_is_no_plugin_is_refused_where_it_is_added(tmp_path, thing):
    with pytest.raises(PluginError, match=r"expected a subclass of actorq\.Plugin or an instance of one"):
        App("found", home=tmp_path).plugins.add(thing)


def test_a_plugin_in_a_folder_that_cannot_be_listed_or_a_zip_does_not_hide(folder, monkeypatch):
    install(folder, "shop_plugins", "good = found_plugins:Good")
    monkeypatch.syspath_prepend(str(folder / "missing"))
    monkeypatch.syspath_prepend(str(folder / "found_plugins.py"))  # not a folder: as a zip archive isn't
    forget_entry_points()
    assert [one.name for one in find_plugins()] == ["good"]
