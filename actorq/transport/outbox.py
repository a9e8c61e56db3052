"""What waits to be sent to one node, and the asks that wait for its answers.

Any thread puts, the gateway's loop takes; everything that goes to a node goes through here, so what one sender does stays in
its order (R34). Messages are bounded, by number and by bytes; what the kernel owes (answers, news of ends) isn't, for it is
bounded by what was asked and watched.

Invariant: what was put is taken, or comes back from `drain`; an ask is answered once, by an answer, by `expire` or by
`drain`. Both sides work under one lock, so nothing falls between them.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from actorq.errors import MailboxFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.outcome import ReplyTo
    from actorq.transport import envelope

__all__ = ["CAPACITY", "CAPACITY_BYTES", "Drained", "Errand", "Letter", "Outbox", "Pending"]

CAPACITY: Final = 10_000  # messages that may wait for one node
CAPACITY_BYTES: Final = 64 * 1024 * 1024


class Errand(Protocol):
    """Something to do at its turn among what is sent; in the gateway's loop."""

    def run(self, peer: Any) -> list[envelope.Item]:
        """Return what to send for it."""
        ...

    def lose(self) -> None:
        """Take note that the node is lost."""
        ...


class Pending:
    """Somebody waits for an answer until `deadline` (monotonic seconds)."""

    __slots__ = ("deadline", "label", "reply_to", "timeout_s")

    def __init__(self, label: str, reply_to: ReplyTo, timeout_s: float, deadline: float) -> None:
        self.label, self.reply_to, self.timeout_s, self.deadline = label, reply_to, timeout_s, deadline


class Letter:
    """One thing on its way: an item or an errand, how many bytes, and of what type the message was."""

    __slots__ = ("content", "message_type", "size")

    def __init__(self, content: envelope.Item | Errand, size: int = 0, message_type: str = "") -> None:
        self.content, self.size, self.message_type = content, size, message_type


Drained: TypeAlias = tuple[list[Letter], list[Pending]]


class Outbox:
    """See the module. `wake` is called, in the putter's thread, when something is here that the gateway doesn't know of."""

    def __init__(self, node: str, wake: Callable[[str], None]) -> None:
        self.node = node
        self.pending: dict[int, Pending] = {}
        self.closed = False
        self.rejected = 0
        self._wake = wake
        self._lock = threading.RLock()  # reentrant: the garbage collector may run somebody's `__del__` under it
        self._letters: deque[Letter] = deque()
        self._bytes = 0
        self._known = False

    def __len__(self) -> int:
        return len(self._letters)

    def put(self, letter: Letter, number: int = 0, pending: Pending | None = None) -> bool:
        """Add a message, and who waits for its answer; return whether it was taken: nothing is after `close`.

        Raises:
            MailboxFull: too much waits already.
        """
        with self._lock:
            if self.closed:
                return False
            if len(self._letters) >= CAPACITY or self._bytes >= CAPACITY_BYTES or len(self.pending) >= CAPACITY:
                self.rejected += 1
                raise MailboxFull(f"the way to node {self.node}", CAPACITY)
            if pending is not None:
                self.pending[number] = pending
            self._letters.append(letter)
            self._bytes += letter.size
            known, self._known = self._known, True
        if not known:
            self._wake(self.node)
        return True

    def put_always(self, letter: Letter) -> bool:
        """Add what the kernel owes; return whether it was taken."""
        with self._lock:
            if self.closed:
                return False
            self._letters.append(letter)
            self._bytes += letter.size
            known, self._known = self._known, True
        if not known:
            self._wake(self.node)
        return True

    def take(self, most: int, most_bytes: int) -> list[Letter]:
        """Return what goes into one frame; where nothing is left, the next `put` wakes again."""
        letters = self._letters
        taken: list[Letter] = []
        size = 0
        with self._lock:
            while letters and len(taken) < most and (not taken or size + letters[0].size <= most_bytes):
                letter = letters.popleft()
                size += letter.size
                taken.append(letter)
            self._bytes -= size
            if not taken:
                self._known = False
        return taken

    def answered(self, number: int) -> Pending | None:
        """Return who waits for the answer of that number, once."""
        return self.pending.pop(number, None)

    def expire(self, now: float) -> list[Pending]:
        """Return those who have waited long enough; they are forgotten here."""
        with self._lock:
            late = [number for number, pending in self.pending.items() if pending.deadline <= now]
            return [pending for number in late if (pending := self.pending.pop(number, None))]

    def drain(self, *, close: bool = False) -> Drained:
        """Return all that is here, because the node is lost; with `close`, nothing is taken any more."""
        with self._lock:
            letters, pending = list(self._letters), list(self.pending.values())
            self._letters.clear()
            self.pending.clear()
            self._bytes = 0
            self._known = False
            self.closed = self.closed or close
        return letters, pending
