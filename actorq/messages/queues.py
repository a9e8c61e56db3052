"""Which queues a node's slots take tasks from. A slot says it to the broker when it says hello."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["QueueChoice", "choose_queues"]


class QueueChoice(msgspec.Struct, array_like=True, frozen=True):
    """`only` these, or all `but` these; one of the two is empty. `of_pool`: of one pool, whatever its node takes."""

    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    of_pool: bool = False

    def takes(self, queue: str) -> bool:
        """Return whether tasks of this queue are taken."""
        return queue in self.only if self.only else queue not in self.but

    def __str__(self) -> str:
        return f"only {', '.join(self.only)}" if self.only else f"all but {', '.join(self.but)}"


def choose_queues(queues: Iterable[str], exclude: Iterable[str]) -> QueueChoice | None:
    """Return the choice of `queues` (none: all) without those to `exclude`, or None where every queue is taken.

    Raises:
        ConfigError: nothing is left.
    """
    wanted, unwanted = tuple(queues), tuple(exclude)
    if not wanted:
        return QueueChoice(but=unwanted) if unwanted else None
    only = tuple(queue for queue in wanted if queue not in unwanted)
    if not only:
        raise ConfigError(
            f"expected a queue to take tasks from, got none: all of queues ({', '.join(wanted)}) are in exclude_queues"
        )
    return QueueChoice(only)
