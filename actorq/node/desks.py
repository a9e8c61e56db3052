"""What the hub knows of each outbox and each slot: two small values that the ledger changes and the broker reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from actorq.messages.queues import QueueChoice
from actorq.node.credit import INITIAL_CREDIT

if TYPE_CHECKING:
    from actorq.messages.task import Delivery
    from actorq.node.updates import LiveUpdate

__all__ = ["OutboxDesk", "SlotDesk"]


@dataclass(slots=True, eq=False)
class OutboxDesk:
    """What the hub knows of one outbox, as highest numbers: `taken` was accepted, `committed` is safe, `finished` ended.

    Its owner may forget what is committed, not what is merely taken: that is in this memory only.
    """

    outbox_id: int
    no: int
    taken: int
    committed: int
    finished: int = 0
    carries: str = ""  # tasks of this queue only

    def pass_over(self, first: int) -> None:
        """Expect nothing below number `first`: its owner forgot those, because an earlier hub confirmed them.

        A store that kept its word knows them. One in memory that ended, or one that was removed, doesn't, and would wait
        for them for ever. Whoever asks for their results hears that no such tasks are known.
        """
        gone = first - 1
        self.taken, self.committed = max(self.taken, gone), max(self.committed, gone)
        self.finished = max(self.finished, gone)


@dataclass(slots=True, eq=False)
class SlotDesk:
    """What the hub knows of one slot. `held` is in the order in which the slot starts: the first `places` may be running."""

    name: str
    node: str = ""
    pid: int = 0
    held: dict[int, Delivery] = field(default_factory=dict)
    mean_s: float = 0.0
    credit: int = INITIAL_CREDIT
    reported: int = 0  # reports seen: sequence number of the next
    settled: int = 0  # reports committed
    done: int = 0
    closed: bool = False  # gets nothing for now: being recalled, retiring, or dead
    retiring: bool = False
    takes: QueueChoice | None = None  # which queues; None: all
    after: tuple[str, ...] = ()  # slots whose place it takes; closed until they are through
    doomed: bool = False  # its node is asked to end it for what it runs; closed until that is over
    max_tasks: int = 0  # after which it ends; 0: never
    places: int = 1  # how many it runs at once
    broadcasts: tuple[str, ...] = ()  # queues of which it takes what is for its node
    updates: dict[int, LiveUpdate] = field(default_factory=dict)  # what its tasks say of themselves

    def __post_init__(self) -> None:
        self.credit = max(self.credit, self.places)

    def choose(self, takes: QueueChoice | None) -> None:
        """Take tasks of these queues from now on."""
        if self.broadcasts:
            takes = msgspec.structs.replace(takes or QueueChoice(), node=self.node, broadcasts=self.broadcasts)
        self.takes = takes
