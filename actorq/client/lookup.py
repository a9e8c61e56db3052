"""End the wait for tasks that the broker doesn't know at all: forgotten, expired, or never accepted by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.client.orphans import holds
from actorq.messages.ids import format_task_id, parse_task_id
from actorq.messages.states import NUMBERS, UNKNOWN
from actorq.messages.task import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.client.inbox import Inbox
    from actorq.client.outbox import Outbox
    from actorq.client.questions import Questions
    from actorq.messages.wire import Answer

__all__ = ["ask_about"]

MOST: Final = 1_000  # ids in one question


def ask_about(keys: Sequence[int | str], outbox: Outbox, inbox: Inbox, questions: Questions) -> None:
    """Ask the broker for the states of these tasks, and end the wait for those it doesn't know.

    Our own that aren't confirmed are left out: the broker can't know them yet. So is what lies in another outbox of
    this home: it was accepted, only not by the broker.
    """
    asked = [key for key in keys if isinstance(key, str) or key <= outbox.confirmed]
    for start in range(0, len(asked), MOST):
        _ask_about_part(asked[start : start + MOST], outbox, inbox, questions)


def _ask_about_part(asked: Sequence[int | str], outbox: Outbox, inbox: Inbox, questions: Questions) -> None:
    by_id = {key if isinstance(key, str) else format_task_id(outbox.outbox_id, key): key for key in asked}

    def end_unknown(answer: Answer) -> None:
        if answer.error or not isinstance(answer.data, dict):
            return
        unknown = [by_id[task_id] for task_id, facts in answer.data.items() if (facts or {}).get("state") == UNKNOWN]
        gone = [key for key in unknown if isinstance(key, int) or not _waits_elsewhere(key, outbox)]
        inbox.end((key, ResultRecord(0, NUMBERS[UNKNOWN])) for key in gone)

    questions.file("task_state", {"ids": list(by_id)}, end_unknown)


def _waits_elsewhere(task_id: str, outbox: Outbox) -> bool:
    parsed = parse_task_id(task_id)
    return parsed is not None and holds(outbox.home, *parsed)
