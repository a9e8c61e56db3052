"""Every exception actorq raises, in one tree.

Bad arguments are `ValueError` or `TypeError`, raised where they were given; conditions of the running world are
`ActorqError`. Fields come first and the message is built from them, so a program never has to parse a text.

    ActorqError
    ├─ ConfigError                 a setting, an application or a component graph that can't be used (exit 3)
    │  ├─ SettingError             a setting's value doesn't fit; also a ValueError
    │  └─ PluginError              a plugin that can't be imported, isn't one, or has parts that can't be used
    ├─ BrokerUnavailable           nobody answered at the address that was tried (exit 69)
    ├─ QueueFull                   a bounded queue or outbox is at its bound
    ├─ StoreError
    │  ├─ StoreLocked              another process or another user owns the home (exit 4)
    │  ├─ StoreDamaged             the store lost something it had confirmed (exit 5)
    │  └─ StoreFull                no room on the disk; also a QueueFull
    ├─ EncodeError                 a value doesn't fit its serializer
    │  └─ MessageTooLarge          it is more than the setting message_max_bytes; also a DecodeError
    ├─ DecodeError                 bytes aren't what they claim to be
    │  └─ ContentDisallowed        their format is off where they were to be decoded
    ├─ ResultTimeout               also a TimeoutError
    ├─ ResultUnknown               the id was never accepted here
    ├─ TaskError                   how a task ended, seen from the caller
    │  ├─ RemoteError              the task raised an exception whose class isn't known here
    │  ├─ SlotLost                 the process that ran the task died
    │  ├─ NotRegistered            no task of that name
    │  ├─ TaskRevoked              cancelled or expired
    │  ├─ TaskIgnored              it raised Ignore: it has neither a result nor a failure
    │  ├─ ChordError               a task of a chord's header failed, so its body isn't run
    │  ├─ SoftTimeLimitExceeded    raised inside a task that runs longer than its soft limit
    │  ├─ TimeLimitExceeded        the task ran longer than its hard limit and was killed
    │  ├─ Ignore, Reject, Retry    raised by task code to steer its own outcome
    │  │  └─ Replace               an Ignore: something else runs in its place
    │  └─ MaxRetriesExceeded
    └─ ActorError
       ├─ ActorDead                also a pykka.ActorDeadError
       ├─ AskTimeout               also a pykka.Timeout
       ├─ MailboxFull
       ├─ WouldBlock               a blocking wait inside a shared loop, or inside a task
       ├─ AlreadyStarted           the name is taken
       ├─ NoGateway                an actor on another node, and nothing here that reaches it
       └─ Exit                     raise it to end an actor with a reason
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pykka

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.canvas import Signature

__all__ = [
    "ActorDead",
    "ActorError",
    "ActorqError",
    "AlreadyStarted",
    "AskTimeout",
    "BrokerUnavailable",
    "ChordError",
    "ConfigError",
    "ContentDisallowed",
    "DecodeError",
    "EncodeError",
    "Exit",
    "Ignore",
    "MailboxFull",
    "MaxRetriesExceeded",
    "MessageTooLarge",
    "NoGateway",
    "NotRegistered",
    "PluginError",
    "QueueFull",
    "Reject",
    "RemoteError",
    "Replace",
    "ResultTimeout",
    "ResultUnknown",
    "Retry",
    "SettingError",
    "SlotLost",
    "SoftTimeLimitExceeded",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "TaskError",
    "TaskIgnored",
    "TaskRevoked",
    "TimeLimitExceeded",
    "WouldBlock",
]


class ActorqError(Exception):
    """Base of every condition of the running world that actorq reports."""


class ConfigError(ActorqError):
    """A setting, an application or a component graph can't be used as given."""


class SettingError(ConfigError, ValueError):
    """A setting has a value that doesn't fit."""


class PluginError(ConfigError):
    """The plugin `plugin`, which came from `origin` (empty: not known), can't be used because of `problem`."""

    def __init__(self, plugin: str, origin: str, problem: str) -> None:
        self.plugin, self.origin, self.problem = plugin, origin, problem
        super().__init__(f"plugin {plugin!r}{f' ({origin})' if origin else ''}: {problem}")


class BrokerUnavailable(ActorqError):
    """Nobody answered at `address` within `waited_s` seconds; `went_away`: it was lost while it was being asked."""

    def __init__(
        self,
        address: str,
        waited_s: float,
        hint: str = "start one with: actorq node -A yourmodule",
        *,
        went_away: bool = False,
    ) -> None:
        self.address, self.waited_s, self.hint, self.went_away = address, waited_s, hint, went_away
        what = (
            f"the node at {address} went away after {waited_s:.1f} s, before it answered"
            if went_away
            else f"no node answered at {address} within {waited_s:.1f} s"
        )
        super().__init__(f"{what}; {hint}")


