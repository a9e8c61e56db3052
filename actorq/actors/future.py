"""What an ask returns: a Pykka future that always has a deadline and never stops a shared loop.

Waiting is one plain lock that the first answer releases, where Pykka's own future uses a condition: an ask is two thread
switches, and everything beside them shows.
"""

from __future__ import annotations

import queue
import sys
import time
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Final

import pykka

from actorq.actors.context import guard_blocking, here
from actorq.errors import AskTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.loop import Loop

__all__ = ["ASK_TIMEOUT_S", "Future"]

ASK_TIMEOUT_S: Final = 5.0  # as OTP's gen_server:call; whoever needs longer says so


class Future(pykka.Future[Any]):
    """`get()` waits until the deadline of its ask (counted from the ask), or `timeout` seconds from now."""

    def __init__(self, actor: str = "actor", timeout_s: float = ASK_TIMEOUT_S, loop: Loop | None = None) -> None:
        super().__init__()
        self._actor, self._timeout_s, self._loop = actor, timeout_s, loop
        self._deadline = time.monotonic() + timeout_s
        self._claim = allocate_lock()  # taken by the first to answer
        self._answered = allocate_lock()  # held until there is an answer
        self._answered.acquire()
        self._is_set = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._traceback: Any = None

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value or raise the exception the actor answered with.

        Raises:
            AskTimeout: nothing came in time.
            WouldBlock: nothing has come yet and waiting here would stop others.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self._is_set:
            if here.loop is not None:
                guard_blocking(f"waiting for an answer of {self._actor}", self._loop)
            self._wait(timeout)
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)
        return self._value

    def _wait(self, timeout: float | None) -> None:
        wait_s = self._deadline - time.monotonic() if timeout is None else timeout
        if self._answered.acquire(timeout=max(0.0, wait_s)):
            self._answered.release()  # for the next one who waits
        else:
            raise AskTimeout(self._actor, self._timeout_s if timeout is None else timeout)

    def set(self, value: Any | None = None) -> None:
        """Answer.

        Raises:
            queue.Full: there is an answer already.
        """
        self._take_claim()
        self._value = value
        self._is_set = True
        self._answered.release()

    def set_exception(self, exc_info: Any = None) -> None:
        """Answer with an exception: the one being handled, or the second of a triple as of `sys.exc_info()`.

        Raises:
            queue.Full: there is an answer already.
        """
        kind, error, traceback = sys.exc_info() if exc_info is None else exc_info
        self._take_claim()
        self._error = kind() if error is None and kind is not None else error
        self._traceback = traceback
        self._is_set = True
        self._answered.release()

    def set_get_hook(self, func: Callable[[float | None], Any]) -> None:
        """Let `get` call `func(timeout)`.

        Raises:
            queue.Full: there is an answer already.
        """
        self._take_claim()
        super().set_get_hook(func)

    def _take_claim(self) -> None:
        if not self._claim.acquire(blocking=False):
            raise queue.Full
