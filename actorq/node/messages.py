"""What the components of a node tell each other. Values only; between two actors a batch is one message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.actors import ActorRef
    from actorq.engine.protocol import Receipt, StoredTask
    from actorq.messages.task import ResultRecord, TaskMessage
    from actorq.messages.wire import Answer, Ask
    from actorq.node.ledger import Sealed

__all__ = [
    "BeginEpoch",
    "Commit",
    "CommitRefused",
    "Committed",
    "EngineCall",
    "Fetch",
    "Fetched",
    "ForkFailed",
    "ForkSlot",
    "Forward",
    "Found",
    "Lease",
    "Leased",
    "LookForStrays",
    "LookUp",
    "LookedUp",
    "NodeAnswer",
    "NodeQuestion",
    "NodeReply",
    "OrphanSafe",
    "OrphanTasks",
    "OutboxLeft",
    "Register",
    "RegisterRefused",
    "Registered",
    "Reply",
    "Request",
    "RetireSlot",
    "SlotForked",
    "SlotGone",
    "Snapshot",
    "TasksDue",
    "Woken",
]


# -- broker → store, and back ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginEpoch:
    """Ask: end all leases of earlier brokers. Answered with `engine.protocol.Opened`."""


@dataclass(frozen=True, slots=True)
class EngineCall:
    """Ask: call `method` of the engine with `arguments`; answered with what it returns."""

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """Make a sealed transaction durable; answered with `Committed` or `CommitRefused`."""

    sealed: Sealed
    reply_to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Committed:
    """`sealed` is safe."""

    sealed: Sealed
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class CommitRefused:
    """There was no room for `sealed`'s new tasks; what ended is safe all the same (`receipt`)."""

    sealed: Sealed
    receipt: Receipt
    detail: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Read up to `limit` ready tasks of `queue`; answered with `Leased`."""

    queue: str
    limit: int
    reply_to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Leased:
    """Tasks of one queue that the hub holds now; fewer than asked for means that the store has no more."""

    queue: str
    tasks: Sequence[StoredTask]
    exhausted: bool


@dataclass(frozen=True, slots=True)
class Register:
    """Give an outbox its number for good; answered with `Registered`."""

    outbox_id: int
    reply_to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """`outbox_id` is `no` in this store, which has taken its tasks up to `taken`."""

    outbox_id: int
    no: int
    taken: int


@dataclass(frozen=True, slots=True)
class RegisterRefused:
    """There is no room to note a new outbox."""

    outbox_id: int
    detail: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read stored results of the keys `low`..`high` (inclusive); answered with `Fetched` for `context`."""

    context: Any
    reply_to: ActorRef[Any]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Stored results, by ascending key."""

    context: Any
    records: Sequence[ResultRecord]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find tasks by id or alias, finished or not; answered with `LookedUp` for `context`."""

    ids: Sequence[str]
    context: Any
    reply_to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What the store knows of one id: nothing (all None), its result, or its unfinished task."""

    key: int | None = None
    record: ResultRecord | None = None
    task: StoredTask | None = None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What was found, by the id that was asked for."""

    context: Any
    found: dict[str, Found]


@dataclass(frozen=True, slots=True)
class TasksDue:
    """The store holds tasks for a later time; the first is due at `next_due_at` (Unix seconds)."""

    next_due_at: float


@dataclass(frozen=True, slots=True)
class Woken:
    """Tasks became due: how many in each queue."""

    queues: dict[str, int]


# -- around the broker -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboxLeft:
    """The process that owned this outbox is gone; its file may still hold tasks. 0: look at all of them."""

    outbox_id: int = 0


@dataclass(frozen=True, slots=True)
class OrphanTasks:
    """Tasks of an outbox without an owner, numbers ascending; confirmed with `OrphanSafe` once committed."""

    outbox_id: int
    messages: Sequence[TaskMessage]
    reply_to: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class OrphanSafe:
    """Everything up to `number` of this outbox is in the store."""

    outbox_id: int
    number: int


@dataclass(frozen=True, slots=True)
class SlotGone:
    """A slot's process has ended and was reaped."""

    name: str
    cause: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A question from outside, to be answered with `Reply` to the broker."""

    peer: bytes
    request: int
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Ask the broker: what is going on? Answered with plain data."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Ask these nodes over their links; each answer comes back as `NodeAnswer`."""

    nodes: frozenset[str]
    ask: Ask


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What another node answered."""

    node: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer for `peer`."""

    peer: bytes
    answer: Answer


# -- inside a node -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeQuestion:
    """The hub asks this node; answered with `NodeReply` to the link."""

    request: int
    command: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodeReply:
    """This node's answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class RetireSlot:
    """A slot is to end after its present task."""

    name: str


@dataclass(frozen=True, slots=True)
class ForkSlot:
    """Start a process for a place; whoever bears the name `slot-<place>` then is told `SlotForked` or `ForkFailed`."""

    place: int
    name: str


@dataclass(frozen=True, slots=True)
class LookForStrays:
    """An order was given up: a process for it may exist all the same, and nobody was told."""


@dataclass(frozen=True, slots=True)
class SlotForked:
    """The process that was ordered for a place is in the roster."""

    name: str


@dataclass(frozen=True, slots=True)
class ForkFailed:
    """There is no process for the order `name`."""

    name: str
    error: str