class QueueFull(ActorqError):
    """`queue` holds `limit` of `unit` and takes no more until some were taken away; `named` is what the text calls it."""

    def __init__(self, queue: str, limit: int, unit: str = "tasks", hint: str = "", *, named: str = "") -> None:
        self.queue, self.limit, self.unit = queue, limit, unit
        text = f"{named or queue} is full: it holds its limit of {limit} {unit}{'; ' + hint if hint else ''}"
        super().__init__(text)


class StoreError(ActorqError):
    """The durable store can't do what was asked."""


class StoreLocked(StoreError):
    """Another process, or another user, owns the home."""


class StoreDamaged(StoreError):
    """The store is not what was confirmed: opening it would silently lose work."""


class StoreFull(StoreError, QueueFull):
    """The disk under `path` has no room; what was confirmed is safe, new work is refused until there is room."""

    def __init__(self, path: str) -> None:
        self.path = path
        ActorqError.__init__(self, f"no space left on the disk under {path}; free some, refused work can be sent again")
        self.queue, self.limit, self.unit = path, 0, "bytes"


class EncodeError(ActorqError):
    """A value doesn't fit the serializer that was to carry it."""


class DecodeError(ActorqError):
    """Bytes are not what they claim to be, or their serializer is not allowed here."""


class ContentDisallowed(DecodeError):
    """Content of the format `content` was not decoded, because whoever was to do it accepts only `accepted`."""

    def __init__(self, content: str, accepted: Sequence[str]) -> None:
        self.content, self.accepted = content, tuple(accepted)
        super().__init__(
            f"expected content in a format that is accepted here ({', '.join(accepted) or 'none'}), got {content}; "
            "if its senders are trusted, add it to the setting accept_content of whoever decodes it"
        )


class MessageTooLarge(EncodeError, DecodeError):
    """`what` is `size` bytes (`is_at_least`: or more), and the setting `message_max_bytes` allows `limit`."""

    def __init__(self, what: str, size: int, limit: int, *, is_at_least: bool = False) -> None:
        self.what, self.size, self.limit = what, size, limit
        super().__init__(
            f"expected {what} of at most {limit} bytes, got {'at least ' * is_at_least}{size}; send a reference to the "
            "data instead, or raise the setting message_max_bytes at both ends"
        )


class ResultTimeout(ActorqError, TimeoutError):
    """No result of `task_id` within `timeout_s`; the message says what is known about the task."""

    def __init__(self, task_id: str, timeout_s: float, known: str) -> None:
        self.task_id, self.timeout_s, self.known = task_id, timeout_s, known
        super().__init__(f"no result of task {task_id} within {timeout_s:g} s: {known}")


class ResultUnknown(ActorqError):
    """The id `task_id` was never accepted in this home, or its result has expired; `what` is "task" or "group"."""

    def __init__(self, task_id: str, what: str = "task") -> None:
        self.task_id, self.what = task_id, what
        known = "accepted by this home, or its result" if what == "task" else "saved in this home, or it"
        super().__init__(f"{what} {task_id} is unknown here: never {known} has expired")


class TaskError(ActorqError):
    """How a task ended, seen from its caller."""


class RemoteError(TaskError):
    """The task raised `class_name`, which isn't known in this process; `traceback` is the original's text.

    `arguments` is the repr of the exception's `args`.
    """

    def __init__(self, class_name: str, message: str, traceback: str = "", arguments: str = "()") -> None:
        self.class_name, self.message, self.traceback, self.arguments = class_name, message, traceback, arguments
        super().__init__(f"{class_name}: {message}" if message else class_name)


class SlotLost(TaskError):
    """The process that ran the task died: `cause` names the signal or the exit code, `deliveries` how often.

    `acked_early`: it is a task with `acks_late=False`, which isn't run again once it has begun.
    """

    def __init__(self, task: str, cause: str, deliveries: int, *, acked_early: bool = False) -> None:
        self.task, self.cause, self.deliveries, self.acked_early = task, cause, deliveries, acked_early
        super().__init__(
            f"the process of {f'task {task}' if task else 'a task'} ended while it ran, by {cause}; it isn't run again, as acks_late=False says"
            if acked_early
            else f"task {task} ended its process {deliveries} times, the last by {cause}; it is a dead letter now"
        )


