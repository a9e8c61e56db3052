"""What goes over the sockets between clients, slots, nodes and the broker.

Every frame is one ZeroMQ message part: a kind byte, then a MessagePack array. Batches are one frame, never one part a
task (a hundred parts are twenty times slower than one frame that packs a hundred). A peer opens with HELLO and says
nothing else before WELCOME; frames of an older broker epoch can't arrive, because every epoch binds a fresh path.

    client → broker   HELLO PUT WATCH ASK BYE           broker → client   WELCOME CONFIRM REFUSED RESULTS ANSWER
    slot   → broker   HELLO DONE                        broker → slot     WELCOME TASKS RETIRE STEER
    teller → broker   HELLO UPDATES                     broker → teller   WELCOME
    node   → broker   HELLO SLOT_DIED RETIRE STEER ANSWER SPARED     broker → node     WELCOME ASK TERMINATE
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actorq.messages.queues import QueueChoice
from actorq.messages.task import Delivery, Report, ResultRecord, TaskMessage
from actorq.messages.updates import Update

__all__ = [
    "ANSWER",
    "ASK",
    "BYE",
    "CONFIRM",
    "DONE",
    "HELLO",
    "PROTOCOL",
    "PUT",
    "REFUSED",
    "RESULTS",
    "RETIRE",
    "SLOT_DIED",
    "SPARED",
    "STEER",
    "TASKS",
    "TERMINATE",
    "UPDATES",
    "WATCH",
    "WELCOME",
    "Answer",
    "Ask",
    "Confirm",
    "Done",
    "Hello",
    "Put",
    "Refused",
    "Rendezvous",
    "Results",
    "Retire",
    "SlotDied",
    "Spared",
    "Steer",
    "Tasks",
    "Terminate",
    "Updates",
    "Watch",
    "Welcome",
]

PROTOCOL: Final = 1  # raised when a change can't be read by the version before

HELLO: Final = b"h"
WELCOME: Final = b"w"
PUT: Final = b"p"
CONFIRM: Final = b"c"
REFUSED: Final = b"x"
WATCH: Final = b"W"
RESULTS: Final = b"r"
ASK: Final = b"a"
ANSWER: Final = b"A"
BYE: Final = b"b"
TASKS: Final = b"t"
DONE: Final = b"d"
RETIRE: Final = b"R"
SLOT_DIED: Final = b"D"
STEER: Final = b"S"
TERMINATE: Final = b"k"
SPARED: Final = b"s"
UPDATES: Final = b"u"


class Hello(msgspec.Struct, array_like=True):
    """First frame of every peer. `role` is "client", "slot", "node", or "teller": the second connection of a slot.

    A client gives its `outbox_id` (0: it only asks); a slot its `name` (that of its line file), its node's `node` and
    which queues it `takes` (None: all); a node its name. A slot may be there to take the place of others (`after`): it gets
    nothing before they are through. It may say after how many tasks it ends (`max_tasks`; 0: never), and gets no more than those.
    A client says which queue's tasks its outbox `carries`, where it is made for one that has a bound (empty: any), and the
    lowest number that it may still send (`first`; 0: it doesn't say): it has forgotten those below, which were confirmed.
    """

    protocol: int
    role: str
    pid: int
    outbox_id: int = 0
    name: str = ""
    node: str = ""
    takes: QueueChoice | None = None
    after: tuple[str, ...] = ()
    max_tasks: int = 0
    carries: str = ""
    first: int = 0


class Welcome(msgspec.Struct, array_like=True):
    """The broker's answer: its `epoch`, and for a client the highest number it has taken from the outbox (`taken`).

    `error` says why the peer was turned away (empty: it wasn't).
    """

    protocol: int
    epoch: int
    taken: int = 0
    outbox_no: int = 0
    error: str = ""


class Put(msgspec.Struct, array_like=True):
    """A batch of tasks from one outbox, numbers ascending.

    A sender never encodes this value: it joins records that are encoded already (`PUT` + 0x91 + array header + records).
    """

    messages: list[TaskMessage]


class Confirm(msgspec.Struct, array_like=True):
    """Every task of the outbox up to and including `number` is committed."""

    number: int


class Refused(msgspec.Struct, array_like=True):
    """Tasks from `number` on were not taken; the sender keeps them and sends again after `retry_in_s`.

    `queue` is the one that is full; empty: all of them are.
    """

    number: int
    error: str
    detail: str
    retry_in_s: float
    queue: str = ""


class Watch(msgspec.Struct, array_like=True):
    """Push the results of this outbox's tasks `low`..`high` (inclusive), those that exist at once, the others when they come.

    `ids` are task ids (or aliases) of other outboxes to watch as well.
    """

    low: int
    high: int
    ids: list[str] = []


class Results(msgspec.Struct, array_like=True):
    """Results for a watching client: of its own outbox in `records` (by key, whose low bits are the number), others by id."""

    records: list[ResultRecord]
    foreign: list[tuple[str, ResultRecord]] = []


class Ask(msgspec.Struct, array_like=True):
    """A question with a name; `arguments` are plain data."""

    request: int
    command: str
    arguments: dict[str, Any] = {}


class Answer(msgspec.Struct, array_like=True):
    """The answer to the question `request`; `error` is empty or one line."""

    request: int
    data: Any = None
    error: str = ""


class Tasks(msgspec.Struct, array_like=True):
    """Deliveries for a slot in the order in which to run them; `settled` says how many of its reports are committed."""

    settled: int
    deliveries: list[Delivery]


class Done(msgspec.Struct, array_like=True):
    """Reports of a slot, oldest first; `first` is the ring sequence number of the first."""

    first: int
    reports: list[Report]


class Retire(msgspec.Struct, array_like=True):
    """The slot `name` is to end after its present task: a node tells the broker, and the broker tells the slot."""

    name: str


class Terminate(msgspec.Struct, array_like=True):
    """The node of the slot `name` is to end its process by `signal`, if it still runs this delivery."""

    name: str
    key: int
    token: int
    signal: int


class Spared(msgspec.Struct, array_like=True):
    """A node says that its slot `name` doesn't run any more what it was to be ended for."""

    name: str


class SlotDied(msgspec.Struct, array_like=True):
    """A node says that its slot `name` is dead and reaped; `cause` reads like "SIGKILL" or "exit code 3"."""

    name: str
    cause: str
    traceback: str = ""


class Steer(msgspec.Struct, array_like=True):
    """What a node orders its slots to do from now on: a node tells the broker, and the broker tells the slots.

    `takes` are the queues to take tasks from (None: all). `limits` are `dict[task, (soft_s, hard_s)]` in the place of whatever the
    task or its call says; (None, None): no limits.
    """

    takes: QueueChoice | None = None
    limits: dict[str, tuple[float | None, float | None]] = {}


class Updates(msgspec.Struct, array_like=True):
    """What tasks that run in the slot `slot` say of themselves: the newest of each."""

    slot: str
    updates: list[Update]


class Rendezvous(msgspec.Struct):
    """The file `hub.json` in the runtime directory: where the broker of this home listens now."""

    protocol: int
    epoch: int
    endpoint: str
    pid: int
    node: str
    home: str = ""
