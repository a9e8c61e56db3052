"""The slot's second voice: tells the broker what running tasks say of themselves.

A slot's loop can't: while a task runs, it waits. So there is a thread, with a connection of its own to whoever is the broker
now. It starts with the first update of the process; a slot whose tasks say nothing has neither.

Invariant: whoever calls `tell` isn't held up, whatever becomes of the broker, and never touches a socket.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.log import get_logger
from actorq.messages.wire import UPDATES, Updates
from actorq.slot.pending import PendingUpdates
from actorq.slot.session import BrokerSession

if TYPE_CHECKING:
    from actorq.messages.updates import Update
    from actorq.transport.paths import Home

__all__ = ["Teller"]

MAX_WAIT_MS: Final = 50  # between two looks while there is something to tell and nobody to tell it
ROLE: Final = "teller"

_encode: Final = msgspec.msgpack.Encoder().encode
_left_behind: Final[list[object]] = []  # a parent's connection: collecting it in a child would touch its sockets

log: Final = get_logger(__name__)


class Teller:
    """One for each slot process; `tell` may be called from any thread."""

    def __init__(self, home: Home, slot: str, node: str) -> None:
        self._home, self._slot, self._node = home, slot, node
        self._session: BrokerSession | None = None
        self._reset()

    def _reset(self) -> None:
        self._pending = PendingUpdates()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, update: Update) -> None:
        """Have the broker told, soon; an update that comes after it may take its place."""
        with self._lock:
            is_news = not self._pending
            self._pending.add(update)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="actorq-teller", daemon=True)
                self._thread.start()
        if is_news:
            self._news.set()

    def abandon(self) -> None:
        """In a forked child: neither the thread nor the connection is here; the next update makes others."""
        _left_behind.append(self._session)
        self._session = None
        self._reset()

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        session = self._session = BrokerSession(self._home, self._slot, self._node, role=ROLE)
        while True:
            self._news.wait()
            self._news.clear()
            while self._pending:
                try:
                    self._turn(session)
                except Exception as error:
                    log.exception("updates_not_told", slot=self._slot, why=str(error))
                    session.lose("an error")
                    time.sleep(MAX_WAIT_MS / 1e3)

    def _turn(self, session: BrokerSession) -> None:
        now_ns = time.monotonic_ns()
        session.look(now_ns)
        if not session.is_joined:
            session.wait(to_send=False, timeout_ms=MAX_WAIT_MS)
            return
        wait_ns = self._pending.plan_wait_ns(now_ns)
        if wait_ns:
            time.sleep(wait_ns / 1e9)
            return
        with self._lock:
            updates = self._pending.take(now_ns)
        if not session.send(UPDATES + _encode(Updates(self._slot, updates))):
            with self._lock:
                self._pending.put_back(updates)
            time.sleep(MAX_WAIT_MS / 1e3)
