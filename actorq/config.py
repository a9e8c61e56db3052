"""Settings: one frozen value, where each field came from, and what makes it wrong.

Sources, weakest first: the defaults below, the application's `config=`, the environment (`ACTORQ_<NAME>`), the command
line. A setting that nobody knows is an error with the nearest name, because a typo that is silently ignored costs
somebody a night.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

from actorq.errors import ConfigError, SettingError
from actorq.pools import KINDS, read_pools
from actorq.queue_rules import ON_FULL, QueueRule, read_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "COMPRESSIONS",
    "DURABILITIES",
    "PLAIN_CONTENT",
    "POOLS",
    "SERIALIZERS",
    "Settings",
    "load_settings",
    "suggest",
]

DURABILITIES: Final = ("power", "process", "none")
SERIALIZERS: Final = ("msgpack", "json", "pickle", "cloudpickle")
PLAIN_CONTENT: Final = ("msgpack", "json")  # serializers that are data
COMPRESSIONS: Final = ("none", "zlib", "zstd")
POOLS: Final = tuple(KINDS)
ENVIRONMENT_PREFIX: Final = "ACTORQ_"
# Celery's names for what has one here already.
ALIASES: Final = {"task_default_queue": "default_queue", "task_default_priority": "default_priority"}
# Environment variables of the command line that aren't settings.
_NOT_SETTINGS: Final = frozenset({"HOME", "APP", "LOGLEVEL", "LOGSTYLE", "NODE", "PLUGIN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an application, a client and a node can be told. Times in seconds, sizes in bytes."""

    durability: Literal["power", "process", "none"] = "power"
    default_queue: str = "default"
    default_priority: int = 0
    task_serializer: str = "msgpack"  # of arguments, for tasks that say nothing
    result_serializer: str | None = None  # of results; None: that of the task's arguments
    accept_content: tuple[str, ...] = PLAIN_CONTENT  # what is decoded here; reading the others runs code
    task_compression: str | None = None  # of arguments, for tasks that say nothing
    result_compression: str | None = None
    compression_min_bytes: int = 4096  # smaller ones aren't worth it
    message_max_bytes: int = 64 << 20  # arguments or result of one task, before compression
    max_deliveries: int = 3
    result_expires_s: float = 86_400.0
    concurrency: int | None = None  # of each pool that doesn't say; None: as usual for its kind, 0: a hub without slots
    pool: str = "process"  # the kind of a node's only pool
    pools: tuple[str, ...] = ()  # instead of that: several, each as kind:concurrency@queue,queue
    queues: tuple[str, ...] = ()  # from which a node's slots take tasks; none: from all
    exclude_queues: tuple[str, ...] = ()
    drain_timeout_s: float = 30.0  # how long TERM lets running tasks finish
    outbox_max_tasks: int = 1_000_000
    outbox_max_bytes: int = 256 << 20
    queue_max_tasks: int = 20_000_000  # unfinished tasks in the store, all queues together
    task_queues: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)  # see `QueueRule`
    queue_max: int | None = None  # tasks that may wait in a queue of which `task_queues` doesn't say it
    queue_on_full: Literal["keep", "raise", "wait"] = "keep"  # what a send does then
    queue_wait_s: float = 30.0  # how long it waits
    queue_ageing_s: float | None = None  # after which a task that waits gains one level of priority; None: never
    task_inherit_parent_priority: bool = False  # a task sent by a task has its priority, where nothing else says one
    task_routes: Any = None  # by `actorq.tasks.routing.Routes`, which checks it; to a node its repr
    task_time_limit: float | None = None  # seconds, for tasks that say nothing; then their process is killed
    task_soft_time_limit: float | None = None  # the same; then SoftTimeLimitExceeded is raised inside them
    max_tasks_per_child: int | None = None  # after which a slot's process is replaced
    max_memory_per_child: int | None = None  # bytes of resident memory; beyond that it is replaced after its task
    task_annotations: Any = None  # options by the names of tasks; by `actorq.tasks.defaults`, which checks it
    # Options for tasks that say nothing; None: what `actorq.Task` says. Those with classes or mappings: in code only.
    task_acks_late: bool | None = None
    task_autoretry_for: Any = None
    task_default_retry_delay: float | None = None
    task_dont_autoretry_for: Any = None
    task_expires: float | None = None
    task_ignore_result: bool | None = None
    task_max_retries: int | None = None
    task_pydantic: bool | None = None
    task_rate_limit: str | float | None = None
    task_redact: tuple[str, ...] | None = None
    task_retry_backoff: bool | float | None = None
    task_retry_backoff_max: float | None = None
    task_retry_jitter: bool | None = None
    task_retry_kwargs: Any = None
    task_throws: Any = None
    task_track_started: bool | None = None
    task_typing: bool | None = None
    unenforced_limits: Literal["warn", "refuse"] = "warn"  # at a node's start, of tasks whose limits a pool can't keep
    prefetch_s: float = 0.05  # work that is put at a slot's elbow ahead of time
    task_always_eager: bool = False  # sends run here, for tests
    task_eager_propagates: bool = False  # then what a task raises is raised by the send
    plugins_disable: tuple[str, ...] = ()  # names of plugins that are left out, wherever they come from
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def replace(self, origin: str, values: Mapping[str, Any]) -> Self:
        """Return a copy with `values` checked and set, remembering that they came from `origin`.

        Raises:
            ConfigError: a name isn't a setting. SettingError: a value doesn't fit.
        """
        checked = {ALIASES.get(name, name): _check(name, value, origin) for name, value in values.items()}
        replaced = dataclasses.replace(self, **checked, origins={**self.origins, **dict.fromkeys(checked, origin)})
        soft_s, hard_s = replaced.task_soft_time_limit, replaced.task_time_limit
        if soft_s is not None and hard_s is not None and soft_s > hard_s:
            raise SettingError(
                f"expected task_soft_time_limit to be at most task_time_limit, got {soft_s:g} > {hard_s:g} (from {origin})"
            )
        return replaced

    @property
    def task_limits(self) -> tuple[float | None, float | None] | None:
        """Return `(soft_s, hard_s)` for tasks that say nothing; None: neither is set."""
        limits = self.task_soft_time_limit, self.task_time_limit
        return None if limits == (None, None) else limits

    @property
    def has_bounds(self) -> bool:
        """Whether any queue has a bound of its own."""
        return self.queue_max is not None or any(rule.get("max") for rule in self.task_queues.values())

    @property
    def broadcasts(self) -> tuple[str, ...]:
        """Return the queues whose tasks run on every node."""
        return tuple(queue for queue, rule in self.task_queues.items() if rule.get("broadcast"))

    def rule_of(self, queue: str) -> QueueRule:
        """Return what holds for a queue."""
        defaults = {"max": self.queue_max, "on_full": self.queue_on_full, "wait_s": self.queue_wait_s}
        return QueueRule(**{**defaults, **self.task_queues.get(queue, {})})

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, without their origins."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Settings) if field.name != "origins")


