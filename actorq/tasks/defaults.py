"""What the settings say of tasks' options: for all of them (`task_max_retries`, …) and by name (`task_annotations`). Pure.

For each option, the first that says something counts:

1. the call, for options that a call has;
2. `task_annotations`, an exact name before patterns, of those the first that matches;
3. the decorator;
4. the task's class, then its bases;
5. the settings `task_<option>`;
6. the attributes of `Task`.

So annotations change tasks whose code one can't change, as in Celery, and the other settings are for tasks that say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import ConfigError, SettingError
from actorq.tasks.options import OPTION_NAMES, check_limits, check_options
from actorq.tasks.patterns import read_pattern

if TYPE_CHECKING:
    import re

    from actorq.config import Settings

__all__ = ["GLOBAL_OPTIONS", "TaskDefaults", "settle_options"]

GLOBAL_OPTIONS: Final = (
    "acks_late",
    "autoretry_for",
    "default_retry_delay",
    "dont_autoretry_for",
    "expires",
    "ignore_result",
    "max_retries",
    "pydantic",
    "rate_limit",
    "redact",
    "retry_backoff",
    "retry_backoff_max",
    "retry_jitter",
    "retry_kwargs",
    "throws",
    "track_started",
    "typing",
)
"""Options with a setting `task_<option>`. The others' settings are read when a task is sent or run, under their own names."""
_OF_ONE_TASK: Final = frozenset({"name", "bind", "base"})


class TaskDefaults:
    """The settings of an application, as far as they are about tasks' options.

    Raises:
        ConfigError: one of them names an option that there isn't. SettingError: a value doesn't fit.
    """

    __slots__ = ("_exact", "_patterns", "weakest")

    def __init__(self, conf: Settings) -> None:
        found = {name: getattr(conf, f"task_{name}") for name in GLOBAL_OPTIONS}
        given = {name: value for name, value in found.items() if value is not None}
        self.weakest: Mapping[str, Any] = _check(given, "the settings")
        self._exact: dict[str, Mapping[str, Any]] = {}
        self._patterns: list[tuple[re.Pattern[str], Mapping[str, Any]]] = []
        for key, options in _read_annotations(conf.task_annotations):
            pattern = read_pattern(key)
            if pattern is None:
                self._exact[key] = options
            else:
                self._patterns.append((pattern, options))

    def find(self, name: str) -> dict[str, Any]:
        """Return what the annotations say of the task `name`."""
        found: dict[str, Any] = {}
        for pattern, options in reversed(self._patterns):
            if pattern.match(name):
                found.update(options)
        return found | dict(self._exact.get(name, {}))


def settle_options(defaults: TaskDefaults, said: Mapping[str, Any], base: type) -> dict[str, Any]:
    """Return all options of a task: `said` by its decorator and class, annotated, from the settings, or those of `base`.

    Raises:
        ValueError: they don't go together.
    """
    name = said["name"]
    settled = {option: getattr(base, option) for option in OPTION_NAMES if hasattr(base, option)}
    settled.update(defaults.weakest)
    settled.update({option: value for option, value in said.items() if option not in _OF_ONE_TASK})
    settled.update(defaults.find(name))
    check_limits(settled["soft_time_limit"], settled["time_limit"])
    return {option: value for option, value in settled.items() if option not in _OF_ONE_TASK}


def _read_annotations(setting: Any) -> list[tuple[Any, Mapping[str, Any]]]:
    if setting is None:
        return []
    if not isinstance(setting, Mapping):
        raise ConfigError(f"expected task_annotations to be a mapping of names and options, got {setting!r}")
    read: list[tuple[Any, Mapping[str, Any]]] = []
    for name, options in setting.items():
        try:
            read_pattern(name)
        except TypeError as error:
            raise ConfigError(f"task_annotations: {error}") from None
        if not isinstance(options, Mapping):
            raise ConfigError(f"expected task_annotations[{name!r}] to be a mapping of options, got {options!r}")
        if wrong := sorted(_OF_ONE_TASK.intersection(options)):
            raise ConfigError(
                f"expected task_annotations[{name!r}] without {wrong[0]!r}, which only a task says itself"
            )
        read.append((name, _check(options, f"task_annotations[{name!r}]")))
    return read


def _check(options: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    try:
        return check_options(options, where)
    except TypeError as error:
        raise ConfigError(str(error).replace(" for task ", " in ")) from None
    except ValueError as error:
        raise SettingError(f"{where}: {error}") from None


assert OPTION_NAMES.issuperset(GLOBAL_OPTIONS)
