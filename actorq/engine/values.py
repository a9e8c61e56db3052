"""The values that go into an engine and come out of it.

All of them are plain data; `None`, 0 and empty mean "nothing of that kind". Times ending in `_at` are Unix seconds,
`deadline` is monotonic seconds of the engine's clock (a lease must not end because somebody set the wall clock).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from actorq.messages.task import ResultRecord, TaskMessage

__all__ = [
    "EPOCH_SHIFT",
    "EXPIRED_AGAIN_S",
    "Change",
    "DeadLetter",
    "DeadTask",
    "EngineStats",
    "LaneStats",
    "NewTask",
    "Opened",
    "QueueStats",
    "Receipt",
    "Settlement",
    "StoredTask",
    "Transaction",
]

EPOCH_SHIFT: Final = 32  # a token is `epoch << EPOCH_SHIFT | n`: later epochs always mint larger tokens


EXPIRED_AGAIN_S: Final = 60.0  # an expired task that wasn't ended is told again then


class NewTask(msgspec.Struct, gc=False):
    """A task to store. With a `token` it is born leased under it, and whoever puts it dispatches it himself."""

    key: int
    message: TaskMessage
    token: int = 0
    deliveries: int = 0


class Settlement(msgspec.Struct, gc=False):
    """The end of a lease and of its task: the task goes, `result` comes (None: nothing is kept)."""

    key: int
    token: int
    result: ResultRecord | None = None


class Change(msgspec.Struct):
    """The end of a lease whose task stays: a retry, a failed delivery, a hand-back.

    `deliveries` and `message` replace the stored ones (None: as they are). Without `due_at`, or with one that has
    passed, the task is ready at once and takes its old place, ahead of everything in its lane that arrived later.
    `keep_lease` only persists the new values and leaves the lease and the due time alone.
    """

    key: int
    token: int
    deliveries: int | None = None
    message: TaskMessage | None = None
    due_at: float | None = None
    keep_lease: bool = False


class DeadLetter(msgspec.Struct):
    """The end of a lease whose task is given up: it moves to the dead letters, `result` says how it ended."""

    key: int
    token: int
    cause: str
    traceback: str
    died_at: float
    result: ResultRecord


class Transaction(msgspec.Struct):
    """Everything that happens at once. Applied in the order of the fields; see `Engine.commit`.

    `straight` are results of tasks that were sent and settled within this very transaction and never become rows.
    `aliases` belong to those (those of `puts` are in their messages), and so does `ttls` (`dict[key, ttl_s]`).
    `taken` is `dict[outbox_no, highest number]`; `forgotten` are keys of results to drop.
    `revoked` are ids of tasks that must not start (again), with when that may be forgotten (None: now).
    """

    puts: list[NewTask] = []
    settled: list[Settlement] = []
    straight: list[ResultRecord] = []
    aliases: list[tuple[str, int]] = []
    changed: list[Change] = []
    dead: list[DeadLetter] = []
    taken: dict[int, int] = {}
    forgotten: list[int] = []
    ttls: dict[int, float] = {}
    revoked: dict[str, float | None] = {}


class Receipt(msgspec.Struct):
    """What a commit did: its number, and the keys it refused.

    `refused` are settlements, changes and dead letters that came too late (stale token, or no such task).
    `repeated` are tasks (puts and straight results) that their outbox had delivered before; they were left out.
    `expires_at` is when the first of its tasks expires that have an end.
    """

    seq: int
    refused: list[int] = []
    next_due_at: float | None = None
    repeated: list[int] = []
    expires_at: float | None = None


class StoredTask(msgspec.Struct, gc=False):
    """A task as it is stored, with its lease if it has one.

    `token` is the lease's, or without a lease the fence: the smallest token that may still settle the task.
    `deadline` is None for a lease without a time limit.
    """

    key: int
    token: int
    deliveries: int
    outbox_id: int
    message: TaskMessage
    deadline: float | None = None
    due_at: float | None = None
    leased: bool = False


class DeadTask(msgspec.Struct):
    """A dead letter as it is stored."""

    key: int
    outbox_id: int
    deliveries: int
    cause: str
    traceback: str
    died_at: float
    message: TaskMessage


class Opened(msgspec.Struct):
    """What a caller needs to know at the start of an epoch.

    `tokens` is the one minter of this epoch; the engine takes lease tokens from it and so may the caller.
    `outboxes` is `dict[outbox_id, (outbox_no, taken)]`, `ready` is `dict[queue, ready tasks]` without empty queues.
    `revoked` is what transactions have said of ids that must not start, as `dict[id, expires_at]`.
    """

    epoch: int
    tokens: Iterator[int]
    outboxes: dict[int, tuple[int, int]]
    ready: dict[str, int]
    next_due_at: float | None = None
    revoked: dict[str, float] = {}


class QueueStats(msgspec.Struct, frozen=True):
    """Tasks of one queue by where they are; the three never overlap."""

    ready: int = 0
    leased: int = 0
    scheduled: int = 0
    paused: bool = False


class LaneStats(msgspec.Struct, frozen=True):
    """Tasks of one queue at one priority that nobody has leased; `oldest_at` is when the first ready one was sent."""

    queue: str
    priority: int
    ready: int = 0
    scheduled: int = 0
    oldest_at: float | None = None


class EngineStats(msgspec.Struct, frozen=True):
    """Counts of what is stored. `bytes` is what the store takes on the disk, `commits` those of this opening."""

    queues: dict[str, QueueStats]
    results: int
    dead: int
    bytes: int
    commits: int
    seq: int
    epoch: int
    full: bool = False
