"""The states of a task by name, as users import them: `from actorq.states import SUCCESS`."""

from actorq.messages.states import (
    ALL_STATES,
    FAILURE,
    IGNORED,
    PENDING,
    READY_STATES,
    RECEIVED,
    REJECTED,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    UNKNOWN,
    UNREADY_STATES,
)

__all__ = [
    "ALL_STATES",
    "FAILURE",
    "IGNORED",
    "PENDING",
    "READY_STATES",
    "RECEIVED",
    "REJECTED",
    "RETRY",
    "REVOKED",
    "STARTED",
    "SUCCESS",
    "UNKNOWN",
    "UNREADY_STATES",
]
