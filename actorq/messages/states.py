"""The states of a task, by Celery's names, and their numbers on the wire and in the store."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ALL_STATES",
    "FAILURE",
    "IGNORED",
    "NAMES",
    "NUMBERS",
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

PENDING: Final = "PENDING"
RECEIVED: Final = "RECEIVED"
STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
REJECTED: Final = "REJECTED"
IGNORED: Final = "IGNORED"  # the task wanted neither result nor failure to be kept: it raised Ignore
UNKNOWN: Final = "UNKNOWN"  # the id was never accepted; Celery has no such state and says PENDING

NAMES: Final = (
    PENDING,
    RECEIVED,
    STARTED,
    RETRY,
    SUCCESS,
    FAILURE,
    REVOKED,
    REJECTED,
    UNKNOWN,
    IGNORED,
)  # new ones at the end
NUMBERS: Final = {name: number for number, name in enumerate(NAMES)}
READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED, REJECTED, IGNORED})
UNREADY_STATES: Final = frozenset({PENDING, RECEIVED, STARTED, RETRY})
ALL_STATES: Final = READY_STATES | UNREADY_STATES | {UNKNOWN}