class NotRegistered(TaskError):
    """No task called `name` where it was to run."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"no task is registered as {name!r}; known here: {', '.join(known) or 'none'}")


class TaskRevoked(TaskError):
    """The task was cancelled, or expired before it could start."""


class ChordError(TaskError):
    """The body of a chord isn't run, because `task_id` of its header failed, the first to do so; why is this exception's cause."""

    def __init__(self, task_id: str, reason: str) -> None:
        self.task_id, self.reason = task_id, reason
        super().__init__(f"the body of a chord isn't run: task {task_id} of its header failed with {reason}")


class TaskIgnored(TaskError):
    """The task raised `Ignore`: it has neither a result nor a failure, but a `state`, and told `meta` with it."""

    def __init__(self, state: str = "IGNORED", meta: Any = None) -> None:
        self.state, self.meta = state, meta
        super().__init__(f"the task raised Ignore: it has neither a result nor a failure, its state is {state}")


class SoftTimeLimitExceeded(TaskError):
    """The run has taken longer than `limit_s`; raised inside the task, which may catch it and clean up."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        super().__init__(f"the task ran longer than its soft limit of {limit_s:g} s")


class TimeLimitExceeded(TaskError):
    """The run took longer than its hard limit of `limit_s`: it was ended as `end` says, and it isn't run again."""

    def __init__(self, limit_s: float, end: str = "its process was killed") -> None:
        self.limit_s = limit_s
        super().__init__(f"the task ran longer than its hard limit of {limit_s:g} s; {end}")


class Ignore(TaskError):
    """Raised by a task: it ends here, and wants neither a result nor a failure; whoever waits gets `TaskIgnored`."""


class Replace(Ignore):
    """Raised by `task.replace()`: the run ends, and `canvas`, a signature, takes the place of the task."""

    def __init__(self, canvas: Signature) -> None:
        self.canvas = canvas
        super().__init__(f"to be replaced by {canvas!r}")


class Reject(TaskError):
    """Raised by a task: it goes back to the end of its queue (`requeue=True`), or ends as REJECTED for `reason`."""

    def __init__(self, reason: Any = None, requeue: bool = False) -> None:
        self.reason, self.requeue = reason, requeue
        super().__init__(reason, requeue)


class Retry(TaskError):
    """Raised by `task.retry()`: run again at `due_at` (Unix seconds), because of `cause`.

    `arguments` is the `(args, kwargs)` of the next run; None: the same again. `expires` (Unix seconds) is its new expiry;
    None: the task's.
    """

    def __init__(
        self,
        message: str = "",
        cause: BaseException | None = None,
        due_at: float | None = None,
        arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None,
        expires: float | None = None,
    ) -> None:
        self.message, self.cause, self.due_at = message, cause, due_at
        self.arguments, self.expires = arguments, expires
        super().__init__(message)


class MaxRetriesExceeded(TaskError):
    """The task asked for one more retry than it may have."""


class ActorError(ActorqError):
    """Something about actors."""


class ActorDead(ActorError, pykka.ActorDeadError):
    """The actor has ended (`reason`), or never was."""

    def __init__(self, actor: str, reason: object = "noproc") -> None:
        self.actor, self.reason = actor, reason
        super().__init__(f"{actor} is not alive: {reason}")


class AskTimeout(ActorError, pykka.Timeout, TimeoutError):
    """No answer within the deadline of an ask."""

    def __init__(self, actor: str, timeout_s: float) -> None:
        self.actor, self.timeout_s = actor, timeout_s
        super().__init__(f"{actor} did not answer within {timeout_s:g} s")


class MailboxFull(ActorError):
    """The mailbox of `actor` holds its `capacity` and rejects more."""

    def __init__(self, actor: str, capacity: int) -> None:
        self.actor, self.capacity = actor, capacity
        super().__init__(f"the mailbox of {actor} is full: it holds its capacity of {capacity}")


class WouldBlock(ActorError, RuntimeError):
    """A blocking wait where it would stop others: in a shared loop, or inside a task."""


class AlreadyStarted(ActorError):
    """The name is taken by a living actor."""

    def __init__(self, name: str, ref: object = None) -> None:
        self.name, self.ref = name, ref
        super().__init__(f"the name {name!r} is taken by {ref}")


class NoGateway(ActorError):
    """The actor at `address` lives on another node, and this process has no gateway to reach it."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"expected a gateway to reach {address}, got none in this process; put one under a supervisor: "
            "ChildSpec('gateway', Gateway, kwargs={'folder': ...}, name='gateway') from actorq.transport.gateway"
        )


class Exit(ActorError):
    """Raise it inside an actor to end it with `reason` (Erlang's `exit/1`)."""

    def __init__(self, reason: object) -> None:
        self.reason = reason
        super().__init__(reason)
