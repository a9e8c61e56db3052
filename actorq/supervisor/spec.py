"""What a supervisor knows of a child before there is one, and how it is checked.

Everything is checked before anything starts; each fault has an error of its own that names field and value (R3, R4).
Fields and their meaning: OTP's supervisor, "Child specification".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from actorq.actors import Actor
from actorq.errors import ConfigError
from actorq.supervisor.backoff import Backoff
from actorq.supervisor.strategy import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "AutoShutdown",
    "BadAutoShutdown",
    "BadExhausted",
    "BadIntensity",
    "BadMaxChildren",
    "BadPeriod",
    "BadRequirement",
    "BadRestart",
    "BadShutdown",
    "BadSignificant",
    "BadStrategy",
    "BadType",
    "Checked",
    "ChildSpec",
    "DuplicateId",
    "MissingActor",
    "MissingId",
    "SpecError",
    "check_flags",
    "check_spec",
    "check_specs",
    "is_count",
]

Restart = Literal["permanent", "transient", "temporary"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
RESTARTS: Final = ("permanent", "transient", "temporary")
TYPES: Final = ("worker", "supervisor")
EXHAUSTED: Final = ("escalate", "park")
AUTO_SHUTDOWNS: Final = ("never", "any_significant", "all_significant")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start, restart and stop one child.

    `shutdown` is how long it may take to end: seconds, "infinity" (the default of supervisors) or "brutal_kill".
    `requires` and `rebind` are ids of siblings, for the strategy `dependents`; `rebind` names those whose restart this
    child survives. `exhausted` says what happens when its restarts used up the intensity: "escalate", or "park" (it stays
    down, the tree shows it as parked, and it is tried again slowly). A keyword argument that is a `Named` is handed to the
    actor as a NameRef.
    """

    id: str
    actor: type[Actor]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = "permanent"
    significant: bool = False
    shutdown: float | Literal["infinity", "brutal_kill"] | None = None
    type: Literal["worker", "supervisor"] = "worker"
    name: str | None = None
    requires: tuple[str, ...] = ()
    rebind: tuple[str, ...] = ()
    backoff: Backoff = field(default_factory=Backoff)
    exhausted: Literal["escalate", "park"] = "escalate"

    @property
    def shutdown_s(self) -> float | None:
        """Return the seconds it has to end in good order; None: as long as it takes; 0.0 for brutal_kill."""
        if self.shutdown is None:
            return None if self.type == "supervisor" else 5.0
        if isinstance(self.shutdown, str):
            return None if self.shutdown == "infinity" else 0.0
        return self.shutdown


class SpecError(ConfigError, ValueError):
    """`field` of the child (or of the flags of its supervisor) has a `value` that can't be used."""

    def __init__(self, where: str, field: str, expected: str, value: object) -> None:
        self.where, self.field, self.expected, self.value = where, field, expected, value
        super().__init__(f"{where}: expected {field} to be {expected}, got {value!r}")


class MissingId(SpecError):
    """A child without an id."""


class DuplicateId(SpecError):
    """Two children of the same id."""


class MissingActor(SpecError):
    """A child without something to start."""


class BadRestart(SpecError):
    """An unknown restart type."""


class BadShutdown(SpecError):
    """A shutdown that is neither seconds, nor infinity, nor brutal_kill."""


class BadType(SpecError):
    """Neither worker nor supervisor."""


class BadSignificant(SpecError):
    """`significant` where it could never have an effect."""


class BadRequirement(SpecError):
    """A requirement that isn't an earlier sibling, or a rebind that isn't a requirement."""


class BadExhausted(SpecError):
    """Neither escalate nor park."""


class BadStrategy(SpecError):
    """An unknown strategy."""


class BadIntensity(SpecError):
    """An intensity that isn't a whole number of at least 0."""


class BadPeriod(SpecError):
    """A period that isn't positive."""


class BadAutoShutdown(SpecError):
    """An unknown auto_shutdown, or one where it isn't possible."""


class BadMaxChildren(SpecError):
    """A bound on children that isn't a positive whole number."""


Checked = tuple[ChildSpec, ...]


def check_specs(specs: Iterable[ChildSpec], auto_shutdown: AutoShutdown = "never") -> Checked:
    """Return the specs as a tuple.

    Raises:
        SpecError: one of its subclasses, for the first fault in the order of the list.
    """
    checked: list[ChildSpec] = []
    earlier: set[str] = set()
    for spec in specs:
        check_spec(spec, auto_shutdown)
        if spec.id in earlier:
            raise DuplicateId(_where(spec), "id", "unique among its siblings", spec.id)
        for wanted in spec.requires:
            if wanted not in earlier:
                raise BadRequirement(_where(spec), "requires", "ids of earlier siblings", wanted)
        checked.append(spec)
        earlier.add(spec.id)
    return tuple(checked)


def check_spec(spec: ChildSpec, auto_shutdown: AutoShutdown = "never") -> None:
    """Check what can be said of one spec alone.

    Raises:
        SpecError: one of its subclasses.
    """
    where = _where(spec)
    if not _is_text(spec.id):
        raise MissingId(where, "id", "a text that isn't empty", spec.id)
    if not _is_actor_class(spec.actor):
        raise MissingActor(where, "actor", "a subclass of Actor", spec.actor)
    if spec.restart not in RESTARTS:
        raise BadRestart(where, "restart", _one_of(RESTARTS), spec.restart)
    if not _is_shutdown(spec.shutdown):
        raise BadShutdown(where, "shutdown", "seconds of at least 0, 'infinity' or 'brutal_kill'", spec.shutdown)
    if spec.type not in TYPES:
        raise BadType(where, "type", _one_of(TYPES), spec.type)
    if spec.exhausted not in EXHAUSTED:
        raise BadExhausted(where, "exhausted", _one_of(EXHAUSTED), spec.exhausted)
    if spec.significant and (spec.restart == "permanent" or auto_shutdown == "never"):
        why = "False for a permanent child" if spec.restart == "permanent" else "False where auto_shutdown is 'never'"
        raise BadSignificant(where, "significant", why, spec.significant)
    for rebound in spec.rebind:
        if rebound not in spec.requires:
            raise BadRequirement(where, "rebind", "among its requires", rebound)


def check_flags(strategy: str, intensity: int, period_s: float, auto_shutdown: str = "never") -> None:
    """Check the flags of a supervisor.

    Raises:
        SpecError: one of its subclasses.
    """
    if strategy not in STRATEGIES:
        raise BadStrategy("supervisor", "strategy", _one_of(STRATEGIES), strategy)
    if not is_count(intensity, 0):
        raise BadIntensity("supervisor", "intensity", "a whole number of at least 0", intensity)
    if not _is_number(period_s) or not period_s > 0:
        raise BadPeriod("supervisor", "period_s", "seconds above 0", period_s)
    if auto_shutdown not in AUTO_SHUTDOWNS:
        raise BadAutoShutdown("supervisor", "auto_shutdown", _one_of(AUTO_SHUTDOWNS), auto_shutdown)


def _where(spec: ChildSpec) -> str:
    return f"child {spec.id!r}"


def is_count(value: object, least: int) -> bool:
    """Return whether `value` is a whole number of at least `least`; True and False aren't numbers here."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


# What a type checker has promised isn't what arrives from configuration: the checks take `object`.


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_actor_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Actor)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_shutdown(value: object) -> bool:
    if isinstance(value, str):
        return value in ("infinity", "brutal_kill")
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)


def _one_of(values: Sequence[str]) -> str:
    return "one of " + ", ".join(repr(value) for value in values)
