"""The sessions of queues with a bound: each has an outbox of its own, so that what a full queue keeps waiting is nobody else's.

Outboxes are numbered and taken in order, so a task that the hub refuses holds up what was sent after it: here that is nothing
but more of the same queue. Invariant: a queue has one session at a time in a process.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actorq.client.session import Session
    from actorq.queue_rules import QueueRule

__all__ = ["CarriedSessions"]


class CarriedSessions:
    """Makes sessions by `make(queue)` as they are needed."""

    def __init__(self, make: Callable[[str], Session]) -> None:
        self._make = make
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def admit(self, queue: str, rule: QueueRule) -> Session:
        """Return the session for a task of this queue; before, wait or raise where the queue is full and so wants it.

        Raises:
            QueueFull: see `Session.admit`.
        """
        session = self._sessions.get(queue) or self._open(queue)
        session.admit(rule)
        return session

    def find(self, task_id: str) -> Session | None:
        """Return the session that sent a task; None: it is none of these."""
        return next((session for session in self if session.find_key(task_id) != task_id), None)

    def close(self, timeout_s: float) -> None:
        """Close all of them; see `Session.close`."""
        with self._lock:
            sessions, self._sessions = self._sessions, {}
        for queue, session in sessions.items():
            session.close(timeout_s, functools.partial(self._open, queue))

    def abandon(self) -> None:
        """In a forked child: these are the parent's, and so is their lock."""
        sessions, self._sessions, self._lock = self._sessions, {}, threading.Lock()
        for queue, session in sessions.items():
            session.abandon(functools.partial(self._open, queue))

    def _open(self, queue: str) -> Session:
        with self._lock:
            if queue not in self._sessions:
                self._sessions[queue] = self._make(queue)
            return self._sessions[queue]
