"""What an ask returns: a Pykka future that always has a deadline and never stops a shared loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pykka

from actorq.actors.context import guard_blocking, here
from actorq.errors import AskTimeout

if TYPE_CHECKING:
    from actorq.actors.loop import Loop

__all__ = ["ASK_TIMEOUT_S", "Future"]

ASK_TIMEOUT_S: Final = 5.0  # as OTP's gen_server:call; whoever needs longer says so


class Future(pykka.ThreadingFuture[Any]):
    """`get()` waits until the deadline of its ask (counted from the ask), or `timeout` seconds from now."""

    def __init__(self, actor: str = "actor", timeout_s: float = ASK_TIMEOUT_S, loop: Loop | None = None) -> None:
        super().__init__()
        self._actor, self._timeout_s, self._loop = actor, timeout_s, loop
        self._deadline = time.monotonic() + timeout_s

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value or raise the exception the actor answered with.

        Raises:
            AskTimeout: nothing came in time.
            WouldBlock: nothing has come yet and waiting here would stop others.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if self._result is None:
            if here.loop is not None:
                guard_blocking(f"waiting for an answer of {self._actor}", self._loop)
            self._wait(timeout)
        return super().get(timeout=0)

    def _wait(self, timeout: float | None) -> None:
        deadline = self._deadline if timeout is None else time.monotonic() + timeout
        with self._condition:
            while self._result is None:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._condition.wait(remaining):
                    if self._result is not None:
                        return
                    raise AskTimeout(self._actor, self._timeout_s if timeout is None else timeout)
