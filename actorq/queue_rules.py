"""What the settings say about single queues: their bounds, and what a sender does at them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

__all__ = ["ON_FULL", "QueueRule", "read_rules"]

ON_FULL: Final = ("keep", "raise", "wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRule:
    """One queue: `max` tasks may wait in it (None: any number).

    At the bound a send keeps its task in the outbox, raises, or waits up to `wait_s`, as `on_full` says. With `broadcast` its
    tasks run once on every node.
    """

    max: int | None = None
    on_full: Literal["keep", "raise", "wait"] = "keep"
    wait_s: float = 30.0
    broadcast: bool = False


def read_rules(value: Any) -> dict[str, dict[str, Any]]:
    """Return rules by queue, as plain data: only what was said of each.

    Raises:
        ValueError: says what was expected; `value` isn't a mapping of names and rules.
    """
    names = [field.name for field in fields(QueueRule)]
    expected = f"a mapping of queues and mappings with {', '.join(map(repr, names))}"
    if not isinstance(value, Mapping):
        raise ValueError(expected)  # noqa: TRY004  as every check of a setting
    found = {}
    for queue, rule in value.items():
        if not isinstance(queue, str) or not queue or not isinstance(rule, Mapping):
            raise ValueError(expected)
        unknown = [name for name in rule if name not in names]
        if unknown:
            raise ValueError(f"{expected}; {queue!r} has {unknown[0]!r}")
        found[queue] = {name: _CHECKS[name](f"{name!r} of {queue!r}", said) for name, said in rule.items()}
    return found


def _check_max(what: str, said: Any) -> int | None:
    if said is not None and (not isinstance(said, int) or isinstance(said, bool) or said < 1):
        raise ValueError(f"a mapping where {what} is a whole number from 1 up, or None")
    return said


def _check_on_full(what: str, said: Any) -> str:
    if said not in ON_FULL:
        raise ValueError(f"a mapping where {what} is one of {', '.join(map(repr, ON_FULL))}")
    return str(said)


def _check_wait(what: str, said: Any) -> float:
    if not isinstance(said, int | float) or isinstance(said, bool) or not said >= 0:
        raise ValueError(f"a mapping where {what} is a number of seconds from 0 up")
    return float(said)


def _check_flag(what: str, said: Any) -> bool:
    if not isinstance(said, bool):
        raise ValueError(f"a mapping where {what} is True or False")  # noqa: TRY004  as every check of a setting
    return said


_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "max": _check_max,
    "on_full": _check_on_full,
    "wait_s": _check_wait,
    "broadcast": _check_flag,
}
