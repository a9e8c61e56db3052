"""Ask plugins for their parts and check what comes.

Invariant: whatever a plugin's method does, raising and returning nonsense included, becomes one `PluginError` that names the
plugin, the method, what was expected and what came; nothing of the plugin's is used before all of it was checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from actorq.errors import PluginError
from actorq.plugins.plugin import overrides

if TYPE_CHECKING:
    from collections.abc import Collection

    import click

    from actorq.config import Settings
    from actorq.plugins.plugin import Plugin
    from actorq.plugins.values import NodeCommand
    from actorq.supervisor import Component

__all__ = [
    "collect_commands",
    "collect_components",
    "collect_options",
    "collect_verbs",
    "configure_plugin",
    "has_node_parts",
]

T = TypeVar("T")


def has_node_parts(plugin: Plugin) -> bool:
    """Return whether the plugin has something that lives in a node: components or control commands."""
    return overrides(plugin, "components") or overrides(plugin, "commands")


def collect_components(plugins: Iterable[Plugin], settings: Settings) -> list[tuple[Plugin, Component]]:
    """Return the components of all plugins, each with the plugin it comes from.

    Raises:
        PluginError: a method raised, or returned something else.
    """
    from actorq.supervisor import Component  # noqa: PLC0415  a client never needs it

    found = []
    for plugin in plugins:
        returned = _call(plugin, "components", settings)
        if not isinstance(returned, Iterable) or isinstance(returned, (str, Mapping)):
            raise _wrong(plugin, "components", "an iterable of Component", returned)
        for component in _exhaust(plugin, "components", returned):
            if not isinstance(component, Component):
                raise _wrong(plugin, "components", "an iterable of Component", component, "one of ")
            found.append((plugin, component))
    return found


def collect_commands(plugins: Iterable[Plugin], taken: Collection[str] = ()) -> dict[str, Callable[[NodeCommand], Any]]:
    """Return the control commands of all plugins; `taken` are the built-in ones.

    Raises:
        PluginError: a method raised or returned something else, or a name is taken.
    """
    commands: dict[str, Callable[[NodeCommand], Any]] = {}
    for plugin, name, command in _collect_named(plugins, "commands", "control command", taken):
        if not callable(command):
            raise _wrong(plugin, "commands", "names and callables", command, f"for {name!r} ")
        commands[name] = command
    return commands


def collect_verbs(plugins: Iterable[Plugin], taken: Collection[str] = ()) -> dict[str, tuple[Plugin, click.Command]]:
    """Return the verbs of all plugins, each with the plugin it comes from; `taken` are the built-in ones.

    Raises:
        PluginError: a method raised or returned something else, or a name is taken.
    """
    import click  # noqa: PLC0415  only the command line asks for verbs

    verbs: dict[str, tuple[Plugin, click.Command]] = {}
    for plugin, name, command in _collect_named(plugins, "verbs", "verb", taken):
        if not isinstance(command, click.Command):
            raise _wrong(plugin, "verbs", "names and click.Command", command, f"for {name!r} ")
        verbs[name] = (plugin, command)
    return verbs


def collect_options(
    plugins: Iterable[Plugin], verb: str, taken: Collection[str] = ()
) -> list[tuple[Plugin, click.Option]]:
    """Return the options that plugins add to `verb`; `taken` are its own spellings and parameter names.

    Raises:
        PluginError: a method raised or returned something else, or a spelling is taken.
    """
    import click  # noqa: PLC0415  see `collect_verbs`

    found: list[tuple[Plugin, click.Option]] = []
    owners: dict[str, str] = dict.fromkeys(taken, "actorq")
    for plugin in plugins:
        for option in _read_options(plugin).get(verb, ()):
            if not isinstance(option, click.Option):
                raise _wrong(plugin, "options", "verbs and lists of click.Option", option, f"for {verb!r} ")
            for spelling in (*option.opts, *option.secondary_opts, option.name or ""):
                if spelling in owners:
                    problem = f"expected a free name for an option of {verb!r}, got {spelling!r}, which {{}} has"
                    raise PluginError(plugin.name, plugin.origin, problem.format(_owner(owners[spelling])))
                owners[spelling] = plugin.name
            found.append((plugin, option))
    return found


def configure_plugin(plugin: Plugin, values: Mapping[str, Any]) -> None:
    """Hand a plugin the values of its options.

    Raises:
        PluginError: it raised, for example because a value doesn't suit it.
    """
    _call(plugin, "configure", dict(values))


def _read_options(plugin: Plugin) -> Mapping[str, Sequence[Any]]:
    returned = _call(plugin, "options")
    if not isinstance(returned, Mapping):
        raise _wrong(plugin, "options", "a mapping of verbs and lists of click.Option", returned)
    for verb, options in returned.items():
        if not isinstance(verb, str) or not isinstance(options, Sequence) or isinstance(options, str):
            raise _wrong(plugin, "options", "verbs and lists of click.Option", options, f"for {verb!r} ")
    return returned


def _collect_named(
    plugins: Iterable[Plugin], method: str, what: str, taken: Collection[str]
) -> Iterable[tuple[Plugin, str, Any]]:
    owners: dict[str, str] = dict.fromkeys(taken, "actorq")
    for plugin in plugins:
        returned = _call(plugin, method)
        if not isinstance(returned, Mapping):
            raise _wrong(plugin, method, f"a mapping of {what}s", returned)
        for name, value in returned.items():
            if not isinstance(name, str) or not name or not name.isprintable() or " " in name:
                raise _wrong(plugin, method, f"a name for each {what}", name, "as one ")
            if name in owners:
                problem = f"expected a free name for its {what}, got {name!r}, which {_owner(owners[name])} has"
                raise PluginError(plugin.name, plugin.origin, problem)
            owners[name] = plugin.name
            yield plugin, name, value


def _owner(name: str) -> str:
    return "actorq itself" if name == "actorq" else f"plugin {name!r}"


def _call(plugin: Plugin, method: str, *arguments: Any) -> Any:
    try:
        return getattr(plugin, method)(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _raised(plugin, method, error) from error


def _exhaust(plugin: Plugin, method: str, returned: Iterable[T]) -> list[T]:
    """Return all of it; a generator may raise only now."""
    try:
        return list(returned)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _raised(plugin, method, error) from error


def _raised(plugin: Plugin, method: str, error: BaseException) -> PluginError:
    from actorq.client.loading import describe_import_error  # noqa: PLC0415  only when something is wrong

    return PluginError(plugin.name, plugin.origin, f"its {method}() raised {describe_import_error(error)}")


def _wrong(plugin: Plugin, method: str, expected: str, got: object, where: str = "") -> PluginError:
    problem = f"expected {method}() to return {expected}, got {where}{type(got).__qualname__} {got!r}"
    return PluginError(plugin.name, plugin.origin, problem)
