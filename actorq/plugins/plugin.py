"""The interface of a plugin. Everything is optional but the name; a method that isn't overridden costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import click

    from actorq.config import Settings
    from actorq.plugins.values import NodeCommand, Running, Sending
    from actorq.supervisor import Component

__all__ = ["Plugin", "overrides"]


class Plugin:
    """Base of all plugins: subclass it, give it a `name`, and override what you need.

    One instance is made in each process that needs it: commands, nodes, slots and clients have one each, and what one of
    them remembers the others don't know. So keep `__init__` without arguments and without side effects.
    """

    name: str = ""  # unique among the plugins of a process; that of the entry point, where it comes from one
    origin: str = ""  # where it was found; set when it is loaded

    def configure(self, values: Mapping[str, Any]) -> None:
        """Take the values of this plugin's own `options`, by parameter name, before the verb runs.

        Called once where the verb has such options; None stands for an option that wasn't given. For `actorq node` it
        is called in the node and again in the process that its slots are forked from.
        """

    # -- in a node ----------------------------------------------------------------------------------------------------

    def components(self, settings: Settings) -> Iterable[Component]:
        """Return components for the node's graph. Called once, before anything of the node is started."""
        return ()

    def commands(self) -> Mapping[str, Callable[[NodeCommand], Any]]:
        """Return control commands by name.

        They are called on the loop of the control actor: answer with plain data at once, or return
        `command.ask(component, message)` to have a component answer. What one raises is the answer's error.
        """
        return {}

    # -- on the command line ------------------------------------------------------------------------------------------

    def verbs(self) -> Mapping[str, click.Command]:
        """Return verbs of `actorq` by name."""
        return {}

    def options(self) -> Mapping[str, Sequence[click.Option]]:
        """Return more options for verbs, by the verb's name. Their values arrive at `configure`."""
        return {}

    # -- around calls -------------------------------------------------------------------------------------------------

    def sending(self, call: Sending) -> AbstractContextManager[object] | None:
        """Return a context that is entered before a task is sent and left after; None: not for this call.

        Before, it may change `call.args`, `kwargs`, `options` and `headers`, or raise to stop the send. After, it sees
        `call.result`; what it raises then is logged, because the task is on its way.
        """
        return None

    def running(self, run: Running) -> AbstractContextManager[object] | None:
        """Return a context that is entered before a task's body runs in its slot and left after; None: not for this run.

        Before, it may raise instead of the task, `Retry`, `Reject` and `Ignore` included. After, it sees `run.result`, or
        the exception passes through it; it can't swallow that, and what it raises then is logged.
        """
        return None

    def __repr__(self) -> str:
        return f"<plugin {self.name or type(self).__qualname__}>"


def overrides(plugin: Plugin, method: str) -> bool:
    """Return whether the plugin has a method of its own in the place of the base's."""
    return getattr(getattr(plugin, method), "__func__", None) is not getattr(Plugin, method)
