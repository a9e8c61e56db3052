"""The kinds of pools, and which of them a node has: values.

A *slot* is a process. What differs is how many tasks it runs at once, and how: see `KINDS`, from which the documentation's
table, the checks at a node's start and `actorq inspect stats` are made.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "KINDS",
    "MAX_SLOTS",
    "SOLO",
    "PoolKind",
    "PoolPlan",
    "Unenforced",
    "find_unenforced",
    "plan_pools",
    "read_pools",
]

MAX_SLOTS: Final = 1_024  # processes of a node


@dataclass(frozen=True, slots=True)
class PoolKind:
    """One kind of pool. `number` is how line files name it.

    `is_shared`: one process runs all its tasks at once. `soft` and `hard` say how it enforces a limit; empty: it can't.
    """

    name: str
    number: int
    is_shared: bool
    most: int  # tasks at once in one pool
    soft: str
    hard: str
    note: str = ""  # what else somebody with limits has to know


NEIGHBOURS: Final = "what else runs in it is handed back, uncounted"

KINDS: Final = {
    kind.name: kind
    for kind in (
        PoolKind("process", 0, False, MAX_SLOTS, "raised in the task", "the process is killed"),
        PoolKind(
            *("thread", 1, True, 512, "", "the process is killed"),
            note=f"a hard limit ends the whole process: {NEIGHBOURS}",
        ),
        PoolKind(
            *("async", 2, True, 10_000, "the coroutine is cancelled"),
            "the coroutine is cancelled; if it doesn't end, the process is killed",
            note="a plain function runs in a thread: its soft limit is not enforced, its hard limit ends the whole process",
        ),
        PoolKind(
            *("solo", 3, False, 1, "raised in the task", "the process is killed"),
            note="has the terminal of its node: for breakpoint()",
        ),
    )
}
ASYNC_CONCURRENCY: Final = 1_000  # where nothing is said
SOLO: Final = "solo"
_SPEC: Final = re.compile(r"(?P<kind>[^:@]*)(:(?P<concurrency>[^@]*))?(@(?P<queues>.*))?")


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One pool of a node: up to `concurrency` tasks at once, None: as many as usual. No `queues`: those of the node."""

    kind: str
    concurrency: int | None = None
    queues: tuple[str, ...] = ()

    @property
    def slots(self) -> int:
        """How many processes."""
        concurrency = self.concurrency or 0
        return min(concurrency, 1) if KINDS[self.kind].is_shared else concurrency

    @property
    def places(self) -> int:
        """How many tasks each process runs at once."""
        return self.concurrency or 1 if KINDS[self.kind].is_shared else 1

    def __str__(self) -> str:
        concurrency = "" if self.concurrency is None else f":{self.concurrency}"
        return f"{self.kind}{concurrency}{'@' if self.queues else ''}{','.join(self.queues)}"


def read_pools(value: object) -> tuple[str, ...]:
    """Return pools as `kind:concurrency@queue,queue`, of a list, or of one text with spaces between them.

    Raises:
        ValueError: what is expected.
    """
    specs = value.split() if isinstance(value, str) else value
    if not isinstance(specs, list | tuple) or not all(isinstance(spec, str) for spec in specs):
        raise ValueError("a list of pools, each as kind:concurrency@queue,queue")
    return tuple(str(_read(spec)) for spec in specs)


def plan_pools(pools: Iterable[str], pool: str, concurrency: int | None) -> tuple[PoolPlan, ...]:
    """Return the pools of a node; `concurrency` is for those that don't say theirs. None in `pools`: one of kind `pool`.

    Raises:
        ConfigError: a number is too large.
    """
    plans = []
    for spec in tuple(pools) or (pool,):
        plan = _read(spec)
        wanted = concurrency if plan.concurrency is None else plan.concurrency
        plans.append(PoolPlan(plan.kind, _usual(plan.kind) if wanted is None else wanted, plan.queues))
    for plan in plans:
        most = KINDS[plan.kind].most
        if (plan.concurrency or 0) > most:
            raise ConfigError(
                f"expected concurrency of a pool {plan.kind!r} to be at most {most}, got {plan.concurrency}"
            )
    slots = sum(plan.slots for plan in plans)
    if slots > MAX_SLOTS:
        raise ConfigError(f"expected at most {MAX_SLOTS} processes in all pools, got {slots}")
    return tuple(plans)


@dataclass(frozen=True, slots=True)
class Unenforced:
    """A limit of a task that a pool doesn't enforce, or not for that task alone; `consequence` says what happens."""

    task: str
    pool: str
    limit: str
    consequence: str

    def __str__(self) -> str:
        return f"{self.limit} of task {self.task!r} in pool {self.pool!r}: {self.consequence}"


def find_unenforced(
    tasks: Mapping[str, Mapping[str, Any]], default: tuple[float | None, float | None], kinds: Iterable[str]
) -> list[Unenforced]:
    """Return the limits of registered tasks that pools of these kinds don't enforce as the process pool does.

    `tasks` are their options; `default` is `(soft_s, hard_s)` for those that say nothing.
    """
    found = []
    for kind in dict.fromkeys(kinds):
        for name, options in sorted(tasks.items()):
            # A plain function of an async pool runs in a thread; a coroutine in a thread has a loop that cancels it.
            is_coroutine = options.get("is_coroutine", False)
            actual = KINDS["thread" if kind == "async" and not is_coroutine else kind]
            soft_s, hard_s = options.get("soft_time_limit") or default[0], options.get("time_limit") or default[1]
            if soft_s and not actual.soft and not is_coroutine:
                found.append(
                    Unenforced(name, kind, "soft_time_limit", "a thread can't be interrupted: it isn't enforced")
                )
            if hard_s and actual.name == "thread":
                found.append(Unenforced(name, kind, "time_limit", f"{actual.hard}, and {NEIGHBOURS}"))
    return found


def _usual(kind: str) -> int:
    return min(ASYNC_CONCURRENCY if kind == "async" else os.cpu_count() or 1, KINDS[kind].most)


def _read(spec: str) -> PoolPlan:
    found = _SPEC.fullmatch(spec)
    kind, concurrency, queues = found.group("kind", "concurrency", "queues") if found else (spec, None, None)
    if kind not in KINDS:
        raise ValueError(f"kind:concurrency@queues with a kind of {', '.join(KINDS)}")
    if concurrency is not None and not (concurrency.isascii() and concurrency.isdigit()):
        raise ValueError(f"{kind}:concurrency@queues with a whole number as concurrency")
    number = None if concurrency is None else int(concurrency)
    if number is not None and number > KINDS[kind].most:
        raise ValueError(f"{kind}:concurrency@queues with a concurrency of at most {KINDS[kind].most}")
    names = () if queues is None else tuple(name.strip() for name in queues.split(","))
    if not all(names) or (queues is not None and not names):
        raise ValueError(f"{kind}:concurrency@queues with names of queues and commas between them")
    return PoolPlan(kind, number, names)
