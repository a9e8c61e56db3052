"""What the store does about dead letters: tasks that ended their process too often.

Pure but for the engine it is given. A question comes from a caller, so it is checked here before the store sees it: the
engine may rely on what it gets, and an actor that owns a disk must not end because of a wrong number.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from actorq.errors import StoreFull
from actorq.messages.ids import NUMBER_MASK, format_task_id, make_key, parse_task_id
from actorq.messages.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actorq.engine.protocol import DeadTask, Engine

__all__ = ["DeadQuestion", "answer_question", "find_key", "read_question"]

MAX_IDS: Final = 1_000  # in one question: bounds how long one transaction keeps the store from committing
MAX_LETTERS: Final = 100  # in one answer: each brings up to 64 KiB of traceback
MAX_OFFSET: Final = 1 << 40

_Ids = Annotated[list[Annotated[str, msgspec.Meta(max_length=255)]], msgspec.Meta(max_length=MAX_IDS)]


class DeadQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`list` reads `limit` letters, newest first; the others mean `ids`. Without ids, `purge` means all there are."""

    verb: Literal["list", "show", "requeue", "purge"]
    ids: _Ids | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LETTERS)] = MAX_LETTERS
    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)] = 0


def read_question(arguments: Mapping[str, Any]) -> DeadQuestion:
    """Return the question a caller asked.

    Raises:
        ValueError: it isn't one; says what was expected where.
    """
    try:
        question = msgspec.convert(arguments, DeadQuestion)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if question.ids is None and question.verb in ("show", "requeue"):
        raise ValueError(f"expected ids of what to {question.verb}, got none")
    return question


def answer_question(engine: Engine, question: DeadQuestion, request: int) -> tuple[Answer, dict[str, int]]:
    """Do what is asked and return the answer, and how many tasks of which queues are ready because of it."""
    if question.verb == "list":
        letters = [_describe(letter) for letter in engine.dead(question.limit, question.offset)]
        return Answer(request, {"letters": letters, "total": engine.stats().dead}), {}
    if question.ids is None:
        return Answer(request, {"count": engine.purge_dead(), "unknown": []}), {}
    keys = {task_id: find_key(engine, task_id) for task_id in question.ids}
    letters_by_key = {
        letter.key: letter for letter in engine.load_dead(key for key in keys.values() if key is not None)
    }
    unknown = [task_id for task_id, key in keys.items() if key not in letters_by_key]
    if question.verb == "show":
        return Answer(request, {"letters": [_describe(one) for one in letters_by_key.values()], "unknown": unknown}), {}
    if question.verb == "purge":
        return Answer(request, {"count": engine.purge_dead(letters_by_key), "unknown": unknown}), {}
    try:
        revived = engine.requeue_dead(letters_by_key)
    except StoreFull as error:
        return Answer(request, error=str(error)), {}
    return Answer(request, {"count": len(revived), "unknown": unknown}), _count_queues(letters_by_key, revived)


def find_key(engine: Engine, task_id: str) -> int | None:
    """Return the key of a task by its own id, or by the one its caller chose; None: no such id was taken here."""
    key = engine.find_alias(task_id)
    parsed = parse_task_id(task_id)
    if key is None and parsed is not None:
        outbox = engine.find_outbox(parsed[0])
        key = make_key(outbox[0], parsed[1]) if outbox is not None else None
    return key


def _count_queues(letters: Mapping[int, DeadTask], keys: Iterable[int]) -> dict[str, int]:
    return dict(Counter(letters[key].message.queue for key in keys))


def _describe(letter: DeadTask) -> dict[str, Any]:
    message = letter.message
    return {
        "id": format_task_id(letter.outbox_id, letter.key & NUMBER_MASK),
        "alias": message.alias,
        "task": message.task,
        "queue": message.queue,
        "priority": message.priority,
        "cause": letter.cause,
        "signal": letter.cause if letter.cause.startswith("SIG") else None,
        "deliveries": letter.deliveries,
        "retries": message.retries,
        "sent_at": message.sent_at or None,
        "died_at": letter.died_at,
        "traceback": letter.traceback,
    }
