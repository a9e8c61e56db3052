"""Follow a running task: its updates as they come, until it has ended.

The broker is asked for what comes after what was seen, and answers when there is such a thing. A broker that is replaced is
asked again by the link. Invariant: whoever stops following says so.
"""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from actorq.client.inbox import Waiter
from actorq.codec import decode_result

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from actorq.client.questions import Question
    from actorq.client.session import Session
    from actorq.codec import Acceptance
    from actorq.messages.task import ResultRecord
    from actorq.messages.wire import Answer

__all__ = ["follow", "read_meta"]


def follow(session: Session, key: int | str, timeout_s: float | None) -> Generator[tuple[str, Any], None, ResultRecord]:
    """Yield `(state, meta)` of each update until the task has ended; return how.

    Raises:
        ResultTimeout: it hasn't within `timeout_s`, counted from the first step. ResultUnknown: there is no such task.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    arrivals: SimpleQueue[Waiter | Answer] = SimpleQueue()
    end = session.enlist(key, arrivals)
    if not isinstance(end, Waiter):
        return end
    task_id, questions = session.find_id(key), session.link.questions
    question: Question | None = None
    seen, can_tell = 0, True
    try:
        while True:
            if can_tell:
                question = questions.file("follow", {"id": task_id, "seen": seen}, arrivals.put)
                session.link.hurry()
            try:
                came = arrivals.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except Empty:
                raise session.make_timeout(key, timeout_s or 0.0) from None
            if isinstance(came, Waiter):
                assert came.record is not None
                return session.check_known(key, came.record)
            question = None
            if came.error:
                can_tell = False  # then only the end is waited for
                continue
            seen = came.data["seq"]
            yield came.data["state"], read_meta(came.data, session.accept)
    finally:
        session.inbox.withdraw(end)
        if question is not None:
            questions.withdraw(question)
            questions.file("unfollow", {"id": task_id, "request": question.request}, _ignore, repeat=False)
            session.link.hurry()


def read_meta(facts: Mapping[str, Any], accept: Acceptance) -> Any:
    """Return what a task told with its state, from what the broker says of it; None where it told nothing.

    Raises:
        DecodeError: it isn't for whoever accepts no more than that.
    """
    if "packed_meta" not in facts:
        return None
    codec_id, packed = facts["packed_meta"]
    return decode_result(codec_id, packed, accept)


def _ignore(_: Answer) -> None:
    pass
