"""Runs the control commands that plugins bring to a node.

A part of the control component. What a command raises, or answers that isn't plain data, is an error of that answer: a plugin
can't end the component through which one would look for what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actorq.config import suggest
from actorq.log import get_logger
from actorq.node.node_orders import NAMES
from actorq.node.orders import VERBS
from actorq.plugins.values import AskComponent, NodeCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actorq.actors import Actor, Outcome

__all__ = ["PluginCommands"]

log = get_logger(__name__)


class PluginCommands:
    """Belongs to `actor`, in whose context commands run."""

    def __init__(
        self, actor: Actor, commands: Mapping[str, Callable[[NodeCommand], Any]], node: str, settings: Any
    ) -> None:
        self._actor, self._commands, self._node, self._settings = actor, dict(commands), node, settings

    def run(self, name: str, arguments: Mapping[str, Any], answer: Callable[[Any, str], None]) -> None:
        """Run the command and call `answer(data, error)`, now or when a component has answered it."""
        command = self._commands.get(name)
        if command is None:
            known = sorted((*VERBS, *NAMES, *self._commands))
            answer(None, f"unknown command {name!r}{suggest(name, known) or '; known: ' + ', '.join(known)}")
            return
        try:
            found = command(NodeCommand(name, arguments, self._node, self._settings, self._actor.system))
        except Exception as error:  # whatever a plugin raises
            log.exception("plugin_command_failed", command=name)
            answer(None, _tell(error))
            return
        if isinstance(found, AskComponent):
            self._ask(name, found, answer)
        else:
            answer(*_check(name, found))

    def _ask(self, name: str, wanted: AskComponent, answer: Callable[[Any, str], None]) -> None:
        def answered(outcome: Outcome) -> None:
            if outcome.error is None:
                answer(*_check(name, outcome.value))
            else:
                answer(None, f"component {wanted.component!r}: {_tell(outcome.error)}")

        self._actor.ask_then(self._actor.system.ref(wanted.component), wanted.message, wanted.timeout_s, answered)


def _check(name: str, data: Any) -> tuple[Any, str]:
    """Return the answer and no error, or no answer and why it can't travel."""
    try:
        msgspec.msgpack.encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return None, f"expected command {name!r} to answer with plain data, got {type(data).__qualname__}: {error}"
    return data, ""


def _tell(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
