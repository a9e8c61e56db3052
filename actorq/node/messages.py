"""What the components of a node tell each other. Values only; between two actors a batch is one message.

They are msgspec Structs though nothing encodes them: making thirty frozen slotted dataclasses takes 30 ms at import, a
tenth of a node's start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.actors import ActorRef
    from actorq.engine.protocol import DeadTask, Receipt, StoredTask
    from actorq.messages.task import ResultRecord, TaskMessage
    from actorq.messages.wire import Answer, Ask, Steer
    from actorq.node.batch import Sealed
    from actorq.node.dead_letters import DeadQuestion

__all__ = [
    "AskDead",
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
    "Reload",
    "ReplaceSlot",
    "Reply",
    "Request",
    "Resize",
    "RetireSlot",
    "RunSpared",
    "SlotForked",
    "SlotGone",
    "Snapshot",
    "SteerOwn",
    "SteerSlots",
    "TasksDue",
    "TasksExpire",
    "TasksExpired",
    "TerminateRun",
    "Woken",
]


# -- broker → store, and back ------------------------------------------------------------------------------------------


class BeginEpoch(msgspec.Struct, frozen=True):
    """Ask: end all leases of earlier brokers. Answered with `engine.protocol.Opened`."""


class EngineCall(msgspec.Struct, frozen=True):
    """Ask: call `method` of the engine with `arguments`; answered with what it returns."""

    method: str
    arguments: tuple[Any, ...] = ()


class Commit(msgspec.Struct, frozen=True):
    """Make a sealed transaction durable; answered with `Committed` or `CommitRefused`."""

    sealed: Sealed
    reply_to: ActorRef[Any]


class Committed(msgspec.Struct, frozen=True):
    """`sealed` is safe."""

    sealed: Sealed
    receipt: Receipt


class CommitRefused(msgspec.Struct, frozen=True):
    """There was no room for `sealed`'s new tasks; what ended is safe all the same (`receipt`)."""

    sealed: Sealed
    receipt: Receipt
    detail: str


class Lease(msgspec.Struct, frozen=True):
    """Read up to `limit` ready tasks of `queue`; answered with `Leased`."""

    queue: str
    limit: int
    reply_to: ActorRef[Any]


class Leased(msgspec.Struct, frozen=True):
    """Tasks of one queue that the hub holds now; fewer than asked for means that the store has no more."""

    queue: str
    tasks: Sequence[StoredTask]
    exhausted: bool


class Register(msgspec.Struct, frozen=True):
    """Give an outbox its number for good; answered with `Registered`."""

    outbox_id: int
    reply_to: ActorRef[Any]


class Registered(msgspec.Struct, frozen=True):
    """`outbox_id` is `no` in this store, which has taken its tasks up to `taken`."""

    outbox_id: int
    no: int
    taken: int


class RegisterRefused(msgspec.Struct, frozen=True):
    """There is no room to note a new outbox."""

    outbox_id: int
    detail: str


class Fetch(msgspec.Struct, frozen=True):
    """Read stored results of the keys `low`..`high` (inclusive); answered with `Fetched` for `context`."""

    context: Any
    reply_to: ActorRef[Any]
    low: int
    high: int


class Fetched(msgspec.Struct, frozen=True):
    """Stored results, by ascending key."""

    context: Any
    records: Sequence[ResultRecord]


class LookUp(msgspec.Struct, frozen=True):
    """Find tasks by id or alias, finished or not; answered with `LookedUp` for `context`. `with_dead`: dead letters, too."""

    ids: Sequence[str]
    context: Any
    reply_to: ActorRef[Any]
    with_dead: bool = False


class Found(msgspec.Struct, frozen=True):
    """What the store knows of one id: nothing (all None), its result (and its dead letter), or its unfinished task."""

    key: int | None = None
    record: ResultRecord | None = None
    task: StoredTask | None = None
    dead: DeadTask | None = None


class LookedUp(msgspec.Struct, frozen=True):
    """What was found, by the id that was asked for."""

    context: Any
    found: dict[str, Found]


class AskDead(msgspec.Struct, frozen=True):
    """A checked question about dead letters; answered with `Reply` for `peer`, after `Woken` where tasks are back."""

    question: DeadQuestion
    request: int
    peer: bytes
    reply_to: ActorRef[Any]


