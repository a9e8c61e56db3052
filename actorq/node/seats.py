"""What each slot process of a node is: read from its pools, by the places that the roster counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actorq.errors import ConfigError
from actorq.log import get_logger
from actorq.messages.queues import QueueChoice, choose_queues
from actorq.pools import KINDS, SOLO, find_unenforced, plan_pools

if TYPE_CHECKING:
    from actorq.config import Settings
    from actorq.pools import PoolPlan
    from actorq.slot.orders import AppInfo

__all__ = ["Seat", "Seats", "check_limits", "describe_pools", "find_pools", "plan_seats"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seat:
    """One slot process: the kind of its pool, how many tasks it runs at once, and which queues it takes (None: all)."""

    pool: str = "process"
    places: int = 1
    takes: QueueChoice | None = None


def find_pools(settings: Settings) -> tuple[PoolPlan, ...]:
    """Return the pools that these settings ask for.

    Raises:
        ConfigError: they don't fit.
    """
    return plan_pools(settings.pools, settings.pool, settings.concurrency)


def describe_pools(settings: Settings) -> list[dict[str, Any]]:
    """Return the pools and which limits each enforces, as plain data."""
    return [
        {
            "pool": pool.kind,
            "concurrency": pool.concurrency,
            "slots": pool.slots,
            "queues": list(pool.queues),
            "soft_time_limit": KINDS[pool.kind].soft or "not enforced",
            "time_limit": KINDS[pool.kind].hard,
            "note": KINDS[pool.kind].note,
        }
        for pool in find_pools(settings)
    ]


def check_limits(info: AppInfo, settings: Settings) -> None:
    """Say once of each registered task which of its limits a pool of this node doesn't enforce for it alone.

    Raises:
        ConfigError: there is one, and `unenforced_limits` is "refuse".
    """
    kinds = [pool.kind for pool in find_pools(settings) if pool.slots]
    found = find_unenforced(info.tasks, settings.task_limits or (None, None), kinds)
    if found and settings.unenforced_limits == "refuse":
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise ConfigError(
            f"expected pools that enforce every limit, got {found[0]}{more}; use the process pool for such tasks, or set "
            "unenforced_limits to 'warn'"
        )
    for each in found:
        log.warning(
            "limit_not_enforced", task=each.task, pool=each.pool, limit=each.limit, consequence=each.consequence
        )


@dataclass(frozen=True, slots=True)
class Seats:
    """What the slot of each place is; beyond those of the settings, where the pool has grown, it is `spare`."""

    seats: tuple[Seat, ...]
    spare: Seat

    def of(self, place: int) -> Seat:
        """Return what the slot of this place is."""
        return self.seats[place] if place < len(self.seats) else self.spare

    def __len__(self) -> int:
        return len(self.seats)


def plan_seats(settings: Settings) -> Seats:
    """Return the slot processes of a node, pool after pool; more of them are like those of the first pool.

    Raises:
        ConfigError: the pools don't fit, or one takes no queue.
    """
    seats = tuple(
        Seat(pool.kind, pool.places, _choose(pool, settings))
        for pool in find_pools(settings)
        for _ in range(pool.slots)
    )
    takes = choose_queues(settings.queues, settings.exclude_queues)
    return Seats(seats, next((seat for seat in seats if seat.pool != SOLO), Seat(takes=takes)))


def _choose(pool: PoolPlan, settings: Settings) -> QueueChoice | None:
    found = choose_queues(pool.queues or settings.queues, settings.exclude_queues)
    return QueueChoice(found.only, found.but, of_pool=True) if found is not None and pool.queues else found
