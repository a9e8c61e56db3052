"""actorq: a task queue for Python that is an actor runtime inside."""

from actorq.app import App
from actorq.codec import register_exception
from actorq.errors import (
    ActorqError,
    BrokerUnavailable,
    ConfigError,
    DecodeError,
    EncodeError,
    Ignore,
    MaxRetriesExceeded,
    NotRegistered,
    PluginError,
    QueueFull,
    Reject,
    RemoteError,
    ResultTimeout,
    ResultUnknown,
    Retry,
    SlotLost,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    TaskError,
    TaskRevoked,
    WouldBlock,
)
from actorq.plugins import Plugin
from actorq.results import AsyncResult
from actorq.tasks import Request, Task, current_request
from actorq.version import __version__

__all__ = [
    "ActorqError",
    "App",
    "AsyncResult",
    "BrokerUnavailable",
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "Ignore",
    "MaxRetriesExceeded",
    "NotRegistered",
    "Plugin",
    "PluginError",
    "QueueFull",
    "Reject",
    "RemoteError",
    "Request",
    "ResultTimeout",
    "ResultUnknown",
    "Retry",
    "SlotLost",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "Task",
    "TaskError",
    "TaskRevoked",
    "WouldBlock",
    "__version__",
    "current_request",
    "register_exception",
]
