"""`actorq plugins`: which plugins there are, what they add, and what is wrong with those that can't be used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import EXIT_CONFIG, Common, common_options, echo_line, load, print_data, print_table, with_errors
from actorq.cli.verbs import VERBS
from actorq.errors import PluginError

if TYPE_CHECKING:
    from actorq.config import Settings
    from actorq.plugins import FoundPlugin, Plugin

__all__ = ["plugins"]

ENTRY_POINT: Final = "entry point of "
HOOKS: Final = ("sending", "running")


@click.command()
@common_options
@with_errors
def plugins(common: Common, /) -> None:
    """List the plugins of this machine; with -A those of the application, too.

    Ends with 3 if one that is enabled can't be used.
    """
    from actorq.config import load_settings
    from actorq.plugins import find_plugins

    app = load(common) if common.app else None
    settings = load_settings() if app is None else app.conf
    # The setting leaves out plugins without an application, too.
    found = find_plugins(app, common.plugins, settings.plugins_disable)
    rows = [_describe(one, settings) for one in found]
    print_data(common, rows, _print_rows)
    if any(row["state"] == "failed" for row in rows):
        raise SystemExit(EXIT_CONFIG)


def _describe(found: FoundPlugin, settings: Settings) -> dict[str, Any]:
    adds, error = {}, found.error
    if found.enabled and found.plugin is not None and not error:
        try:
            adds = _list_parts(found.plugin, settings)
        except PluginError as problem:
            error = problem.problem
    state = "disabled" if not found.enabled else "failed" if error else "enabled"
    origin, version = _split_origin(found)
    return {"name": found.name, "state": state, "version": version, "origin": origin, "adds": adds, "error": error}


def _list_parts(plugin: Plugin, settings: Settings) -> dict[str, list[str]]:
    """Return what it adds, by kind, kinds without anything left out.

    Raises:
        PluginError: one of its methods can't be used.
    """
    from actorq.plugins import Plugin as Base
    from actorq.plugins import collect_commands, collect_components, collect_options, collect_verbs

    options = {verb: collect_options([plugin], verb) for verb in plugin.options()}
    parts = {
        "components": [
            one.id if one.replaces is None else f"{one.id} (for {one.replaces})"
            for _, one in collect_components([plugin], settings)
        ],
        "verbs": list(collect_verbs([plugin], tuple(VERBS))),
        "options": [f"{verb} {option.opts[-1]}" for verb, pairs in options.items() for _, option in pairs],
        "commands": list(collect_commands([plugin])),
        "hooks": [hook for hook in HOOKS if getattr(type(plugin), hook) is not getattr(Base, hook)],
    }
    return {kind: names for kind, names in parts.items() if names}


def _split_origin(found: FoundPlugin) -> tuple[str, str]:
    """Return where it is from, and its version: that of its package, else what its module says."""
    if found.origin.startswith(ENTRY_POINT):
        package, _, version = found.origin.removeprefix(ENTRY_POINT).rpartition(" ")
        return f"package {package}", version
    if found.plugin is None:
        return found.origin, ""
    module = sys.modules.get(type(found.plugin).__module__.partition(".")[0])
    return found.origin, str(getattr(module, "__version__", ""))


def _print_rows(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no plugins: none installed, none named with --plugin or by the application")
        return
    cells = [(row["name"], row["state"], row["version"] or "-", row["origin"], _tell_adds(row["adds"])) for row in rows]
    print_table(("name", "state", "version", "origin", "adds"), cells)
    for row in rows:
        if row["error"]:
            echo_line(f"{row['name']}: {row['error']}")


def _tell_adds(adds: dict[str, list[str]]) -> str:
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in adds.items()) or "-"