class TasksDue(msgspec.Struct, frozen=True):
    """The store holds tasks for a later time; the first is due at `next_due_at` (Unix seconds)."""

    next_due_at: float


class TasksExpire(msgspec.Struct, frozen=True):
    """The store holds tasks that expire, the first at `expires_at` (Unix seconds)."""

    expires_at: float


class TasksExpired(msgspec.Struct, frozen=True):
    """These tasks have expired; unless they run, they end now."""

    keys: Sequence[int]


class Woken(msgspec.Struct, frozen=True):
    """Tasks became ready in the store, how many in each queue: they were due; or they were dead letters (`revived`)."""

    queues: dict[str, int]
    revived: bool = False


# -- around the broker -------------------------------------------------------------------------------------------------


class OutboxLeft(msgspec.Struct, frozen=True):
    """The process that owned this outbox is gone; its file may still hold tasks. 0: look at all of them."""

    outbox_id: int = 0


class OrphanTasks(msgspec.Struct, frozen=True):
    """Tasks of an outbox without an owner, numbers ascending; confirmed with `OrphanSafe` once committed."""

    outbox_id: int
    messages: Sequence[TaskMessage]
    reply_to: ActorRef[Any]


class OrphanSafe(msgspec.Struct, frozen=True):
    """Everything up to `number` of this outbox is in the store."""

    outbox_id: int
    number: int


class SlotGone(msgspec.Struct, frozen=True):
    """A slot's process has ended and was reaped."""

    name: str
    cause: str
    traceback: str = ""


class Request(msgspec.Struct, frozen=True):
    """A question from outside, to be answered with `Reply` to the broker."""

    peer: bytes
    request: int
    command: str
    arguments: dict[str, Any] = {}


class Snapshot(msgspec.Struct, frozen=True):
    """Ask the broker: what is going on? Answered with plain data."""


class Forward(msgspec.Struct, frozen=True):
    """Ask these nodes over their links; each answer comes back as `NodeAnswer`."""

    nodes: frozenset[str]
    ask: Ask


class NodeAnswer(msgspec.Struct, frozen=True):
    """What another node answered."""

    node: str
    answer: Answer


class Reply(msgspec.Struct, frozen=True):
    """The answer for `peer`."""

    peer: bytes
    answer: Answer


# -- inside a node -----------------------------------------------------------------------------------------------------


class NodeQuestion(msgspec.Struct, frozen=True):
    """The hub asks this node; answered with `NodeReply` to the link, or to itself where the hub's own control asks."""

    request: int
    command: str
    arguments: dict[str, Any]
    is_own: bool = False


class NodeReply(msgspec.Struct, frozen=True):
    """This node's answer."""

    answer: Answer


class RetireSlot(msgspec.Struct, frozen=True):
    """A slot is to end after its present task."""

    name: str


class TerminateRun(msgspec.Struct, frozen=True):
    """The slot `name` is to be ended by `signal` if it still runs this delivery; `RunSpared` where it doesn't."""

    name: str
    key: int
    token: int
    signal: int


class RunSpared(msgspec.Struct, frozen=True):
    """The slot `name` doesn't run any more what it was to be ended for."""

    name: str


class SteerSlots(msgspec.Struct, frozen=True):
    """What the node's slots are to do has changed: tell them."""


class SteerOwn(msgspec.Struct, frozen=True):
    """The same for the broker of this very node, so that it knows before the order's answer leaves through it."""

    node: str
    steer: Steer


class Resize(msgspec.Struct, frozen=True):
    """Ask: have so many slots more, or fewer. Answered with how many there are to be."""

    by: int


class Reload(msgspec.Struct, frozen=True):
    """Import the application anew; if that goes well, have every slot replaced."""


class ReplaceSlot(msgspec.Struct, frozen=True):
    """There is newer code: a slot is to be succeeded by one of it, after its present task."""


class ForkSlot(msgspec.Struct, frozen=True):
    """Start a process for a place; whoever bears the name `slot-<place>` then is told `SlotForked` or `ForkFailed`."""

    place: int
    name: str


class LookForStrays(msgspec.Struct, frozen=True):
    """An order was given up: a process for it may exist all the same, and nobody was told."""


class SlotForked(msgspec.Struct, frozen=True):
    """The process that was ordered for a place is in the roster."""

    name: str


class ForkFailed(msgspec.Struct, frozen=True):
    """There is no process for the order `name`."""

    name: str
    error: str
