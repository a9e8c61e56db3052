"""A script of writes, one for each kind, to be killed anywhere; and a picture of what an engine holds.

Each step makes exactly one write. Whoever plays the script and is killed must find, on opening the store again, what
the first n steps left or what the first n + 1 left, where n is the number of steps that had returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.engine.values import Change, DeadLetter, NewTask, Settlement, Transaction
from actorq.messages.ids import make_key
from actorq.messages.states import FAILURE, NUMBERS, SUCCESS
from actorq.messages.task import ResultRecord, TaskMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.engine.protocol import Engine
    from actorq.engine.values import StoredTask
    from actorq.testing.clock import FakeClock

__all__ = ["OTHER_OUTBOX", "OUTBOX", "SCRIPT", "WRITE_STEPS", "make_result", "make_task", "take_picture"]

OUTBOX: Final = 0xFEDC_BA98_7654_3210  # above 2**63: SQLite's integers are signed
OTHER_OUTBOX: Final = 7
WRITE_STEPS: Final = (
    "before_begin",
    "after_puts",
    "after_settled",
    "after_straight",
    "after_changed",
    "after_dead",
    "after_taken",
    "before_commit",
    "after_commit",
    "after_mark",
)


def make_task(number: int, outbox_no: int = 1, token: int = 0, **fields: object) -> NewTask:
    """Return a task to put; `fields` are the message's."""
    message = TaskMessage(number, "shop.add", b"body %d" % number, **fields)  # type: ignore[arg-type]
    return NewTask(make_key(outbox_no, number), message, token)


def make_result(key: int, state: str = SUCCESS, finished_at: float = 1_700_000_000.0) -> ResultRecord:
    """Return a result whose payload tells its key."""
    return ResultRecord(key, NUMBERS[state], b"result %d" % key, 1, finished_at, 0.25)


def settle(task: StoredTask, state: str = SUCCESS) -> Settlement:
    """Return the settlement of a leased task."""
    return Settlement(task.key, task.token, make_result(task.key, state))


def take_picture(engine: Engine) -> dict[str, object]:
    """Return all an engine holds that its restart doesn't change, as plain comparable data."""
    keys = [make_key(outbox_no, number) for outbox_no in range(1, 6) for number in range(1, 200)]
    stats = engine.stats()
    return {
        "tasks": [(task.key, task.deliveries, task.due_at, task.message) for task in engine.load(keys)],
        "fences": [(task.key, task.token) for task in engine.load(keys) if not task.leased],
        "results": engine.results(keys),
        "dead": engine.dead(1000),
        "aliases": {alias: engine.find_alias(alias) for alias in ("first", "second", "straight", "ignored")},
        "outboxes": {number: engine.find_outbox(number) for number in (OUTBOX, OTHER_OUTBOX, 8, 9)},
        "paused": engine.paused(),
        "group": engine.load_group("group", 0.0),
        "counts": (stats.results, stats.dead, stats.queues),
        "faults": engine.check(),
    }


def _register(engine: Engine, clock: FakeClock) -> None:
    engine.register_outbox(OUTBOX)


def _register_other(engine: Engine, clock: FakeClock) -> None:
    engine.register_outbox(OTHER_OUTBOX)


def _put_many(engine: Engine, clock: FakeClock) -> None:
    tasks = [make_task(number, priority=number % 10) for number in range(1, 41)]
    tasks[3].message.alias = "first"
    engine.commit(Transaction(puts=tasks, taken={1: 40}))


def _put_scheduled(engine: Engine, clock: FakeClock) -> None:
    soon = clock.now() + 5
    tasks = [make_task(number, 2, queue="later", eta=soon + number) for number in range(1, 6)]
    engine.commit(Transaction(puts=tasks, taken={2: 5}))


def _settle_and_put(engine: Engine, clock: FakeClock) -> None:
    """The usual batch: results, new tasks, straight results, confirmations, one commit."""
    leased = engine.lease(["default"], 12)
    transaction = Transaction(
        puts=[make_task(number) for number in range(41, 51)],
        settled=[settle(task) for task in leased],
        straight=[make_result(make_key(2, number)) for number in range(6, 10)],
        aliases=[("straight", make_key(2, 6))],
        taken={1: 50, 2: 9},
    )
    engine.commit(transaction)


def _change_and_bury(engine: Engine, clock: FakeClock) -> None:
    leased = engine.lease(["default"], 8)
    retried = TaskMessage(leased[1].message.number, "shop.add", b"again", retries=1, queue="retries")
    transaction = Transaction(
        settled=[Settlement(leased[0].key, leased[0].token)],
        changed=[
            Change(leased[1].key, leased[1].token, message=retried, due_at=clock.now() + 3),
            Change(leased[2].key, leased[2].token, deliveries=1),
            Change(leased[3].key, leased[3].token, deliveries=2, keep_lease=True),
        ],
        dead=[
            DeadLetter(task.key, task.token, "SIGSEGV", "", clock.now(), make_result(task.key, FAILURE))
            for task in leased[4:8]
        ],
    )
    engine.commit(transaction)


def _forget(engine: Engine, clock: FakeClock) -> None:
    engine.commit(Transaction(forgotten=[make_key(2, 6), make_key(2, 7)]))


def _release(engine: Engine, clock: FakeClock) -> None:
    engine.lease(["default"], 3, ttl_s=1.0)
    clock.advance(1.5)
    engine.release_expired(clock.monotonic(), 100)


def _wake(engine: Engine, clock: FakeClock) -> None:
    clock.advance(7)
    engine.wake_due(clock.now(), 100)


def _pause(engine: Engine, clock: FakeClock) -> None:
    engine.pause("later")


def _save_group(engine: Engine, clock: FakeClock) -> None:
    engine.save_group("group", b"members", clock.now() + 60)


def _resume(engine: Engine, clock: FakeClock) -> None:
    engine.resume("later")


def _requeue(engine: Engine, clock: FakeClock) -> None:
    engine.requeue_dead([letter.key for letter in engine.dead(2)])


def _purge_dead(engine: Engine, clock: FakeClock) -> None:
    engine.purge_dead([engine.dead(1)[0].key])


def _purge(engine: Engine, clock: FakeClock) -> None:
    engine.purge("later")


def _lead(engine: Engine, clock: FakeClock) -> None:
    engine.leader("scheduler", "one", 10.0)


def _prune(engine: Engine, clock: FakeClock) -> None:
    clock.advance(86400)
    engine.prune(clock.now(), 7)


def _begin_epoch(engine: Engine, clock: FakeClock) -> None:
    engine.begin_epoch()


def _settle_scattered(engine: Engine, clock: FakeClock) -> None:
    leased = engine.lease(["default", "later", "retries"], 5)
    engine.commit(Transaction(settled=[settle(task) for task in leased]))


SCRIPT: Final[tuple[Callable[[Engine, FakeClock], None], ...]] = (
    _register,
    _register_other,
    _put_many,
    _put_scheduled,
    _settle_and_put,
    _change_and_bury,
    _forget,
    _release,
    _pause,
    _save_group,
    _wake,
    _resume,
    _begin_epoch,
    _settle_scattered,
    _requeue,
    _purge_dead,
    _purge,
    _lead,
    _prune,
)
