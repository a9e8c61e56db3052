"""A task on its way: the header that the broker reads, and the body that only a slot decodes.

Encoded as MessagePack arrays (fields by position), so a new field goes to the end with a default and old records stay
readable. The order of the fields is part of the wire and store format.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = [
    "FLAG_ACK_EARLY",
    "FLAG_IGNORE_RESULT",
    "FLAG_TRACK_STARTED",
    "PRIORITIES",
    "TO_THE_BACK",
    "Delivery",
    "Report",
    "ResultRecord",
    "TaskMessage",
]

FLAG_IGNORE_RESULT: Final = 1  # keep no result; the terminal state is kept all the same
FLAG_ACK_EARLY: Final = 2  # once it has begun it isn't run again: if its slot dies then, it has failed
FLAG_TRACK_STARTED: Final = 4
PRIORITIES: Final = range(10)  # 9 goes first
TO_THE_BACK: Final = -2  # codec id of a RETRY without `due_at`: the task itself wants to go behind the others


class TaskMessage(msgspec.Struct, array_like=True, gc=False):
    """One task as its caller sent it.

    `number` is its place in the caller's outbox. `body` is what `codec` made of the arguments, in the format `codec_id`
    (see `actorq.codec`). `eta` and `expires` are Unix seconds. `alias` is an id the caller chose. `limits` is
    `(soft_s, hard_s)`. `retries` counts the runs the task itself asked for again.
    `root` and `parent` are task ids (empty: this task is the root, it has no parent). `headers` is plain data that goes
    along with the task, its retries included.
    """

    number: int
    task: str
    body: bytes
    codec_id: int = 0
    queue: str = "default"
    priority: int = 0
    flags: int = 0
    eta: float | None = None
    expires: float | None = None
    max_deliveries: int = 3
    retries: int = 0
    alias: str | None = None
    limits: tuple[float | None, float | None] | None = None
    result_ttl_s: float | None = None
    sent_at: float = 0.0
    root: str = ""
    parent: str = ""
    headers: dict[str, Any] | None = None


class Delivery(msgspec.Struct, array_like=True, gc=False):
    """A leased task on its way to a slot. `token` fences this lease; `deliveries` counts earlier failed deliveries.

    Tokens grow: of two leases of one task the later has the larger token, also across restarts of the hub.
    """

    key: int
    token: int
    deliveries: int
    outbox_id: int
    message: TaskMessage


class Report(msgspec.Struct, array_like=True, gc=False):
    """What a slot says about one delivery that has ended.

    `state` is one of `actorq.states`' wire numbers. `payload` is the encoded result, or the encoded failure.
    `due_at` (Unix seconds) goes with RETRY, whose `payload` is then the new body (empty: the same again), and so does
    `expires`, the new expiry (None: as it was). A RETRY without `due_at` is no retry: the delivery goes back to its queue,
    to the front or (`TO_THE_BACK`) to the end. `children` are the ids of the tasks that were sent during the run (None: none).
    """

    key: int
    token: int
    state: int
    payload: bytes = b""
    codec_id: int = 0
    runtime_s: float = 0.0
    due_at: float | None = None
    expires: float | None = None
    children: list[str] | None = None


class ResultRecord(msgspec.Struct, array_like=True, gc=False):
    """A terminal state as it is stored and pushed to whoever waits.

    `parent` is the id of the task that sent this one (empty: none), `children` are those of the tasks it has sent (None: none).
    """

    key: int
    state: int
    payload: bytes = b""
    codec_id: int = 0
    finished_at: float = 0.0
    runtime_s: float = 0.0
    parent: str = ""
    children: list[str] | None = None
