"""Questions to the broker that wait for their answers, and callers that wait for a confirmation.

Both are filed by callers' threads and settled by the link's. Invariant: whoever waits here has a deadline.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.messages.wire import ASK, Ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.messages.wire import Answer

__all__ = ["Confirmations", "Question", "Questions"]

_encode: Final = msgspec.msgpack.Encoder().encode


class Question:
    """One ASK. `on_answer` runs in the link's thread; without it somebody waits on `lock`."""

    __slots__ = ("answer", "frame", "lock", "on_answer", "repeat", "request")

    def __init__(self, request: int, frame: bytes, on_answer: Callable[[Answer], None] | None, *, repeat: bool) -> None:
        self.request, self.frame, self.on_answer, self.repeat = request, frame, on_answer, repeat
        self.answer: Answer | None = None
        self.lock = threading.Lock()
        self.lock.acquire()


class Questions:
    """Open questions by request number. Dictionary and deque operations are atomic; there is no lock."""

    def __init__(self) -> None:
        self.to_send: deque[Question] = deque()
        self._open: dict[int, Question] = {}
        self._requests = itertools.count(1)

    def file(
        self,
        command: str,
        arguments: dict[str, Any],
        on_answer: Callable[[Answer], None] | None = None,
        *,
        repeat: bool = True,
    ) -> Question:
        """Put a question on the list. `repeat`: it may be asked again if the broker goes away before it answers."""
        request = next(self._requests)
        question = Question(request, ASK + _encode(Ask(request, command, arguments)), on_answer, repeat=repeat)
        self._open[request] = question
        self.to_send.append(question)
        return question

    def withdraw(self, question: Question) -> None:
        """Nobody waits for it any more."""
        self._open.pop(question.request, None)

    def is_open(self, question: Question) -> bool:
        """Return whether somebody still wants the answer."""
        return question.request in self._open

    def settle(self, answer: Answer) -> None:
        """Hand an answer to whoever asked."""
        question = self._open.pop(answer.request, None)
        if question is None:
            return
        question.answer = answer
        if question.on_answer is not None:
            question.on_answer(answer)
        question.lock.release()

    def restart(self) -> None:
        """After a lost connection: ask again what may be asked again, let the others go without an answer."""
        self.to_send.clear()
        for question in list(self._open.values()):
            if question.repeat:
                self.to_send.append(question)
            else:
                self.withdraw(question)
                question.lock.release()

    def __bool__(self) -> bool:
        return bool(self._open)


class _Confirmation:
    __slots__ = ("error", "lock", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.error: Exception | None = None
        self.lock = threading.Lock()
        self.lock.acquire()


class Confirmations:
    """Callers that wait until a number is committed."""

    def __init__(self) -> None:
        self._waiting: list[_Confirmation] = []
        self._lock = threading.Lock()

    def wait(self, number: int, timeout_s: float, is_confirmed: Callable[[], bool]) -> bool:
        """Wait until `number` is confirmed; False after `timeout_s`.

        Raises:
            QueueFull, StoreFull, BrokerUnavailable: as the broker refused it.
        """
        mine = _Confirmation(number)
        with self._lock:
            if is_confirmed():
                return True
            self._waiting.append(mine)
        try:
            mine.lock.acquire(timeout=timeout_s)
        finally:
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
        if mine.error is not None:
            raise mine.error
        return is_confirmed()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def confirm(self, number: int) -> None:
        """Let those go on who wait for a number up to this one."""
        self._release([each for each in self._waiting if each.number <= number], None)

    def refuse(self, number: int, error: Exception) -> None:
        """Let those who wait for this number or a later one raise `error`."""
        self._release([each for each in self._waiting if each.number >= number], error)

    def _release(self, released: list[_Confirmation], error: Exception | None) -> None:
        if not released:
            return
        with self._lock:
            for each in released:
                if each in self._waiting:
                    self._waiting.remove(each)
                    each.error = error
                    each.lock.release()
