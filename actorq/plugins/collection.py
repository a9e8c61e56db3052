"""The plugins of one application: `app.plugins`.

Invariant: adding a module's name imports nothing; that happens when the first hook, part or name is needed. Whoever works
something out of the plugins is told when they change, and works it out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.plugins.finding import APPLICATION, COMMAND_LINE, Source, load_plugins, make_plugin, read_source
from actorq.plugins.hooks import Hooks, find_hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from actorq.config import Settings
    from actorq.plugins.plugin import Plugin

__all__ = ["Plugins"]


class Plugins:
    """What an application adds to actorq, besides the plugins that are installed. Iterates in the order of names."""

    def __init__(self, conf: Settings, on_change: Callable[[], None] = lambda: None) -> None:
        self._conf = conf
        self._on_change: Final = on_change
        self._added: list[Source] = []
        self._disabled: set[str] = set()
        self._loaded: list[Plugin] | None = None
        self._hooks: Hooks | None = None

    def add(self, plugin: Plugin | type[Plugin] | str) -> None:
        """Add a plugin: a subclass of `Plugin`, an instance of one, or `"module:object"`, which is imported when needed.

        Raises:
            PluginError: it is none of these, or has no usable name.
        """
        if isinstance(plugin, str):
            self._add([Source(APPLICATION, plugin)])
        else:
            self._add([Source(APPLICATION, repr(plugin), made=make_plugin(plugin, APPLICATION))])

    def add_specs(self, specs: Sequence[str], origin: str = COMMAND_LINE) -> None:
        """Add plugins by `"module:object"`, said by somebody else than the application."""
        self._add([Source(origin, spec) for spec in specs])

    def _add(self, sources: list[Source]) -> None:
        self._added += sources
        self._changed()

    def disable(self, *names: str) -> None:
        """Leave out the plugins of these names, wherever they come from; names that nobody bears do no harm."""
        self._disabled.update(names)
        self._changed()

    def _changed(self) -> None:
        self._loaded = self._hooks = None
        self._on_change()

    @property
    def added(self) -> tuple[Source, ...]:
        """What was added, in that order, not imported yet."""
        return tuple(self._added)

    @property
    def disabled(self) -> frozenset[str]:
        """The names that are left out: those given to `disable` and those of the setting `plugins_disable`."""
        return frozenset((*self._disabled, *self._conf.plugins_disable))

    def load(self) -> list[Plugin]:
        """Return all enabled plugins, installed ones included, in the order of names; found and imported now, once.

        Raises:
            PluginError: one of them can't be used.
        """
        if self._loaded is None:
            self._loaded = load_plugins(self)
        return list(self._loaded)

    @property
    def hooks(self) -> Hooks:
        """The hooks of all enabled plugins, installed ones included.

        Raises:
            PluginError: one of them can't be used.
        """
        if self._hooks is None:
            self._hooks = find_hooks(self.load())
        return self._hooks

    def __iter__(self) -> Iterator[Plugin]:
        """Iterate over the enabled plugins that the application itself added.

        Raises:
            PluginError: one of them can't be imported.
        """
        own = [read_source(source) for source in self._added if source.origin == APPLICATION]
        return iter(sorted((one for one in own if one.name not in self.disabled), key=lambda one: one.name))

    def __repr__(self) -> str:
        return f"<Plugins: {', '.join(source.spec for source in self._added) or 'none added'}>"
