"""What a user does about dead letters: tasks that ended their process too often, kept with what is known of their end.

`app.dead_letters` is one of these. Invariant: nothing is kept here; every call asks the hub, so what it says is what the
store has at that moment.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.client.task_ids import check_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["DeadLetter", "DeadLetters", "Handled"]

ASK_S: Final = 5.0
PAGE: Final = 100  # letters in one answer; the hub gives no more
CHUNK: Final = 500  # ids in one question; the hub takes 1,000


class DeadLetter(msgspec.Struct, frozen=True):
    """A task that was given up.

    `alias` is the id its caller chose, if any. `cause` reads like "SIGSEGV" or "exit code 3", `signal` is its name where it
    was one. `deliveries` says how many runs ended their process, `retries` how often the task itself had asked for another.
    `sent_at` and `died_at` are Unix seconds. `traceback` is what the last process could still say, often nothing.
    """

    id: str
    alias: str | None
    task: str
    queue: str
    priority: int
    cause: str
    signal: str | None
    deliveries: int
    retries: int
    sent_at: float | None
    died_at: float
    traceback: str


class Handled(msgspec.Struct, frozen=True):
    """How many dead letters were requeued or purged, and which of the ids given are none (any more)."""

    count: int
    unknown: tuple[str, ...] = ()


class DeadLetters:
    """The dead letters of a home; `ask(command, arguments, timeout, repeat=)` asks its hub.

    `let_go(id)` drops a result that has come and that nobody has taken yet.

    Every method raises `BrokerUnavailable` where no node answers within `timeout` seconds. A requeue or a purge that a hub
    took along when it went isn't asked again by itself: it may have happened.
    """

    def __init__(self, ask: Callable[..., Any], let_go: Callable[[str], object] = str) -> None:
        self._ask, self._let_go = ask, let_go

    def list(self, limit: int = PAGE, offset: int = 0, *, timeout: float = ASK_S) -> Sequence[DeadLetter]:
        """Return up to `limit` dead letters, newest first, after the `offset` newest.

        Raises:
            ValueError: `limit` or `offset` is negative.
        """
        if limit < 0 or offset < 0:
            raise ValueError(f"expected limit and offset to be 0 or more, got {limit!r} and {offset!r}")
        found: list[DeadLetter] = []
        while len(found) < limit:
            wanted = min(PAGE, limit - len(found))
            page = self._question("list", timeout, limit=wanted, offset=offset + len(found))["letters"]
            found += [DeadLetter(**letter) for letter in page]
            if len(page) < wanted:
                break
        return found

    def count(self, *, timeout: float = ASK_S) -> int:
        """Return how many there are."""
        return int(self._question("list", timeout, limit=1)["total"])

    def find(self, task_id: str, *, timeout: float = ASK_S) -> DeadLetter | None:
        """Return the dead letter of a task, by its id or by the one its caller chose; None: it is none."""
        letters = self._question("show", timeout, ids=[task_id])["letters"]
        return DeadLetter(**letters[0]) if letters else None

    def requeue(self, ids: Iterable[str], *, timeout: float = ASK_S) -> Handled:
        """Make dead letters tasks again: ready at once, behind those that wait, with no deliveries counted.

        Their ids stay, the failure is forgotten, and whoever asks for the result waits for the new one.
        """
        wanted = check_ids(ids)
        for task_id in wanted:
            self._let_go(task_id)
        return self._handle("requeue", wanted, timeout)

    def purge(self, ids: Iterable[str] | None = None, *, timeout: float = ASK_S) -> Handled:
        """Drop dead letters for good; without `ids` all of them. How they failed stays known until their results expire."""
        if ids is None:
            return Handled(self._question("purge", timeout)["count"])
        return self._handle("purge", check_ids(ids), timeout)

    def _handle(self, verb: str, ids: Iterable[str], timeout: float) -> Handled:
        count, unknown, rest = 0, [], iter(ids)
        while chunk := [*islice(rest, CHUNK)]:
            answer = self._question(verb, timeout, ids=chunk)
            count += answer["count"]
            unknown += answer["unknown"]
        return Handled(count, tuple(unknown))

    def _question(self, verb: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        is_harmless = verb in ("list", "show")
        answer: dict[str, Any] = self._ask("dead", {"verb": verb, **arguments}, timeout, repeat=is_harmless)
        return answer
