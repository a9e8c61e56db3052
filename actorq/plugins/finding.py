"""Find plugins: from installed packages, from the application, from the command line; make them; say what is wrong.

Invariant: `find_plugins` never raises; `load_plugins` raises for the first enabled plugin that can't be used, and until it
has returned nothing of any plugin was called but its constructor. One instance of a class in a process, however often it is
looked for. An installed plugin that is disabled isn't imported at all: it is known by the name of its entry point.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.client.loading import describe_import_error, get_attribute, import_module
from actorq.errors import ConfigError, PluginError
from actorq.plugins.entry_points import scan_entry_points
from actorq.plugins.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actorq.app import App
    from actorq.plugins.collection import Plugins

__all__ = [
    "APPLICATION",
    "COMMAND_LINE",
    "ENVIRONMENT",
    "FoundPlugin",
    "Source",
    "find_plugins",
    "load_plugins",
    "make_plugin",
    "read_source",
    "split_names",
]

APPLICATION: Final = "application"
COMMAND_LINE: Final = "command line"
ENVIRONMENT: Final = "environment"
VARIABLE: Final = "ACTORQ_PLUGIN"
DISABLE_VARIABLE: Final = "ACTORQ_PLUGINS_DISABLE"

_NAME: Final = re.compile(r"[A-Za-z0-9_][\w.-]*")
_instances: Final[dict[type[Plugin], Plugin]] = {}


class Source(msgspec.Struct, frozen=True):
    """Where a plugin is said to be. `name` is known beforehand for an entry point only; `made`: it is here already."""

    origin: str
    spec: str
    name: str = ""
    made: Plugin | None = None


class FoundPlugin(msgspec.Struct, frozen=True):
    """One plugin that was found. `plugin` is None where it is disabled before its import, or has an `error`."""

    name: str
    origin: str
    plugin: Plugin | None
    enabled: bool
    error: str = ""


def find_plugins(
    app: App | Plugins | None = None,
    extra: Sequence[str] = (),
    disabled: Iterable[str] = (),
    *,
    environ: Mapping[str, str] = os.environ,
) -> list[FoundPlugin]:
    """Return every plugin of this process in the order of names, usable or not. Never raises.

    `extra` are `"module:object"` from the command line; those of the environment (ACTORQ_PLUGIN) are looked for, too.
    """
    added, off = _read_app(app)
    off |= {*disabled, *split_names(environ.get(DISABLE_VARIABLE, ""))}
    specs = dict.fromkeys([*extra, *(one.spec for one in added if one.origin == COMMAND_LINE)], COMMAND_LINE)
    specs = dict.fromkeys(split_names(environ.get(VARIABLE, "")), ENVIRONMENT) | specs
    sources = [
        *(Source(one.origin, one.spec, one.name) for one in scan_entry_points()),
        *(one for one in added if one.origin != COMMAND_LINE),
        *(Source(origin, spec) for spec, origin in specs.items()),
    ]
    return _without_doubles(sorted((_find(one, off) for one in sources), key=lambda found: found.name))


def load_plugins(
    app: App | Plugins | None = None,
    extra: Sequence[str] = (),
    disabled: Iterable[str] = (),
    *,
    environ: Mapping[str, str] = os.environ,
) -> list[Plugin]:
    """Return the enabled plugins of this process in the order of names.

    Raises:
        PluginError: one of them can't be used.
    """
    found = find_plugins(app, extra, disabled, environ=environ)
    for one in found:
        if one.enabled and one.error:
            raise PluginError(one.name, one.origin, one.error)
    return [one.plugin for one in found if one.enabled and one.plugin is not None]


def make_plugin(thing: object, origin: str, spec: str = "") -> Plugin:
    """Return the plugin that `thing` is or is the class of.

    Raises:
        PluginError: it isn't one, can't be made, or has no usable name.
    """
    called = spec or getattr(thing, "__qualname__", None) or type(thing).__qualname__
    if isinstance(thing, type) and issubclass(thing, Plugin):
        if thing not in _instances:
            try:
                _instances.setdefault(thing, thing())  # of two threads, one wins
            except Exception as error:
                problem = f"expected {thing.__qualname__}() to make it, got {type(error).__name__}: {error}"
                raise PluginError(called, origin, problem) from error
        thing = _instances[thing]
    if not isinstance(thing, Plugin):
        what = f"the class {thing.__qualname__}" if isinstance(thing, type) else f"{type(thing).__qualname__} {thing!r}"
        raise PluginError(called, origin, f"expected a subclass of actorq.Plugin or an instance of one, got {what}")
    thing.origin = thing.origin or origin
    name: object = thing.name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problem = (
            f"expected its name to be letters, digits, '-', '_' and '.', got {name!r}; set it as {'name = ...'!r} "
        )
        raise PluginError(called, origin, problem + f"in {type(thing).__qualname__}")
    return thing


def read_source(source: Source) -> Plugin:
    """Import what the source names and return the plugin.

    Raises:
        PluginError: it can't be imported, or isn't a plugin.
    """
    if source.made is not None:
        return source.made
    called = source.name or source.spec
    try:
        plugin = make_plugin(_import(source), source.origin, called)
    except PluginError:
        raise
    except ConfigError as error:
        raise PluginError(called, source.origin, str(error)) from error
    if source.name and plugin.name != source.name:
        raise PluginError(
            called, source.origin, f"expected its name to be that of its entry point, {called!r}, got {plugin.name!r}"
        )
    return plugin


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a list as the environment has it: separated by commas or blanks."""
    return tuple(dict.fromkeys(name for name in re.split(r"[,\s]+", text) if name))


def _import(source: Source) -> Any:
    module, colon, attribute = source.spec.partition(":")
    if not colon or not attribute:
        raise ConfigError(f"expected MODULE:OBJECT, got {source.spec!r}; for example 'shop.plugins:Heartbeat'")
    if not source.name:
        return get_attribute(import_module(module), attribute, source.spec)
    from importlib import import_module as import_installed  # noqa: PLC0415  the same, but never from the working directory

    try:
        found = import_installed(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ConfigError(f"can't import {module}: {describe_import_error(error, module)}") from error
    return get_attribute(found, attribute, source.spec)


def _read_app(app: Any) -> tuple[tuple[Source, ...], set[str]]:
    if app is None:
        return (), set()
    plugins: Plugins = getattr(app, "plugins", app)
    return plugins.added, set(plugins.disabled)


def _find(source: Source, disabled: set[str]) -> FoundPlugin:
    if source.name and source.name in disabled:
        return FoundPlugin(source.name, source.origin, None, enabled=False)
    try:
        plugin = read_source(source)
    except PluginError as error:
        return FoundPlugin(error.plugin, source.origin, None, error.plugin not in disabled, error.problem)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  it promised not to raise, and what it imports may raise anything
        called = source.name or source.spec
        return FoundPlugin(called, source.origin, None, called not in disabled, f"{type(error).__name__}: {error}")
    return FoundPlugin(plugin.name, source.origin, plugin, plugin.name not in disabled)


def _without_doubles(found: list[FoundPlugin]) -> list[FoundPlugin]:
    """Give all but the first of a name an error: which of them wins must not depend on chance."""
    checked: list[FoundPlugin] = []
    for one in found:
        twin = checked[-1] if checked and checked[-1].name == one.name else None
        if twin is not None and one.enabled and not one.error:
            problem = f"expected plugins of different names, got two of this one, the other from the {twin.origin}"
            one = FoundPlugin(one.name, one.origin, None, True, f"{problem}; leave one out")  # noqa: PLW2901
        checked.append(one)
    return checked
