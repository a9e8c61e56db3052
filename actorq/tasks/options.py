"""The options of a task: their names, their types and what makes one wrong.

Options are checked where they are given, so a mistake shows when the module is imported and not when the task runs.
Names are Celery's where the concept is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from actorq.codec.compression import get_compression
from actorq.codec.serializers import get_codec_id
from actorq.config import suggest
from actorq.messages.task import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OPTION_NAMES", "TaskOptions", "check_limits", "check_options", "parse_rate"]

RETRY_ARGUMENTS: Final = ("args", "countdown", "eta", "exc", "expires", "kwargs", "max_retries")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/([smh]))?")
_PERIOD_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


class TaskOptions(TypedDict, total=False):
    """What `@app.task(...)` takes besides `bind`, and what a class-based task may set as attributes. Times in seconds."""

    name: str
    base: type
    queue: str | None
    priority: int | None
    rate_limit: str | float | None
    time_limit: float | None
    soft_time_limit: float | None
    max_retries: int | None
    default_retry_delay: float
    autoretry_for: tuple[type[BaseException], ...]
    dont_autoretry_for: tuple[type[BaseException], ...]
    retry_kwargs: Mapping[str, Any]
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    acks_late: bool
    max_deliveries: int | None
    expires: float | None
    ignore_result: bool
    result_expires: float | None
    track_started: bool
    serializer: str | None
    compression: str | None
    typing: bool
    throws: tuple[type[BaseException], ...]
    pydantic: bool
    redact: tuple[str, ...]


OPTION_NAMES: Final = frozenset(TaskOptions.__annotations__) | {"bind"}


def check_options(options: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return the options checked and in their stored form (exception classes as tuples).

    Raises:
        TypeError: an unknown name, with the nearest known one.
        ValueError: a value that doesn't fit.
    """
    for name in options:
        if name not in OPTION_NAMES:
            raise TypeError(f"unknown option {name!r} for task {owner}{suggest(name, OPTION_NAMES)}")
    checked = {name: _CHECKS[name](name, value) if name in _CHECKS else value for name, value in options.items()}
    check_limits(checked.get("soft_time_limit"), checked.get("time_limit"))
    return checked


def check_limits(soft_s: float | None, hard_s: float | None) -> None:
    """Check that the soft limit can strike before the hard one.

    Raises:
        ValueError: it can't.
    """
    if soft_s is not None and hard_s is not None and soft_s > hard_s:
        raise ValueError(f"expected soft_time_limit to be at most time_limit, got {soft_s:g} > {hard_s:g}")


def parse_rate(rate: str | float | None) -> float | None:
    """Return how many a second: `"10/s" "10/m" "10/h"`, a number means per second, None and 0 mean no limit.

    Raises:
        ValueError: it is none of these.
    """
    found = None if rate is None else _RATE.fullmatch(str(rate).strip())
    if rate is not None and (found is None or isinstance(rate, bool)):
        raise ValueError(f"expected rate_limit to read like '10/s', '10/m', '10/h' or 10, got {rate!r}")
    per_s = float(found[1]) / _PERIOD_S[found[2]] if found else 0.0
    return per_s or None


def _number(low: float, *, whole: bool = False, optional: bool = True) -> Callable[[str, Any], Any]:
    kind = "a whole number" if whole else "a number"

    def check(name: str, value: Any) -> Any:
        if value is None and optional:
            return None
        good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not good or not low <= value < float("inf"):
            raise ValueError(f"expected {name} to be {kind} from {low:g} up{' or None' * optional}, got {value!r}")
        return value

    return check


def check_priority(name: str, value: Any) -> int | None:
    """Return the priority: 0 to 9, 9 goes first.

    Raises:
        ValueError: it isn't one.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value not in PRIORITIES:
        raise ValueError(f"expected {name} to be from 0 to 9 (9 goes first), got {value!r}")
    return value


def _exceptions(name: str, value: Any) -> tuple[type[BaseException], ...]:
    classes: Iterable[Any] = (value,) if isinstance(value, type) else value
    found = tuple(classes)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in found):
        raise ValueError(f"expected {name} to be exception classes, got {value!r}")
    return found


def _names(name: str, value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(each, str) and each for each in found):
        raise ValueError(f"expected {name} to be names of arguments, got {value!r}")
    return found


def _retry_arguments(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected {name} to be a mapping of arguments for retry(), got {value!r}")
    for argument in value:
        if argument not in RETRY_ARGUMENTS:
            raise ValueError(f"unknown argument {argument!r} in {name}{suggest(str(argument), RETRY_ARGUMENTS)}")
    return value


def _serializer(_: str, value: Any) -> Any:
    if value is not None:
        get_codec_id(value)
    return value


def _compression(_: str, value: Any) -> Any:
    get_compression(value)
    return value


def check_queue(name: str, value: Any) -> Any:
    """Return the name of a queue, or None.

    Raises:
        ValueError: it isn't a text, or empty.
    """
    if value is not None and (not isinstance(value, str) or not value):
        raise ValueError(f"expected {name} to be a text that isn't empty, got {value!r}")
    return value


def _rate(_: str, value: Any) -> Any:
    parse_rate(value)
    return value


def _backoff(name: str, value: Any) -> Any:
    return value if isinstance(value, bool) else _number(0, optional=False)(name, value)


_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "queue": check_queue,
    "name": check_queue,
    "priority": check_priority,
    "rate_limit": _rate,
    "time_limit": _number(0.001),
    "soft_time_limit": _number(0.001),
    "max_retries": _number(0, whole=True),
    "default_retry_delay": _number(0, optional=False),
    "autoretry_for": _exceptions,
    "dont_autoretry_for": _exceptions,
    "retry_backoff": _backoff,
    "retry_kwargs": _retry_arguments,
    "retry_backoff_max": _number(0, optional=False),
    "max_deliveries": _number(1, whole=True),
    "expires": _number(0),
    "result_expires": _number(0),
    "serializer": _serializer,
    "compression": _compression,
    "throws": _exceptions,
    "redact": _names,
}
