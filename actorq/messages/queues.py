"""Which queues a node's slots take tasks from. A slot says it to the broker when it says hello."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["QueueChoice", "choose_queues", "split_address", "takes_queue"]


class QueueChoice(msgspec.Struct, array_like=True, frozen=True):
    """`only` these, or all `but` these; one of the two is empty. `of_pool`: of one pool, whatever its node takes.

    At the hub also where: of queues that are `broadcasts`, only what is addressed to `node`.
    """

    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    of_pool: bool = False
    node: str = ""
    broadcasts: tuple[str, ...] = ()

    def chooses(self, queue: str) -> bool:
        """Return whether this is one of the queues."""
        return queue in self.only if self.only else queue not in self.but

    def takes(self, queue: str) -> bool:
        """Return whether tasks of this queue are taken."""
        if self.broadcasts:
            if queue in self.broadcasts:
                return False
            address = split_address(queue, self.broadcasts)
            if address is not None:
                return address[1] == self.node and self.chooses(address[0])
        return self.chooses(queue)

    def __str__(self) -> str:
        return f"only {', '.join(self.only)}" if self.only else f"all but {', '.join(self.but)}"


def split_address(queue: str, broadcasts: Collection[str]) -> tuple[str, str] | None:
    """Return `(queue, node)` of the queue in which a broadcast waits for one node (`config@first`); None: it is none."""
    base, mark, node = queue.partition("@")
    return (base, node) if mark and base in broadcasts else None


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


def takes_queue(choices: Iterable[QueueChoice | None], queue: str) -> bool:
    """Return whether one of these, None being all queues, takes tasks of this queue."""
    return any(choice is None or choice.takes(queue) for choice in choices)
