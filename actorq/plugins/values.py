"""What plugins are handed: a call on its way out, a run in a slot, a command in a node.

Structs: importing dataclasses takes ten times as long, and every client imports these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping  # noqa: TC004  nobody encodes these values, so nobody looks their types up

    from actorq.actors import System  # noqa: TC004
    from actorq.config import Settings  # noqa: TC004
    from actorq.tasks.request import Request  # noqa: TC004

__all__ = ["NODE_PARTS", "AskComponent", "NodeCommand", "NodePart", "Running", "Sending", "describe_call", "read_call"]

NODE_PARTS: Final = ("home", "info", "lock", "node", "roster", "settings", "slots")


class Sending(msgspec.Struct):
    """One call of a task that is about to be sent.

    `options` are those of `apply_async`. `headers` (plain data under names) travel with the task and are
    `Running.headers` where it runs. With `is_eager` it runs here (`apply`, `task_always_eager`). `result` is None until it was sent.
    """

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    headers: dict[str, Any]
    is_eager: bool = False
    result: Any = None


class Running(msgspec.Struct):
    """One run of a task's body. `result` is None until it has returned; changing it here changes nothing elsewhere."""

    task: str
    request: Request
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    headers: Mapping[str, Any]
    result: Any = None


class NodePart(msgspec.Struct, frozen=True):
    """Stands, among a component's `kwargs`, for a thing of the node that only the node has: one of `NODE_PARTS`.

    "home" is a `transport.paths.Home`, "node" the node's name, "settings" a `Settings`, "slots" how many it has; "lock",
    "info" and "roster" are what built-in components get under these names.
    """

    name: str


class AskComponent(msgspec.Struct, frozen=True):
    """What a command may return: ask this component, and answer with what it answers."""

    component: str
    message: object
    timeout_s: float = 1.0


class NodeCommand(msgspec.Struct, frozen=True):
    """A control command that arrived at a node. `arguments` is plain data from whoever asked."""

    command: str
    arguments: Mapping[str, Any]
    node: str
    settings: Settings
    system: System

    def ask(self, component: str, message: object, timeout_s: float = 1.0) -> AskComponent:
        """Return what makes the node ask a component and answer with its answer. Nothing is asked yet."""
        return AskComponent(component, message, timeout_s)

    def tell(self, component: str, message: object) -> None:
        """Tell a component something."""
        self.system.ref(component).tell(message)


def describe_call(
    task: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any], *, is_eager: bool = False
) -> Sending:
    """Return a call as hooks are handed it."""
    given = dict(options)
    return Sending(task, args, dict(kwargs), given, dict(given.pop("headers", None) or {}), is_eager)


def read_call(call: Sending) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Return arguments and options as hooks have left them."""
    return tuple(call.args), dict(call.kwargs), {**call.options, "headers": call.headers}