def load_settings(
    config: Mapping[str, Any] | object | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings of an application: defaults, `config` (a mapping, or any object's attributes), environment.

    Raises:
        ConfigError: see `Settings.replace`.
    """
    settings = Settings()
    if config is not None:
        settings = settings.replace("config", _as_mapping(config))
    found = {
        key.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for key, value in environ.items()
        if key.startswith(ENVIRONMENT_PREFIX)
    }
    # The environment is shared with other programs and other versions: unknown names there are left alone.
    names = (*_FIELDS, *ALIASES)
    known = {name: value for name, value in found.items() if name in names and name.upper() not in _NOT_SETTINGS}
    return settings.replace("environment", known) if known else settings


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, or an empty text."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _as_mapping(config: object) -> Mapping[str, Any]:
    if hasattr(config, "keys"):
        return cast("Mapping[str, Any]", config)
    return {name: getattr(config, name) for name in (*ALIASES, *_FIELDS) if hasattr(config, name)}


def _check(name: str, value: Any, origin: str) -> Any:
    if name not in _FIELDS and name not in ALIASES:
        raise ConfigError(f"unknown setting {name!r} in {origin}{suggest(name, (*_FIELDS, *ALIASES))}")
    try:
        return _CHECKS[ALIASES.get(name, name)](value)
    except (TypeError, ValueError) as error:
        raise SettingError(f"expected {name} to be {error}, got {value!r} (from {origin})") from None


def _number(low: float, *, whole: bool, high: float = float("inf")) -> Callable[[Any], float]:
    kind = "a whole number" if whole else "a number"
    bounds = f"{kind} from {low:g}" + (f" to {high:g}" if high != float("inf") else " up")

    def check(value: Any) -> float:
        try:
            number = int(value) if whole else float(value)
        except (TypeError, ValueError):
            raise ValueError(bounds) from None
        if isinstance(value, bool) or number != float(value) or not low <= number <= high:
            raise ValueError(bounds)
        return number

    return check


def _or_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(map(repr, choices))}")
        return str(value)

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that isn't empty")
    return value


def _flag(value: Any) -> bool:
    found = {"1": True, "true": True, "0": False, "false": False}.get(str(value).lower())
    if found is None or not isinstance(value, (bool, str)):
        raise ValueError("True or False (in the environment: 1 or 0)")
    return found


def _size(value: Any) -> int:
    """Return bytes: a number, or a text like "200M"."""
    problem = "a size in bytes of 1 up, or a text like '200M' (K, M, G: times 1024)"
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(problem)
    found = re.fullmatch(r"(\d+)(?:([KMG])(?:I?B)?)?", str(value).strip().upper())
    if found is None or not int(found[1]):
        raise ValueError(problem)
    return int(found[1]) << {None: 0, "K": 10, "M": 20, "G": 30}[found[2]]


def _flag_or_number(value: Any) -> bool | float:
    if isinstance(value, bool) or str(value).lower() in ("true", "false"):
        return _flag(value)
    try:
        return _number(0, whole=False)(value)
    except ValueError:
        raise ValueError("True, False or a number from 0 up") from None


def _as_given(value: Any) -> Any:
    """Return it; whoever goes by it checks it."""
    return value


def _names(value: Any) -> tuple[str, ...]:
    found = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in found):
        raise ValueError("names as a list, or in one text with commas between them")
    return tuple(dict.fromkeys(name for name in found if name))


def _serializers(value: Any) -> tuple[str, ...]:
    found = tuple(name.removeprefix("application/").removeprefix("x-") for name in _names(value))
    if not found or not set(found) <= set(SERIALIZERS):
        raise ValueError(f"some of {', '.join(map(repr, SERIALIZERS))}")
    return found


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "durability": _one_of(DURABILITIES),
    "default_queue": _text,
    "default_priority": _number(0, whole=True, high=9),
    "task_serializer": _one_of(SERIALIZERS),
    "result_serializer": _or_none(_one_of(SERIALIZERS)),
    "accept_content": _serializers,
    "task_compression": _or_none(_one_of((*COMPRESSIONS, "gzip"))),
    "result_compression": _or_none(_one_of((*COMPRESSIONS, "gzip"))),
    "compression_min_bytes": _number(0, whole=True),
    # The broker takes frames of 256 MiB, and there is something around the arguments.
    "message_max_bytes": _number(1024, whole=True, high=240 << 20),
    "max_deliveries": _number(1, whole=True),
    "result_expires_s": _number(0, whole=False),
    "concurrency": _or_none(_number(0, whole=True, high=10_000)),
    "pool": _one_of(POOLS),
    "pools": read_pools,
    "queues": _names,
    "exclude_queues": _names,
    "drain_timeout_s": _number(0, whole=False),
    "outbox_max_tasks": _number(1, whole=True),
    "outbox_max_bytes": _number(4096, whole=True),
    "queue_max_tasks": _number(1, whole=True),
    "task_queues": read_rules,
    "queue_max": _or_none(_number(1, whole=True)),
    "queue_on_full": _one_of(ON_FULL),
    "queue_wait_s": _number(0, whole=False),
    "queue_ageing_s": _or_none(_number(0.001, whole=False)),
    "task_inherit_parent_priority": _flag,
    "max_tasks_per_child": _or_none(_number(1, whole=True)),
    "max_memory_per_child": _or_none(_size),
    "task_routes": _as_given,
    "task_time_limit": _or_none(_number(0.001, whole=False)),
    "task_soft_time_limit": _or_none(_number(0.001, whole=False)),
    "task_annotations": _as_given,
    "task_acks_late": _or_none(_flag),
    "task_autoretry_for": _as_given,
    "task_default_retry_delay": _or_none(_number(0, whole=False)),
    "task_dont_autoretry_for": _as_given,
    "task_expires": _or_none(_number(0, whole=False)),
    "task_ignore_result": _or_none(_flag),
    "task_max_retries": _or_none(_number(0, whole=True)),
    "task_pydantic": _or_none(_flag),
    "task_rate_limit": _as_given,
    "task_redact": _or_none(_names),
    "task_retry_backoff": _or_none(_flag_or_number),
    "task_retry_backoff_max": _or_none(_number(0, whole=False)),
    "task_retry_jitter": _or_none(_flag),
    "task_retry_kwargs": _as_given,
    "task_throws": _as_given,
    "task_track_started": _or_none(_flag),
    "task_typing": _or_none(_flag),
    "unenforced_limits": _one_of(("warn", "refuse")),
    "prefetch_s": _number(0, whole=False, high=10),
    "task_always_eager": _flag,
    "task_eager_propagates": _flag,
    "plugins_disable": _names,
}
