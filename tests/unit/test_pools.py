"""Pools as values: what is read from a text, what follows for processes, and which limits nobody enforces."""

from __future__ import annotations

import pytest

from actorq.config import Settings, load_settings
from actorq.errors import ConfigError
from actorq.messages.queues import QueueChoice
from actorq.node.seats import plan_seats
from actorq.pools import KINDS, find_unenforced, read_pools


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("process", ("process",)),
        ("process:4 async:1000@io,mail", ("process:4", "async:1000@io,mail")),
        (["thread:8@ io , mail"], ("thread:8@io,mail",)),
        ((), ()),
    ],
)
def test_pools_are_read_from_a_text_or_a_list(given: object, expected: tuple[str, ...]) -> None:
    assert read_pools(given) == expected
    assert read_pools(expected) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("fibres:4", "a kind of process, thread, async, solo"),
        ("process:many", "process:concurrency@queues with a whole number"),
        ("process:-1", "a whole number"),
        ("thread:", "a whole number"),
        ("solo:2", "a concurrency of at most 1"),
        ("thread:513", "a concurrency of at most 512"),
        ("async@", "names of queues"),
        ("async@a,,b", "names of queues"),
        (7, "a list of pools"),
        ([7], "a list of pools"),
    ],
)
def test_a_pool_that_cant_be_read_says_what_is_expected(given: object, said: str) -> None:
    with pytest.raises(ConfigError, match="expected pools to be") as caught:
        load_settings({"pools": given})
    assert said in str(caught.value)


def test_a_pool_of_processes_has_one_for_each_task_at_once_the_others_one_for_all() -> None:
    settings = Settings().replace("test", {"pools": "process:2 thread:8 async:1000@io", "exclude_queues": "mail"})
    seats = plan_seats(settings)
    assert [(seat.pool, seat.places) for seat in seats.seats] == [
        *[("process", 1)] * 2,
        ("thread", 8),
        ("async", 1000),
    ]
    assert [str(seat.takes) for seat in seats.seats] == ["all but mail"] * 3 + ["only io"]


def test_concurrency_is_for_pools_that_dont_say_theirs() -> None:
    settings = Settings().replace("test", {"pools": "process thread:8", "concurrency": 3})
    assert [(seat.pool, seat.places) for seat in plan_seats(settings).seats] == [("process", 1)] * 3 + [("thread", 8)]
    assert plan_seats(Settings(pool="async", concurrency=0)).seats == ()
    assert [seat.places for seat in plan_seats(Settings(pool="async")).seats] == [1000]


def test_a_pool_that_grows_gets_more_of_the_first_kind_which_takes_what_it_takes() -> None:
    seats = plan_seats(Settings(pools=("process:2@cpu", "async:5")))
    assert len(seats) == 3
    assert seats.of(7) == seats.of(0)
    assert seats.of(0).takes is not None
    assert plan_seats(Settings(concurrency=0, queues=("a",))).of(0).takes == QueueChoice(("a",))


def test_more_at_once_than_a_kind_can_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 512, got 513"):
        plan_seats(Settings(pool="thread", concurrency=513))
    with pytest.raises(ConfigError, match="at most 1024 processes in all pools, got 1025"):
        plan_seats(Settings(pools=("process:1024", "thread:1")))


def test_limits_that_a_pool_cant_enforce_are_found_for_each_task() -> None:
    tasks: dict[str, dict[str, object]] = {
        "plain": {"soft_time_limit": 1, "time_limit": 2, "is_coroutine": False},
        "coroutine": {"soft_time_limit": 1, "time_limit": 2, "is_coroutine": True},
        "free": {"is_coroutine": False},
    }

    def limits(kind: str, default: tuple[float | None, float | None] = (None, None)) -> list[tuple[str, str]]:
        return [(each.task, each.limit) for each in find_unenforced(tasks, default, [kind, kind])]

    assert limits("process") == []
    assert limits("async") == [("plain", "soft_time_limit"), ("plain", "time_limit")]
    assert limits("thread") == [
        ("coroutine", "time_limit"),
        ("plain", "soft_time_limit"),
        ("plain", "time_limit"),
    ]
    assert ("free", "soft_time_limit") in limits("thread", (9.0, None))


def test_kinds_have_numbers_of_their_own() -> None:
    assert len({kind.number for kind in KINDS.values()}) == len(KINDS)
