"""A task: a function with a name, options, and ways to call it elsewhere.

`task(...)` runs it here. `delay` and `apply_async` hand it to the application, which writes it to the outbox. In a slot,
`run_delivery` runs it and turns exceptions that it should be retried for into `Retry`.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from actorq.codec.failures import register_expected
from actorq.errors import Retry
from actorq.tasks.arguments import compile_check
from actorq.tasks.composing import Composable
from actorq.tasks.defaults import settle_options
from actorq.tasks.handlers import ErrorInfo, find_handlers
from actorq.tasks.options import OPTION_NAMES, check_limits, check_options
from actorq.tasks.plan import plan_sends
from actorq.tasks.request import Request, current, pop_request, push_request
from actorq.tasks.retrying import plan_autoretry, plan_retry
from actorq.tasks.updates import update_state
from actorq.tasks.validation import check_installed, dump_models, validate_calls

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from typing import Never

    from actorq.app import App
    from actorq.eager_result import EagerResult
    from actorq.results import AsyncResult
    from actorq.tasks.plan import SendPlan

__all__ = ["CoroutineTask", "Task"]

P = ParamSpec("P")
R = TypeVar("R")


class Task(Composable, Generic[P, R]):
    """Base of all tasks. Subclass it with a `run` for a class-based task; the attributes below are its options.

    None means: as the application's settings say.
    """

    name: str = ""
    queue: str | None = None
    priority: int | None = None
    rate_limit: str | float | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    max_retries: int | None = 3
    default_retry_delay: float = 180.0
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | float = False
    retry_backoff_max: float = 600.0
    retry_jitter: bool = True
    acks_late: bool = True
    max_deliveries: int | None = None
    expires: float | None = None
    ignore_result: bool = False
    result_expires: float | None = None
    track_started: bool = False
    serializer: str | None = None
    compression: str | None = None
    typing: bool = True
    throws: tuple[type[BaseException], ...] = ()
    pydantic: bool = False
    redact: tuple[str, ...] = ()

    is_coroutine: bool = False
    __wrapped__: Callable[..., Any]
    __name__: str
    _plan: SendPlan | None = None
    handlers: frozenset[str] = frozenset()
    _is_simple: bool = True
    _validated: Callable[..., Any] | None = None
    _function: Callable[..., Any] | None = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; class-based tasks override this."""
        if self._function is None:
            raise NotImplementedError(f"expected task {self.name or type(self).__qualname__} to define run()")
        return self._function(*args, **kwargs)

    # -- definition ---------------------------------------------------------------------------------------------------

    def attach(self, app: App, name: str, function: Callable[..., Any] | None, options: Mapping[str, Any]) -> None:
        """Make this the task `name` of `app`: called once, by the application.

        `function` is None for a class-based task. `options` override the class's attributes.

        Raises:
            TypeError, ValueError: see `check_options`.
        """
        self.app = app
        said = {key: getattr(self, key) for key in OPTION_NAMES if key in vars(self) or _says(type(self), key)}
        self._said = check_options({**said, **options, "name": name}, name)
        self._settle_options()
        if function is not None:
            functools.update_wrapper(self, function)
            if options.get("bind"):
                self.__wrapped__ = functools.partial(function, self)
            self._function = self.__wrapped__
        self._find_ways()

    def _find_ways(self) -> None:
        """Find out what sends and runs needn't ask each time."""
        self._plan, body = None, self.body
        self.is_coroutine = inspect.iscoroutinefunction(body)
        self._check = compile_check(body, skip_first=False) if self.typing else None
        self.handlers = find_handlers(type(self), Task)
        self._is_simple = not self.autoretry_for and "before_start" not in self.handlers and not self.pydantic
        self._validated = None

    def apply_settings(self) -> None:
        """Go by other settings of the application from now on."""
        self._settle_options()
        self._find_ways()

    def _settle_options(self) -> None:
        """Make attributes of what settings, class and decorator say: see `actorq.tasks.defaults`."""
        defaults = self.app.task_defaults
        self.__dict__.update(settle_options(defaults, self._said, Task), name=self._said["name"])
        register_expected(self.throws)
        if self.pydantic:
            check_installed(self.name)
        check_limits(self.soft_time_limit, self.time_limit or self.app.conf.task_time_limit)

    @property
    def body(self) -> Callable[..., Any]:
        """What does the work: the function, bound where it is to be, or `run`."""
        return self._function or self.run

    def get_plan(self) -> SendPlan:
        """Return what all sends of this task have in common."""
        if self._plan is None:
            self._plan = plan_sends(self, self._check)
        return self._plan

    def forget_plan(self) -> None:
        """Work the plan out again at the next send: plugins have changed."""
        self._plan = None

    # -- calling ------------------------------------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the task here and now, as the plain function it was."""
        request = Request.make_local(self.name, args, kwargs)
        request.owner = self
        token = push_request(request)
        try:
            value: R = self.body(*args, **kwargs)
            return value
        finally:
            pop_request(token)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send the task; returns as soon as it is in the outbox.

        Raises:
            TypeError: the arguments don't fit the task.
            EncodeError: they don't fit its serializer. MessageTooLarge: they are more than a message may hold.
            QueueFull: the outbox is at its bound.
        """
        result: AsyncResult[R] = self.app.send(self._plan or self.get_plan(), args, kwargs)
        return result

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: datetime.datetime | float | None = None,
        expires: datetime.datetime | float | None = None,
        queue: str | None = None,
        priority: int | None = None,
        serializer: str | None = None,
        compression: str | None = None,
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        ignore_result: bool | None = None,
        max_deliveries: int | None = None,
        result_expires: float | None = None,
        headers: Mapping[str, Any] | None = None,
        argsrepr: str | None = None,
        kwargsrepr: str | None = None,
        shadow: str | None = None,
        retry_policy: Mapping[str, Any] | None = None,
        link: Any = None,
        link_error: Any = None,
        confirm: bool = False,
        **unknown: Never,
    ) -> AsyncResult[R]:
        """Send the task with options for this call.

        `countdown` seconds from now, or `eta`, an aware datetime (or Unix seconds), is when it may start; after `expires`
        (an aware datetime, or seconds from now) it doesn't start any more. `task_id` is kept as another name of the task.
        `headers`, plain data under names, arrive as `request.headers`. `argsrepr` and `kwargsrepr` are shown to people instead
        of the arguments. `confirm=True` waits until the broker has committed it. `link` and `link_error`, signatures or lists of
        them, are called when it has ended well, or has failed.

        Raises:
            TypeError, ValueError: an argument or an option doesn't fit.
            EncodeError, QueueFull: see `delay`.
            BrokerUnavailable: with `confirm=True`, nobody answered; the task stays in the outbox.
        """
        given = {
            "task_id": task_id,
            "countdown": countdown,
            "eta": eta,
            "expires": expires,
            "queue": queue,
            "priority": priority,
            "serializer": serializer,
            "compression": compression,
            "time_limit": time_limit,
            "soft_time_limit": soft_time_limit,
            "ignore_result": ignore_result,
            "max_deliveries": max_deliveries,
            "result_expires": result_expires,
            "headers": headers,
            "argsrepr": argsrepr,
            "kwargsrepr": kwargsrepr,
            "shadow": shadow,
            "retry_policy": retry_policy,
            **unknown,
        }
        options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        result: AsyncResult[R]
        if link or link_error:
            result = self.app.send_canvas(self.signature(args, kwargs, link=link, link_error=link_error, **options))
        else:
            result = self.app.send_with(self.get_plan(), tuple(args), dict(kwargs or {}), options)
        if confirm:
            result.confirm()
        return result

    def delay_many(self, calls: Iterable[Sequence[Any]]) -> list[AsyncResult[R]]:
        """Send the task once for each tuple of positional arguments; the results are in the same order.

        If one of them can't be encoded or the outbox is full, those before it have been sent.
        """
        results: list[AsyncResult[R]] = self.app.send_many(self.get_plan(), calls)
        return results

    def apply(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        throw: bool | None = None,
        retries: int = 0,
        **options: Any,
    ) -> EagerResult[R]:
        """Run the task here, retries included (at once), and return a result like `apply_async` would.

        `options` are those of `apply_async`. With `link` or `link_error` it is a workflow, and everything goes through the codec.
        The request shows the others, but nothing waits, expires or is killed. With `throw` an exception is raised; None: as the
        setting `task_eager_propagates` says.
        """
        given = {key: value for key, value in options.items() if value is not None}
        result: EagerResult[R]
        if "link" in given or "link_error" in given:
            result = self.apply_linked(args, kwargs, given, throw=throw)
            return result
        result = self.app.run_eagerly(
            self, tuple(args), dict(kwargs or {}), throw=throw, retries=retries, options=given
        )
        return result

    # -- inside a run -------------------------------------------------------------------------------------------------

    @property
    def definition(self) -> Self:
        """The task itself, also where hooks of plugins stand around it."""
        return self

    @property
    def request(self) -> Request:
        """The request that this code runs for; outside of any run, one that says `called_directly`."""
        return current.get() or Request.make_local(self.name, (), {})

    def run_delivery(self, args: Sequence[Any], kwargs: Mapping[str, Any], request: Request) -> Any:
        """Run the body for `request`, which the caller has pushed; a coroutine task returns the coroutine to run.

        Raises:
            Retry: the task asks to run again.
        """
        request.args = args
        request.kwargs = kwargs
        request._owner = self  # noqa: SLF001  paid for every run: not through the property
        if self._is_simple:
            return (self._function or self.run)(*args, **kwargs)
        if self.is_coroutine:
            return self._run_coroutine(args, kwargs, request)
        run = self._prepare(args, kwargs, request)
        try:
            value = run(*args, **kwargs)
        except self.autoretry_for as error:
            raise plan_autoretry(self, request, error) from error
        return dump_models(value) if self.pydantic else value

    async def _run_coroutine(self, args: Sequence[Any], kwargs: Mapping[str, Any], request: Request) -> Any:
        run = self._prepare(args, kwargs, request)
        try:
            value = await run(*args, **kwargs)
        except self.autoretry_for as error:
            raise plan_autoretry(self, request, error) from error
        return dump_models(value) if self.pydantic else value

    def _prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any], request: Request) -> Callable[..., Any]:
        """Do what comes before a run, and return what to call."""
        if "before_start" in self.handlers:
            self.before_start(request.id, args, kwargs)
        if not self.pydantic:
            return self.body
        if self._validated is None:
            self._validated = validate_calls(self.body, self.redact)
        return self._validated

    def retry(  # noqa: PLR0917  Celery's arguments
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime.datetime | float | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        *,
        expires: datetime.datetime | float | None = None,
    ) -> Retry:
        """Ask for another run of the same task, in `countdown` seconds (else `default_retry_delay`) or at `eta`.

        It keeps its id, queue, priority, headers and limits; `args`, `kwargs` and `expires` are new where they are given.
        With `throw=False` the Retry is returned: raise it, else nothing happens.

        Raises:
            Retry: always with `throw`; it tells the slot. Write `raise self.retry(...)` so that readers see it end here.
            MaxRetriesExceeded: no retries are left and there is no cause; else the cause itself is raised.
        """
        cause = exc or sys.exc_info()[1]
        again = plan_retry(
            self,
            self.request,
            cause,
            args=args,
            kwargs=kwargs,
            countdown=countdown,
            eta=eta,
            expires=expires,
            max_retries=max_retries,
        )
        if not isinstance(again, Retry) or again is cause or self.request.called_directly:
            raise again
        if throw:
            raise again from cause
        return again

    def update_state(self, state: str | None = None, meta: Any = None, *, task_id: str | None = None) -> None:
        """Say in which state the running task is (None: as before), and tell `meta` of it: `result.state` and `.info` show it.

        `task_id` is there for callers of Celery; it can only be the running task's own. Called directly, it is kept only.

        Raises:
            ActorqError: no task runs here. EncodeError: `meta` doesn't fit the task's serializer.
            TypeError, ValueError: it isn't a state that a task can say of itself, or `meta` is too big.
        """
        request = current.get()
        if task_id is not None and request is not None and task_id != request.id:
            raise ValueError(f"expected task_id to be that of the running task, {request.id!r}, got {task_id!r}")
        update_state(request, state, meta)

    # -- handlers: override what you need -----------------------------------------------------------------------------

    def before_start(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Called in the slot before each run; what it raises is how the run ends."""

    def on_success(self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Called when a run has returned `retval`."""

    def on_retry(
        self, exc: BaseException, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: ErrorInfo
    ) -> None:
        """Called when a run has asked for another, because of `exc`."""

    def on_failure(
        self, exc: BaseException, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: ErrorInfo
    ) -> None:
        """Called when a run has failed with `exc`."""

    def after_return(  # noqa: PLR0917  Celery's arguments
        self,
        status: str,
        retval: Any,
        task_id: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        einfo: ErrorInfo | None,
    ) -> None:
        """Called after one of the others; `status` is SUCCESS, RETRY or FAILURE, `retval` the result or the exception."""

    def __repr__(self) -> str:
        return f"<task {self.name}>" if self.name else f"<{type(self).__qualname__}, not registered>"


class CoroutineTask(Task[P, R]):
    """A task whose function is a coroutine: called here it gives the coroutine, elsewhere the same as any task."""

    if TYPE_CHECKING:
        # The value of `delay()` is what the coroutine returns, the value of a direct call is the coroutine.
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...  # type: ignore[override]


def _says(kind: type, option: str) -> bool:
    """Return whether a class of the user's says something of an option."""
    return any(option in vars(each) for each in kind.__mro__ if each.__module__ != __name__)
