"""Orders for a node as a whole: its slots, its queues, its tasks' time limits, its end. `app.control`, `actorq control`.

A part of the control component; what is changed is kept in the node's `LiveSettings`, and told to whoever goes by it. Nothing
here waits: an order that takes time (slots that finish their tasks) is answered when it is under way.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

from actorq.actors.signals import Invoke
from actorq.config import suggest
from actorq.log import get_logger
from actorq.node.live import add_queue, cancel_queue
from actorq.node.messages import Reload, Resize, SteerOwn, SteerSlots
from actorq.tasks.options import check_limits, parse_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeAlias

    from actorq.actors import Actor
    from actorq.node.live import LiveSettings
    from actorq.slot.limits import Limits

    Answer: TypeAlias = Callable[[Any, str], None]  # (data, error): one of them

__all__ = ["NAMES", "NodeOrders"]

log = get_logger(__name__)

NAMES: Final = (
    *("add_consumer", "cancel_consumer", "pool_grow", "pool_restart", "pool_shrink"),
    *("rate_limit", "shutdown", "time_limit"),
)
ANSWER_FIRST_S: Final = 0.1  # before a node ends, so that its answer is on its way
RESIZE_DEADLINE_S: Final = 5.0
LONGEST_QUEUE: Final = 255


class NodeOrders:
    """Belongs to `actor`, in whose context everything here runs; `tasks` returns those of the application."""

    def __init__(self, actor: Actor, node: str, live: LiveSettings, tasks: Callable[[], Collection[str]]) -> None:
        self._actor, self._node, self._live, self._tasks = actor, node, live, tasks
        self._is_hub = False
        self._orders: dict[str, Callable[..., Any]] = {
            "add_consumer": self._add_consumer,
            "cancel_consumer": self._cancel_consumer,
            "pool_restart": self._restart_pool,
            "rate_limit": self._rate_limit,
            "shutdown": self._shut_down,
            "time_limit": self._time_limit,
        }

    def run(self, name: str, arguments: Mapping[str, Any], answer: Answer, *, is_hub: bool) -> None:
        """Carry out one of `NAMES` and call `answer`."""
        self._is_hub = is_hub
        log.info("order_received", order=name, arguments=dict(arguments))
        try:
            if name in ("pool_grow", "pool_shrink"):
                self._resize(name, answer, **arguments)
            else:
                answer({"ok": self._orders[name](**arguments)}, "")
        except (TypeError, ValueError) as error:
            answer(None, f"can't {name}: {' '.join(str(error).replace('NodeOrders._', '').split())}")

    def _resize(self, name: str, answer: Answer, n: Any = 1) -> None:
        count = read_count(n)

        def resized(outcome: Any) -> None:
            if outcome.error is None:
                answer({"ok": f"{outcome.value} slots"}, "")
            else:
                answer(None, f"can't {name}: {outcome.error}")

        by = count if name == "pool_grow" else -count
        self._actor.ask_then(self._actor.system.ref("sizer"), Resize(by), RESIZE_DEADLINE_S, resized)

    def _add_consumer(self, queue: Any) -> str:
        self._live.takes = add_queue(self._live.takes, _read_queue(queue))
        self._steer()
        return f"takes tasks of {self._live.takes or 'all queues'}"

    def _cancel_consumer(self, queue: Any) -> str:
        self._live.takes = cancel_queue(self._live.takes, _read_queue(queue))
        self._steer()
        return f"takes tasks of {self._live.takes}"

    def _time_limit(self, task: Any, soft: Any = None, hard: Any = None) -> str:
        self._live.limits[self._find_task(task)] = limits = read_limits(soft, hard)
        self._steer()
        return f"time limits of {task}: {' and '.join(_tell_limits(limits)) or 'none'}"

    def _rate_limit(self, task: Any, rate: Any = None) -> str:
        parse_rate(rate)
        self._live.rates[self._find_task(task)] = rate
        return f"rate limit of {task} kept: {rate or 'none'}; not enforced yet"

    def _restart_pool(self) -> str:
        self._actor.system.ref("zygote").tell(Reload())
        return "imports the application anew; slots are replaced one by one, each after its task"

    def _shut_down(self) -> str:
        self._actor.timers.after(ANSWER_FIRST_S, Invoke(os.kill, os.getpid(), signal.SIGTERM))
        return "stops when what runs has ended"

    def _find_task(self, task: Any) -> str:
        tasks = self._tasks()
        if task not in tasks:
            hint = suggest(task, tasks) if isinstance(task, str) else ""
            raise ValueError(f"expected a task that is registered here, got {task!r}{hint}")
        return str(task)

    def _steer(self) -> None:
        self._live.is_steered = True
        if self._is_hub:
            self._actor.system.ref("broker").tell(SteerOwn(self._node, self._live.steer()))
        self._actor.system.ref("link").tell(SteerSlots())


def read_count(n: object) -> int:
    """Return how many slots are meant.

    Raises:
        ValueError: it is no whole number from 1 up.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"expected n to be a whole number from 1 up, got {n!r}")
    return n


def read_limits(soft: object, hard: object) -> Limits:
    """Return `(soft_s, hard_s)`.

    Raises:
        ValueError: these are no seconds above 0, or the soft one is above the hard one.
    """
    soft_s, hard_s = (_read_seconds(name, value) for name, value in (("soft", soft), ("hard", hard)))
    check_limits(soft_s, hard_s)
    return soft_s, hard_s


def _read_seconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"expected {name} to be seconds above 0, or nothing, got {value!r}")
    return float(value)


def _read_queue(queue: object) -> str:
    if not isinstance(queue, str) or not 0 < len(queue) <= LONGEST_QUEUE:
        raise ValueError(f"expected the name of a queue, got {queue!r}")
    return queue


def _tell_limits(limits: Limits) -> list[str]:
    return [f"{name} {value:g} s" for name, value in zip(("soft", "hard"), limits, strict=True) if value is not None]
