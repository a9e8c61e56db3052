"""Which queue a task goes to, and with which priority, by the setting `task_routes`. Pure.

The setting is read once into `Routes`, which finds every mistake in it. From that `Routes.plan` makes one task's
`Routing`: what doesn't depend on a call is settled there, so a send has nothing to look up unless functions have a say.

The order is Celery's (its "Routing Tasks", and what its 5.7 does): what a call says, then what the task itself says, then
its route, then the defaults; queue and priority each by itself. Routes are asked in their order, and the first with an
answer is the only one; within a mapping exact names go before patterns, patterns in their order.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from actorq.config import suggest
from actorq.errors import ConfigError
from actorq.tasks.options import check_priority, check_queue
from actorq.tasks.patterns import read_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.config import Settings
    from actorq.messages.task import TaskMessage

__all__ = ["Route", "Router", "Routes", "Routing"]

ROUTE_OPTIONS: Final = ("queue", "priority")
_ROUTE: Final = "a queue's name or a mapping with 'queue', 'priority' or both"

Router: TypeAlias = Callable[[str, tuple[Any, ...], dict[str, Any], dict[str, Any]], "str | Mapping[str, Any] | None"]


class Route(msgspec.Struct, frozen=True):
    """What is said of a task; None: nothing is."""

    queue: str | None = None
    priority: int | None = None

    def over(self, weaker: Route) -> Route:
        """Return this, with what `weaker` says where this says nothing."""
        return Route(
            weaker.queue if self.queue is None else self.queue,
            weaker.priority if self.priority is None else self.priority,
        )


class _Table(msgspec.Struct, frozen=True):
    """One mapping of the setting."""

    exact: Mapping[str, Route]
    patterns: tuple[tuple[re.Pattern[str], Route], ...]

    def find(self, name: str) -> Route | None:
        found = self.exact.get(name)
        return found or next((route for pattern, route in self.patterns if pattern.match(name)), None)


class Routing(msgspec.Struct, frozen=True):
    """One task's routes: `routers` are asked at each call, `otherwise` holds where none of them has an answer.

    `own` is what the task itself says; where nobody says anything, the defaults hold.
    """

    name: str
    routers: tuple[Router, ...]
    otherwise: Route
    own: Route
    default_queue: str
    default_priority: int

    def settle(self, answer: Route | None = None) -> tuple[str, int]:
        """Return queue and priority of a call that says nothing itself, where the routers gave `answer`."""
        said = self.own.over(self.otherwise if answer is None else answer)
        queue = self.default_queue if said.queue is None else said.queue
        return queue, self.default_priority if said.priority is None else said.priority

    def find(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, int]:
        """Return queue and priority of one call, its options not yet applied; routers see them over the task's own.

        Raises:
            TypeError, ValueError: a router's answer is no route. Whatever a router raises comes through.
        """
        own = {"queue": self.own.queue, "priority": self.own.priority}
        given = {name: value for name, value in {**own, **options}.items() if value is not None}
        for router in self.routers:
            # Copies: what a router does to them mustn't change the call.
            answer = router(self.name, args, dict(kwargs), dict(given))
            if answer is not None:
                return self.settle(read_route(answer, f"router {_name(router)} for task {self.name}", "answer"))
        return self.settle()

    def apply(
        self, template: TaskMessage, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> TaskMessage:
        """Return a message like `template` that goes where the routers say."""
        queue, priority = self.find(args, kwargs, options)
        return msgspec.structs.replace(template, queue=queue, priority=priority)


class Routes:
    """The setting `task_routes`, read: a mapping, a function, or a list of such, asked in this order.

    Raises:
        ConfigError: a part of it is none of these, or a route in it doesn't fit.
    """

    __slots__ = ("_steps",)

    def __init__(self, setting: Any = None) -> None:
        steps = [] if setting is None else setting if isinstance(setting, list | tuple) else [setting]
        try:
            self._steps = tuple(_read_step(step) for step in steps)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"task_routes: {error}") from None

    def plan(self, name: str, own: Route, conf: Settings) -> Routing:
        """Return the routing of the task `name`, which itself says `own`."""
        defaults = conf.default_queue, conf.default_priority
        routers: list[Router] = []
        for step in self._steps:
            if not isinstance(step, _Table):
                routers.append(step)
                continue
            found = step.find(name)
            if found is not None:  # nobody after it is asked
                return Routing(name, tuple(routers), found, own, *defaults)
        return Routing(name, tuple(routers), Route(), own, *defaults)

    def __repr__(self) -> str:
        return f"<Routes: {len(self._steps)} steps>"


def read_route(value: Any, where: str, what: str = "route") -> Route:
    """Return a route from a queue's name or a mapping of options.

    Raises:
        TypeError: it is neither, or has an option that no route has.
        ValueError: an option's value doesn't fit.
    """
    if isinstance(value, str):
        value = {"queue": value}
    if not isinstance(value, Mapping):
        raise TypeError(f"expected the {what} of {where} to be {_ROUTE}, got {value!r}")
    for option in value:
        if option not in ROUTE_OPTIONS:
            hint = suggest(str(option), ROUTE_OPTIONS) or "; a route says queue and priority, a call the rest"
            raise TypeError(f"unknown option {option!r} in the {what} of {where}{hint}")
    queue, priority = value.get("queue"), value.get("priority")
    return Route(check_queue(f"queue of {where}", queue), check_priority(f"priority of {where}", priority))


def _read_step(step: Any) -> _Table | Router:
    if isinstance(step, Mapping):
        return _read_table(step.items())
    if _is_pair(step):
        return _read_table([step])
    if isinstance(step, list | tuple):
        return _read_table(step)
    if not callable(step) or isinstance(step, type):
        hint = "; import the function and give it itself" if isinstance(step, str) else ""
        raise TypeError(f"expected mappings of task names, or functions, got {step!r}{hint}")
    return _check_router(step)


def _is_pair(step: Any) -> bool:
    return isinstance(step, tuple) and len(step) == 2 and isinstance(step[0], str | re.Pattern)


def _read_table(items: Iterable[Any]) -> _Table:
    exact: dict[str, Route] = {}
    patterns: list[tuple[re.Pattern[str], Route]] = []
    for item in items:
        if not (isinstance(item, list | tuple) and len(item) == 2):
            raise TypeError(f"expected pairs of a task's name and its route, got {item!r}")
        key, value = item
        route = read_route(value, repr(key.pattern if isinstance(key, re.Pattern) else key))
        pattern = read_pattern(key)
        if pattern is not None:
            patterns.append((pattern, route))
        elif key in exact:
            raise ValueError(f"expected one route for {key!r}, got two")
        else:
            exact[key] = route
    return _Table(exact, tuple(patterns))


def _check_router(router: Router) -> Router:
    try:
        inspect.signature(router).bind("name", (), {}, {})
    except TypeError as error:
        raise TypeError(
            f"expected router {_name(router)} to take (name, args, kwargs, options), got one for which {error}"
        ) from None
    except ValueError:  # a callable without a signature, of an extension: its first call will tell
        pass
    return router


def _name(router: Router) -> str:
    return str(getattr(router, "__qualname__", None) or repr(router))
