"""Plugins' hooks around sends and runs: entered in the order of names, left in reverse.

Invariant: a hook may prevent a send or a run, never undo one. What it raises before is raised to whoever sends, or is how
the run ends; what it raises after is logged and dropped, because the task is on its way or has ended. An exception of the
send or the task passes through all of them and goes on unchanged, also where one of them says that it has dealt with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from actorq.errors import PluginError
from actorq.log import get_logger
from actorq.plugins.plugin import overrides
from actorq.plugins.values import Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Literal

    from actorq.plugins.plugin import Plugin  # noqa: TC004  nobody decodes Hooks
    from actorq.plugins.values import Sending
    from actorq.tasks.request import Request

__all__ = ["Around", "HookedTask", "HookedTasks", "Hooks", "find_hooks"]

log = get_logger(__name__)


class Hooks(msgspec.Struct, frozen=True):
    """The plugins which have a hook of each kind, in the order of names."""

    sending: tuple[Plugin, ...] = ()
    running: tuple[Plugin, ...] = ()


NO_HOOKS: Final = Hooks()


def find_hooks(plugins: Iterable[Plugin]) -> Hooks:
    """Return who of these overrides which hook."""
    all_of_them = tuple(plugins)
    return Hooks(
        tuple(one for one in all_of_them if overrides(one, "sending")),
        tuple(one for one in all_of_them if overrides(one, "running")),
    )


class Around:
    """The context of all hooks of one kind around one call or run."""

    __slots__ = ("_caught", "_entered", "_kind", "_plugins", "_subject")

    def __init__(
        self,
        kind: Literal["sending", "running"],
        plugins: Sequence[Plugin],
        subject: Sending | Running,
        caught: type[BaseException] = Exception,
    ) -> None:
        """Keep it all; `caught` is the class of those errors after the send or run that are logged."""
        self._kind, self._plugins, self._subject, self._caught = kind, plugins, subject, caught
        self._entered: list[tuple[Plugin, AbstractContextManager[object]]] = []

    def __enter__(self) -> None:
        for plugin in self._plugins:
            try:
                manager = self._enter(plugin)
            except BaseException as error:
                error.add_note(f"raised by plugin {plugin.name!r}, in {self._kind}(), before the task")
                self.__exit__(type(error), error, error.__traceback__)
                raise
            if manager is not None:
                self._entered.append((plugin, manager))

    def _enter(self, plugin: Plugin) -> AbstractContextManager[object] | None:
        manager: Any = getattr(plugin, self._kind)(self._subject)
        if manager is None:
            return None
        if not (hasattr(manager, "__enter__") and hasattr(manager, "__exit__")):
            problem = f"expected {self._kind}() to return a context manager or None, got {type(manager).__qualname__}"
            raise PluginError(plugin.name, plugin.origin, f"{problem}; is @contextmanager missing?")
        manager.__enter__()
        found: AbstractContextManager[object] = manager
        return found

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        interrupt: BaseException | None = None
        while self._entered:
            plugin, manager = self._entered.pop()
            try:
                manager.__exit__(kind, exc, tb)
            except BaseException as error:  # noqa: BLE001  the others are to be left, too
                if error is exc:
                    continue
                if isinstance(error, self._caught):
                    self._log(plugin, error)
                else:
                    interrupt = error
        if interrupt is not None:
            raise interrupt

    def _log(self, plugin: Plugin, error: BaseException) -> None:
        log.error(
            "plugin_hook_failed",
            plugin=plugin.name,
            hook=self._kind,
            task=self._subject.task,
            error=f"{type(error).__name__}: {error}",
            consequence="none: the task went its way",
            exc_info=error,
        )


class _Task(Protocol):
    """What a slot, and `apply`, need of a task."""

    name: str
    is_coroutine: bool
    handlers: frozenset[str]

    @property
    def definition(self) -> Any:
        """The task as its application knows it."""
        ...

    def run_delivery(self, args: tuple[Any, ...], kwargs: dict[str, Any], request: Request) -> Any:
        """Run it and return the result, or the coroutine that will."""
        ...


class HookedTask:
    """A task with hooks around each of its runs; looks to a slot like any task."""

    __slots__ = ("_plugins", "_task", "definition", "handlers", "is_coroutine", "name")

    def __init__(self, task: _Task, plugins: Sequence[Plugin]) -> None:
        self._task, self._plugins = task, plugins
        self.name, self.is_coroutine = task.name, task.is_coroutine
        self.definition, self.handlers = task.definition, task.handlers

    def run_delivery(self, args: tuple[Any, ...], kwargs: dict[str, Any], request: Request) -> Any:
        """Run it and return the result, or the coroutine that will."""
        run = Running(self.name, request, args, kwargs, request.headers)
        # In a slot nothing that code raises gets any further than its report; here, Ctrl-C must.
        around = Around("running", self._plugins, run, Exception if request.is_eager else BaseException)
        if self.is_coroutine:
            return self._run_coroutine(around, run)
        with around:
            result = run.result = self._task.run_delivery(args, kwargs, run.request)
        return result

    async def _run_coroutine(self, around: Around, run: Running) -> Any:
        with around:
            result = run.result = await self._task.run_delivery(run.args, run.kwargs, run.request)
        return result


class HookedTasks:
    """Stands for a mapping of tasks where a slot looks them up; tasks that are defined later are hooked as well."""

    def __init__(self, tasks: dict[str, Any], plugins: Sequence[Plugin]) -> None:
        self._tasks, self._plugins = tasks, plugins
        self._hooked: dict[str, tuple[_Task, HookedTask]] = {}

    def get(self, name: str, default: None = None) -> HookedTask | None:
        """Return the task with its hooks, or None."""
        task = self._tasks.get(name)
        if task is None:
            return default
        known = self._hooked.get(name)
        if known is None or known[0] is not task:
            known = self._hooked[name] = (task, HookedTask(task, self._plugins))
        return known[1]

    def __iter__(self) -> Any:
        return iter(self._tasks)
