"""Which limits a task has, after all who may say something have been heard."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from actorq.messages.task import FLAG_ACK_EARLY, Delivery, TaskMessage
from actorq.slot.limits import KnownLimits, Limits, fill_limits


@dataclass
class Limited:
    soft_time_limit: float | None = None
    time_limit: float | None = None
    acks_late: bool = True
    track_started: bool = False


@pytest.mark.parametrize(
    ("own", "default", "expected"),
    [
        (None, (1.0, 2.0), (1.0, 2.0)),
        ((5.0, 6.0), (1.0, 2.0), (5.0, 6.0)),
        ((0.5, None), (1.0, 2.0), (0.5, 2.0)),
        ((None, 3.0), (1.0, 2.0), (1.0, 3.0)),
        ((None, 0.5), (1.0, 2.0), (None, 0.5)),
        ((None, None), (1.0, None), (1.0, None)),
    ],
)
def test_what_a_task_says_goes_before_the_default_each_for_itself(
    own: Limits | None, default: Limits, expected: Limits
) -> None:
    assert fill_limits(own, default) == expected


def filled(known: KnownLimits, task: str, own: Limits | None = None) -> Limits | None:
    delivery = Delivery(1, 1, 0, 1, TaskMessage(1, task, b"", limits=own))
    known.fill([delivery])
    return delivery.message.limits


def test_call_task_and_node_are_asked_in_this_order() -> None:
    known = KnownLimits({"slow": Limited(time_limit=9.0), "plain": Limited()}, (1.0, 5.0))
    assert filled(known, "slow") == (1.0, 9.0)
    assert filled(known, "plain") == filled(known, "unknown") == (1.0, 5.0)
    assert filled(known, "slow", (None, 2.0)) == (1.0, 2.0)


def test_a_task_that_may_begin_only_once_is_known_whoever_sent_it() -> None:
    known = KnownLimits({"once": Limited(acks_late=False), "plain": Limited()}, None)
    once, plain = (Delivery(1, 1, 0, 1, TaskMessage(1, task, b"", flags=1)) for task in ("once", "plain"))
    known.fill([once, plain])
    assert (once.message.flags, plain.message.flags) == (1 | FLAG_ACK_EARLY, 1)
    assert (once.message.limits, plain.message.limits) == ((None, None), None), "the loop looks at this alone"


def test_where_nobody_knows_a_limit_nothing_is_to_be_filled_in() -> None:
    assert not KnownLimits({"plain": Limited()}, None)
    known = KnownLimits({"plain": Limited(), "slow": Limited(time_limit=9.0)}, None)
    assert known
    assert filled(known, "plain") is None
