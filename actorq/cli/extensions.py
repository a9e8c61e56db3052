"""What plugins add to the command line: verbs, and options of verbs.

Invariant: a plugin that can't be used stops only what can't do without it. `health` and `plugins` go without any; `node`, `call`
and `graph` need them all; other verbs leave out a broken one and say so, because they are what one looks for the fault with.
Plugins of an application count only where the application is imported anyway, so that no look at a node costs its import.
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import Common, say_error, with_common_options
from actorq.cli.verbs import VERBS
from actorq.errors import ActorqError, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actorq.plugins import Plugin

__all__ = ["extend", "find_verb", "list_verbs", "peek"]

WITHOUT: Final = frozenset({"health", "plugins"})
STRICT: Final = frozenset({"node", "call", "graph"})
WITH_APP: Final = frozenset({"call", "graph", "result"})  # they import the application that -A names


def peek(words: Sequence[str], *spellings: str) -> list[str]:
    """Return the values of an option among words that nobody has parsed yet: which options there are depends on it."""
    found: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            break
        for spelling in spellings:
            if word == spelling:
                found += words[place + 1 : place + 2]
            elif spelling.startswith("--") and word.startswith(f"{spelling}="):
                found.append(word.partition("=")[2])
            elif not spelling.startswith("--") and word.startswith(spelling):
                found.append(word[len(spelling) :].removeprefix("="))
    return found


def extend(verb: str, command: click.Command, context: click.Context, words: Sequence[str]) -> click.Command:
    """Return the built-in `verb` with the options that plugins add to it; given values go to them before it runs.

    Raises:
        ActorqError: a plugin can't be used, and the verb needs it.
    """
    if verb in WITHOUT:
        return command
    from actorq.plugins import collect_options

    is_strict = verb in STRICT
    plugins = _find(context, words, with_app=verb in WITH_APP, is_strict=is_strict)
    taken = [name for param in command.params for name in (*param.opts, *param.secondary_opts, param.name or "")]
    try:
        options = collect_options(plugins, verb, (*taken, "--help", "-h"))
    except PluginError as error:
        if is_strict:
            raise
        say_error(f"{error}; going on without its options")
        return command
    return _with_options(command, options) if options else command


def find_verb(name: str, context: click.Context, words: Sequence[str]) -> click.Command | None:
    """Return a plugin's verb.

    Raises:
        PluginError: nobody has it, but it may be the verb of a plugin that can't be used.
    """
    broken: list[PluginError] = []
    plugins = _find(context, words, with_app=True, is_strict=False, broken=broken)
    verbs = _collect_verbs(plugins, broken)
    if name not in verbs and broken:
        raise broken[0]
    return with_common_options(verbs[name]) if name in verbs else None


def list_verbs(context: click.Context, words: Sequence[str] = ()) -> tuple[dict[str, click.Command], list[str]]:
    """Return the verbs of plugins by name for a help text, and the names of plugins that can't be used."""
    broken: list[PluginError] = []
    has_app = bool(context.params.get("app"))
    plugins = _find(context, words, with_app=has_app, is_strict=False, broken=broken)
    return _collect_verbs(plugins, broken), [error.plugin for error in broken]


def _find(
    context: click.Context,
    words: Sequence[str],
    *,
    with_app: bool,
    is_strict: bool,
    broken: list[PluginError] | None = None,
) -> list[Plugin]:
    """Return the usable plugins. The others: raise, note in `broken`, or say so on stderr."""
    from actorq.plugins import find_plugins

    specs = (*(context.params.get("plugins") or ()), *peek(words, "--plugin"))
    found = find_plugins(_load_app(context, words) if with_app else None, specs)
    errors = [PluginError(one.name, one.origin, one.error) for one in found if one.enabled and one.error]
    if errors and is_strict:
        raise errors[0]
    for error in errors:
        if broken is None:
            say_error(f"{error}; going on without it")
        else:
            broken.append(error)
    return [one.plugin for one in found if one.enabled and one.plugin is not None and not one.error]


def _load_app(context: click.Context, words: Sequence[str]) -> Any:
    """Return the application, or None; a verb that needs one says itself why it can't be imported."""
    named = [*peek(words, "--app", "-A"), context.params.get("app"), os.environ.get("ACTORQ_APP")]
    name = next((each for each in named if each), None)
    if name is None:
        return None
    from actorq.app import load_app

    try:
        return load_app(name)
    except ActorqError:
        return None


def _collect_verbs(plugins: Sequence[Plugin], broken: list[PluginError]) -> dict[str, click.Command]:
    from actorq.plugins import collect_verbs

    verbs: dict[str, click.Command] = {}
    for plugin in plugins:
        try:
            added = collect_verbs([plugin], (*VERBS, *verbs))
        except PluginError as error:
            broken.append(error)
        else:
            verbs |= {name: command for name, (_, command) in added.items()}
    return verbs


def _with_options(command: click.Command, options: Sequence[tuple[Plugin, click.Option]]) -> click.Command:
    from actorq.plugins import configure_plugin

    run: Callable[..., Any] | None = command.callback
    assert run is not None

    def configure_and_run(*args: Any, **given: Any) -> Any:
        owners = {plugin.name: plugin for plugin, _ in options}
        values: dict[str, dict[str, Any]] = {name: {} for name in owners}
        for plugin, option in options:
            values[plugin.name][option.name or ""] = given.pop(option.name or "", None)
        for name, plugin in owners.items():
            configure_plugin(plugin, values[name])
        _hand_on(click.get_current_context(), values)
        return run(*args, **given)

    extended = copy.copy(command)
    extended.params = [*command.params, *(option for _, option in options)]
    extended.callback = configure_and_run
    return extended


def _hand_on(context: click.Context, values: Mapping[str, dict[str, Any]]) -> None:
    """Have the verb find the values, too: a node tells them to its slots."""
    before = context.parent.obj if context.parent is not None else None
    if isinstance(before, Common):
        before.plugin_values = {**before.plugin_values, **values}
