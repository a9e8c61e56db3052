"""The set of an application's tasks, how a function or a class becomes one, and the settings they go by.

Invariant: a name stands for one task; defining it again is only allowed from the same place. Nothing is sent from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from actorq.client.loading import find_module_name, import_module
from actorq.tasks.defaults import TaskDefaults
from actorq.tasks.origins import check_redefinition
from actorq.tasks.routing import Routes
from actorq.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Concatenate, Literal, ParamSpec, Protocol, Unpack

    from actorq.app import App
    from actorq.config import Settings
    from actorq.tasks.options import TaskOptions
    from actorq.tasks.task import CoroutineTask

    P = ParamSpec("P")

    class Decorator(Protocol):
        @overload
        def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...

    class BoundDecorator(Protocol):
        @overload
        def __call__(
            self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
        ) -> CoroutineTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...


__all__ = ["Registry"]

R = TypeVar("R")
T = TypeVar("T", bound="Task[..., Any]")


class Registry:
    """What `App` knows of its tasks; there is no other subclass."""

    def __init__(self, conf: Settings, include: Iterable[str]) -> None:
        self.conf = conf
        self.routes, self.task_defaults = Routes(conf.task_routes), TaskDefaults(conf)
        self.include = (include,) if isinstance(include, str) else tuple(include)
        self.tasks: dict[str, Task[..., Any]] = {}

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, *, bind: Literal[True], **options: Unpack[TaskOptions]) -> BoundDecorator: ...
    @overload
    def task(self, *, bind: Literal[False] = False, **options: Unpack[TaskOptions]) -> Decorator: ...
    def task(self, *function: Any, **options: Any) -> Any:
        """Make a function or a coroutine function a task; with or without options: `@app.task`, `@app.task(bind=True)`.

        Raises:
            TypeError, ValueError: an option is unknown or doesn't fit, or the name is taken by another function.
        """
        if len(function) > 1:
            raise TypeError(f"expected one function, got {len(function)} positional arguments")
        if function:
            return self._define(function[0], options)
        return lambda function: self._define(function, options)

    def _define(self, function: Any, options: dict[str, Any]) -> Task[..., Any]:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"expected a function as a task, got {function!r}; use register_task for a class")
        base = options.get("base") or Task
        if not (isinstance(base, type) and issubclass(base, Task)):
            raise TypeError(f"expected base to be a subclass of actorq.Task, got {base!r}")
        name = options.get("name") or f"{find_module_name(function)}.{function.__qualname__}"
        task: Task[..., Any] = base()
        task.attach(cast("App", self), name, function, options)
        return self._register(task)

    def register_task(self, task: T | type[T]) -> T:
        """Register a class-based task, given as the class or as an instance; return the instance.

        Raises:
            TypeError, ValueError: it isn't a task, one of its attributes doesn't fit, or another task has the name.
        """
        instance = task() if isinstance(task, type) else task
        if not isinstance(instance, Task):
            raise TypeError(f"expected a subclass of actorq.Task or an instance of one, got {task!r}")
        name = instance.name or f"{find_module_name(type(instance))}.{type(instance).__qualname__}"
        instance.attach(cast("App", self), name, None, {})
        self._register(instance)
        return instance

    def _register(self, task: Task[..., Any]) -> Task[..., Any]:
        known = self.tasks.get(task.name)
        if known is not None:
            check_redefinition(task.name, known.body, task.body)
        self.tasks[task.name] = task
        return task

    def import_includes(self) -> None:
        """Import the modules of `include`, so that their tasks are there.

        Raises:
            ConfigError: one of them can't be imported.
        """
        for name in self.include:
            import_module(name)

    def use_settings(self, conf: Settings) -> None:
        """Have the tasks go by other settings from now on."""
        routes, defaults = Routes(conf.task_routes), TaskDefaults(conf)
        self.conf, self.routes, self.task_defaults = conf, routes, defaults
        for task in self.tasks.values():
            task.apply_settings()

    def _forget_plans(self) -> None:
        """Have each task planned anew when it is sent next."""
        for task in self.tasks.values():
            task.forget_plan()
