"""Control commands that an application itself brings: functions under `@app.control.control_command`.

They are the commands of a plugin of the application's, so all that holds for plugins' commands holds for them: they run in every
node, on the loop of the control actor, and what they raise is the answer's error. A node imports the application only where
there are any.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from actorq.plugins.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actorq.plugins.values import NodeCommand

__all__ = ["AppCommands", "read_arguments"]

NAME: Final = "app-commands"


class AppCommands(Plugin):
    """The commands of one application by name; added to its plugins when there is a first one."""

    name = NAME

    def __init__(self) -> None:
        self._functions: dict[str, Callable[[NodeCommand], Any]] = {}
        self._owners: dict[str, str] = {}

    def add(self, function: Any, name: str | None, args: Sequence[tuple[str, Callable[[Any], Any]]]) -> None:
        """Make a function a command, by its own name or another; `args` say how to read arguments: `[("n", int)]`.

        Raises:
            TypeError, ValueError: it is no function that takes these, or the name is another's.
        """
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"expected a plain function as a command, got {function!r}")
        command = name or function.__name__
        owner = f"{function.__module__}.{function.__qualname__}"
        if self._owners.setdefault(command, owner) != owner:
            raise ValueError(f"expected a free name for a command, got {command!r}, which {self._owners[command]} has")
        parameters = list(inspect.signature(function).parameters.values())
        named = {each.name for each in parameters[1:]}
        takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
        if not parameters or (not takes_any and any(each not in named for each, _ in args)):
            raise TypeError(
                f"expected {owner} to take the node's state and {', '.join(each for each, _ in args) or 'nothing else'}, "
                f"got {inspect.signature(function)}"
            )
        self._functions[command] = functools.partial(_run, function, dict(args))

    def commands(self) -> Mapping[str, Callable[[NodeCommand], Any]]:
        """Return them."""
        return self._functions


def _run(function: Callable[..., Any], readers: Mapping[str, Callable[[Any], Any]], command: NodeCommand) -> Any:
    arguments = read_arguments(command.arguments, readers)
    try:
        inspect.signature(function).bind(command, **arguments)
    except TypeError as error:
        expected = inspect.signature(function)
        raise TypeError(f"expected arguments for {command.command}{expected}, got {arguments}: {error}") from None
    return function(command, **arguments)


def read_arguments(arguments: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return arguments as their readers read them; those without one as they are.

    Raises:
        ValueError: a reader refuses what it got.
    """
    found = dict(arguments)
    for name, read in readers.items():
        if name in found:
            try:
                found[name] = read(found[name])
            except (TypeError, ValueError) as error:
                kind = getattr(read, "__name__", str(read))
                raise ValueError(f"expected {name} to be {kind}, got {found[name]!r}: {error}") from None
    return found
