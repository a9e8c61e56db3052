"""actorq: a task queue for Python that is an actor runtime inside.

Who only sends tasks never needs a node of its own, nor the rooms of actors and supervisors, which take half as long to load as all the rest; nor
workflows. Their names are looked up there when somebody asks for one; what comes is the thing itself, and is kept.
"""

from typing import TYPE_CHECKING, Any, Final

from actorq.app import App
from actorq.codec import register_exception
from actorq.errors import (
    ActorDead,
    ActorError,
    ActorqError,
    AlreadyStarted,
    AskTimeout,
    BrokerUnavailable,
    ChordError,
    ConfigError,
    ContentDisallowed,
    DecodeError,
    EncodeError,
    Exit,
    Ignore,
    MailboxFull,
    MaxRetriesExceeded,
    MessageTooLarge,
    NotRegistered,
    PluginError,
    QueueFull,
    Reject,
    RemoteError,
    ResultTimeout,
    ResultUnknown,
    Retry,
    SettingError,
    SlotLost,
    SoftTimeLimitExceeded,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    TaskError,
    TaskIgnored,
    TaskRevoked,
    TimeLimitExceeded,
    WouldBlock,
)
from actorq.messages.secret import Secret
from actorq.plugins import Plugin
from actorq.results import AsyncResult
from actorq.tasks import Request, Task, current_request, current_task
from actorq.version import __version__

if TYPE_CHECKING:
    from actorq.actors import Actor, ActorRef, NameRef, Outcome, Refusal, Reply, System
    from actorq.canvas import Signature, chain, chord, chunks, group, signature
    from actorq.embedded import Node
    from actorq.group_result import GroupResult, result_from_tuple
    from actorq.result_set import ResultSet
    from actorq.supervisor import Backoff, ChildSpec, Component, DynamicSupervisor, SpecError, Supervisor

__all__ = [
    "Actor",
    "ActorDead",
    "ActorError",
    "ActorRef",
    "ActorqError",
    "AlreadyStarted",
    "App",
    "AskTimeout",
    "AsyncResult",
    "Backoff",
    "BrokerUnavailable",
    "ChildSpec",
    "ChordError",
    "Component",
    "ConfigError",
    "ContentDisallowed",
    "DecodeError",
    "DynamicSupervisor",
    "EncodeError",
    "Exit",
    "GroupResult",
    "Ignore",
    "MailboxFull",
    "MaxRetriesExceeded",
    "MessageTooLarge",
    "NameRef",
    "Node",
    "NotRegistered",
    "Outcome",
    "Plugin",
    "PluginError",
    "QueueFull",
    "Refusal",
    "Reject",
    "RemoteError",
    "Reply",
    "Request",
    "ResultSet",
    "ResultTimeout",
    "ResultUnknown",
    "Retry",
    "Secret",
    "SettingError",
    "Signature",
    "SlotLost",
    "SoftTimeLimitExceeded",
    "SpecError",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "Supervisor",
    "System",
    "Task",
    "TaskError",
    "TaskIgnored",
    "TaskRevoked",
    "TimeLimitExceeded",
    "WouldBlock",
    "__version__",
    "chain",
    "chord",
    "chunks",
    "current_request",
    "current_task",
    "group",
    "register_exception",
    "result_from_tuple",
    "signature",
]

_ROOMS: Final = {
    "actorq.embedded": frozenset(["Node"]),
    "actorq.actors": frozenset(["Actor", "ActorRef", "NameRef", "Outcome", "Refusal", "Reply", "System"]),
    "actorq.canvas": frozenset(["Signature", "chain", "chord", "chunks", "group", "signature"]),
    "actorq.group_result": frozenset(["GroupResult", "result_from_tuple"]),
    "actorq.result_set": frozenset(["ResultSet"]),
    "actorq.supervisor": frozenset(
        ["Backoff", "ChildSpec", "Component", "DynamicSupervisor", "SpecError", "Supervisor"]
    ),
}

if not TYPE_CHECKING:  # a type checker would take any misspelt name for granted

    def __getattr__(name: str) -> Any:
        for room, names in _ROOMS.items():
            if name in names:
                from importlib import import_module  # noqa: PLC0415  on the way of nobody else

                found = globals()[name] = getattr(import_module(room), name)
                return found
        raise AttributeError(f"module 'actorq' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
