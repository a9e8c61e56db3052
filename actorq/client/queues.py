"""What a user does about queues: look into them, pause, resume, purge, move.

`app.queues` is one of these. Invariant: nothing is kept here; every call asks the hub, so what it says is what was so at that
moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.codec import decode_body
from actorq.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["QueueInfo", "Queues", "WaitingTask"]

ASK_S: Final = 5.0
PEEKED: Final = 20
MAX_PEEK: Final = 1_000  # the hub shows no more at once


class QueueInfo(msgspec.Struct, frozen=True):
    """One queue.

    `ready` tasks wait for a slot, `priorities` says how many of each priority; `scheduled` ones wait for their time;
    `reserved` are with slots and haven't begun, `running` have. `oldest_at` (Unix seconds) is when the first ready one was
    sent. `consumers` is how many slots take tasks of it.
    """

    queue: str
    ready: int
    priorities: dict[int, int]
    scheduled: int
    reserved: int
    running: int
    oldest_at: float | None
    paused: bool
    consumers: int


class WaitingTask(msgspec.Struct, frozen=True):
    """A task that waits. `alias` is the id its caller chose; times are Unix seconds; `eta` is None once it is ready.

    `args` and `kwargs` are None unless they were asked for, and where only a slot may decode them (pickle).
    """

    id: str
    alias: str | None
    task: str
    priority: int
    sent_at: float | None
    eta: float | None
    expires: float | None
    retries: int
    deliveries: int
    headers: dict[str, Any]
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None


class Queues:
    """The queues of a home; `ask(command, arguments, timeout, repeat=)` asks its hub.

    Every method raises `BrokerUnavailable` where no node answers within `timeout` seconds, `ActorqError` where the hub knows
    no such queue, `ValueError` for what is no name. A purge or a move that a hub took along when it went isn't asked again by
    itself; asking again goes on with what is left.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def list(self, *, timeout: float = ASK_S) -> Sequence[QueueInfo]:
        """Return all queues that the home has heard of, by name."""
        answer = self._question("ls", timeout, {}, repeat=True)
        return [msgspec.convert(each, QueueInfo, strict=False) for each in answer["queues"]]

    def find(self, queue: str, *, timeout: float = ASK_S) -> QueueInfo | None:
        """Return one queue; None: nobody has heard of it."""
        return next((each for each in self.list(timeout=timeout) if each.queue == queue), None)

    def peek(
        self, queue: str, limit: int = PEEKED, *, arguments: bool = False, timeout: float = ASK_S
    ) -> Sequence[WaitingTask]:
        """Return the first `limit` tasks that wait: ready ones in the order of their start, then by eta. They stay.

        Raises:
            ValueError: `limit` isn't from 1 to 1,000.
        """
        _check_name(queue)
        if not 1 <= limit <= MAX_PEEK:
            raise ValueError(f"expected limit to be from 1 to {MAX_PEEK}, got {limit!r}")
        options = {"queue": queue, "limit": limit, "bodies": arguments}
        return [_read(each) for each in self._question("peek", timeout, options, repeat=True)["tasks"]]

    def pause(self, queue: str, *, timeout: float = ASK_S) -> int:
        """Let nothing more of a queue begin until `resume`; it goes on taking tasks. Return how many run, which go on.

        What slots hold and haven't begun is taken back before this returns. A pause outlives every node, and a queue may be
        paused before it exists.
        """
        return int(self._question("pause", timeout, {"queue": _check_name(queue)}, repeat=True)["running"])

    def resume(self, queue: str, *, timeout: float = ASK_S) -> bool:
        """Undo `pause`. Return whether it was paused."""
        return bool(self._question("resume", timeout, {"queue": _check_name(queue)}, repeat=True)["was_paused"])

    def purge(self, queue: str, *, timeout: float = ASK_S) -> int:
        """End all tasks of a queue that don't run, scheduled ones included, as REVOKED; return how many.

        What is sent to the queue meanwhile may be among them. `timeout` is for each 20,000.
        """
        return self._repeat("purge", None, timeout, {"queue": _check_name(queue)})

    def move(self, queue: str, to: str, limit: int | None = None, *, timeout: float = ASK_S) -> int:
        """Put tasks that don't run, the first `limit` or all, into another queue; return how many.

        They keep their ids, priorities and etas, and their order of arrival, also among those that are there already.
        `timeout` is for each 20,000.

        Raises:
            ValueError: `to` is the same queue, or `limit` isn't 1 or more.
        """
        if _check_name(to) == _check_name(queue):
            raise ValueError(f"expected another queue to move tasks to, got {to!r} itself")
        if limit is not None and limit < 1:
            raise ValueError(f"expected limit to be 1 or more, got {limit!r}")
        return self._repeat("move", limit, timeout, {"queue": queue, "to": to})

    def _repeat(self, verb: str, limit: int | None, timeout: float, names: dict[str, str]) -> int:
        """Ask until nothing is left to do: the hub does so many at a time."""
        count = 0
        while limit is None or count < limit:
            left = {} if limit is None else {"limit": limit - count}
            answer = self._question(verb, timeout, {**names, **left})
            count += answer["count"]
            if not answer["more"]:
                break
        return count

    def _question(
        self, verb: str, timeout: float, arguments: dict[str, Any], *, repeat: bool = False
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("queue", {"verb": verb, **arguments}, timeout, repeat=repeat)
        return answer


def _check_name(queue: object) -> str:
    if not isinstance(queue, str) or not queue:
        raise ValueError(f"expected the name of a queue, got {queue!r}")
    return queue


def _read(told: dict[str, Any]) -> WaitingTask:
    codec_id, body = told.pop("codec", None), told.pop("body", None)
    if codec_id is not None:
        try:
            told["args"], told["kwargs"] = decode_body(codec_id, body)
        except DecodeError:
            pass
    return WaitingTask(**told)
