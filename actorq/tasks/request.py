"""The request that task code runs for: who it is, how often it ran, where it came from.

Kept in a context variable, so it is right in threads and coroutines, too. Most tasks never look at it: what costs
anything is computed when it is asked for.
"""

from __future__ import annotations

import datetime
import os
from contextvars import ContextVar, Token
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from actorq.codec.serializers import CODEC_NAMES
from actorq.messages.ids import format_task_id, new_outbox_id
from actorq.messages.task import FLAG_IGNORE_RESULT, Delivery, TaskMessage
from actorq.tasks.masks import show_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actorq.messages.updates import Update
    from actorq.tasks.task import Task

__all__ = ["NESTING", "Request", "current", "current_request", "current_task", "pop_request", "push_request"]

NESTING: Final = "replaced_task_nesting"  # the header
MAX_CHILDREN: Final = 1_000  # of one run; bounds what is stored with its result


class Request:
    """One run of a task. Names are Celery's; times are aware datetimes in UTC."""

    _update: Update
    __slots__ = (
        "_id",
        "_owner",
        "_update",  # by `actorq.tasks.updates`; not there before the first
        "args",
        "called_directly",
        "children",
        "deliveries",
        "hostname",
        "in_slot",
        "is_eager",
        "kwargs",
        "message",
        "outbox_id",
        "pid",
    )

    def __init__(  # noqa: PLR0917  by position is twice as fast as by name, and every run pays for it
        self,
        message: TaskMessage,
        task_id: str | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        outbox_id: int = 0,
        deliveries: int = 0,
        hostname: str = "",
        pid: int = 0,
        in_slot: bool = False,
        *,
        is_eager: bool = False,
        called_directly: bool = False,
    ) -> None:
        """Keep it all; `task_id` None means: as the message and its outbox say."""
        # One statement each: a tuple of targets costs more, and this is paid for every task.
        self.message = message
        self._id = task_id
        self.args = args
        self.kwargs = kwargs
        self.outbox_id = outbox_id
        self.deliveries = deliveries
        self.hostname = hostname
        self.pid = pid
        self.in_slot = in_slot
        self.is_eager = is_eager
        self.called_directly = called_directly
        self.children: list[Any] | None = None  # results of what was sent during the run; most send nothing

    @classmethod
    def from_delivery(cls, delivery: Delivery, hostname: str, pid: int) -> Request:
        """Return the request of a delivery that a slot is about to run; `run_delivery` adds the arguments."""
        return cls(delivery.message, None, (), {}, delivery.outbox_id, delivery.deliveries, hostname, pid, True)

    @classmethod
    def make_local(
        cls,
        task: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        eager: bool = False,
        retries: int = 0,
        headers: dict[str, Any] | None = None,
    ) -> Request:
        """Return a request for a run in this process: a direct call, or `apply` (eager)."""
        outer = current.get()
        message = TaskMessage(0, task, b"", retries=retries, headers=headers)
        return cls(
            message,
            format_task_id(new_outbox_id(), 0) if eager else "",
            args,
            kwargs,
            hostname=os.uname().nodename,
            pid=os.getpid(),
            is_eager=eager,
            called_directly=not eager,
            in_slot=outer is not None and outer.in_slot,
        )

    def add_children(self, results: Iterable[Any]) -> None:
        """Remember tasks that were sent during this run, up to `MAX_CHILDREN`."""
        known = self.children = [] if self.children is None else self.children
        known.extend(islice(results, MAX_CHILDREN - len(known)))

    def list_children(self) -> list[str]:
        """Return the ids of these tasks."""
        return [child.id for child in self.children or ()]

    @property
    def id(self) -> str:
        """The task's id: what its caller chose, or else its place in its outbox."""
        if self._id is None:
            self._id = self.message.alias or format_task_id(self.outbox_id, self.message.number)
        return self._id

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.message.task

    @property
    def retries(self) -> int:
        """How many runs the task itself asked for before this one."""
        return self.message.retries

    @property
    def eta(self) -> datetime.datetime | None:
        """The time before which it may not start."""
        return _as_datetime(self.message.eta)

    @property
    def expires(self) -> datetime.datetime | None:
        """The time after which it doesn't start any more."""
        return _as_datetime(self.message.expires)

    @property
    def root_id(self) -> str:
        """The id of the first task of this line of calls; its own where it is the first."""
        return self.message.root or self.id

    @property
    def parent_id(self) -> str | None:
        """The id of the task that sent this one."""
        return self.message.parent or None

    @property
    def argsrepr(self) -> str:
        """What may be shown of its positional arguments."""
        return self._show()[0]

    @property
    def kwargsrepr(self) -> str:
        """What may be shown of its named arguments."""
        return self._show()[1]

    @property
    def shadow(self) -> str | None:
        """The name that its caller wants shown instead of the task's."""
        return self.headers.get("shadow")

    def _show(self) -> tuple[str, str]:
        task = self.owner
        redact, body = (task.redact, task.body) if task is not None else ((), None)
        return show_arguments(self.args, self.kwargs, self.message.headers, redact, body)

    @property
    def correlation_id(self) -> str:
        """The same as `id`, by its AMQP name."""
        return self.id

    @property
    def origin(self) -> str:
        """Who sent it: the outbox, which is one process's alone, and its machine."""
        return f"{self.reply_to}@{os.uname().nodename}"

    @property
    def reply_to(self) -> str:
        """Where its result is told: the outbox it was sent from, by the digits that its tasks' own ids begin with."""
        return format_task_id(self.outbox_id, 0).partition("-")[0]

    @property
    def properties(self) -> dict[str, Any]:
        """What AMQP would call the properties of its message."""
        return {
            "correlation_id": self.id,
            "reply_to": self.reply_to,
            "content_type": CODEC_NAMES[self.message.codec_id],
            "priority": self.message.priority,
            "delivery_mode": 2,  # AMQP's number for messages that survive the broker
            "delivery_info": self.delivery_info,
        }

    @property
    def replaced_task_nesting(self) -> int:
        """How often a task before it has replaced itself."""
        return int(self.headers.get(NESTING, 0))

    # Workflows aren't there yet: nothing comes after a task, and none belongs to others.
    group = group_index = chord = chain = callbacks = errbacks = None

    @property
    def timelimit(self) -> tuple[float | None, float | None]:
        """`(hard, soft)` in seconds, in Celery's order."""
        soft_s, hard_s = self.message.limits or (None, None)
        return hard_s, soft_s

    @property
    def ignore_result(self) -> bool:
        """Whether the result is thrown away."""
        return bool(self.message.flags & FLAG_IGNORE_RESULT)

    @property
    def headers(self) -> Mapping[str, Any]:
        """What its caller, or plugins of its caller, sent along."""
        return self.message.headers or {}

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Queue, priority, and whether an earlier delivery failed."""
        return {
            "queue": self.message.queue,
            "priority": self.message.priority,
            "redelivered": self.deliveries > 0,
            "deliveries": self.deliveries,
        }

    @property
    def owner(self) -> Task[..., Any] | None:
        """The task whose run this is; None before the run has begun."""
        return getattr(self, "_owner", None)

    @owner.setter
    def owner(self, task: Task[..., Any]) -> None:
        self._owner = task

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field by its name, `default` where there is none of that name."""
        return default if name.startswith("_") else getattr(self, name, default)

    def __repr__(self) -> str:
        return f"<Request {self.task} {self.id or 'called directly'}>"


current: Final[ContextVar[Request | None]] = ContextVar("actorq_request", default=None)


def current_request() -> Request | None:
    """Return the request that this code runs for, or None outside of a task."""
    return current.get()


def current_task() -> Task[..., Any] | None:
    """Return the task that this code is a run of, or None outside of a task."""
    request = current.get()
    return None if request is None else request.owner


def push_request(request: Request) -> Token[Request | None]:
    """Make `request` the current one; give the token to `pop_request`."""
    return current.set(request)


def pop_request(token: Token[Request | None]) -> None:
    """Bring back the request that was current before."""
    current.reset(token)


def _as_datetime(at: float | None) -> datetime.datetime | None:
    return None if at is None else datetime.datetime.fromtimestamp(at, datetime.UTC)
