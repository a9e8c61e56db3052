"""A task: a function with a name, options, and ways to call it elsewhere.

`task(...)` runs it here. `delay` and `apply_async` hand it to the application, which writes it to the outbox. In a slot,
`run_delivery` runs it and turns exceptions that it should be retried for into `Retry`.
"""

from __future__ import annotations

import functools
import inspect
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar

from actorq.codec.serializers import get_codec_id
from actorq.errors import Ignore, MaxRetriesExceeded, Reject, Retry
from actorq.messages.task import FLAG_ACK_EARLY, FLAG_IGNORE_RESULT, FLAG_TRACK_STARTED, TaskMessage
from actorq.tasks.arguments import compile_check
from actorq.tasks.backoff import plan_retry_delay
from actorq.tasks.options import OPTION_NAMES, check_options
from actorq.tasks.request import Request, current, pop_request, push_request
from actorq.tasks.routing import Route

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from actorq.app import App
    from actorq.results import AsyncResult, EagerResult
    from actorq.tasks.routing import Routing

__all__ = ["CoroutineTask", "SendPlan", "Task"]

P = ParamSpec("P")
R = TypeVar("R")


class SendPlan:
    """What every send of a task has in common, worked out once. `message` is a template: fill it under the outbox's lock.

    `is_plain`: the message can go as it is; False where each call has an expiry or a route of its own, or hooks
    of plugins around it, or runs here. `routing` is there where functions choose the route.
    """

    __slots__ = ("check", "codec_id", "expires_s", "is_plain", "message", "routing")

    def __init__(
        self,
        message: TaskMessage,
        codec_id: int,
        expires_s: float | None,
        check: Callable[..., None] | None,
        routing: Routing,
        *,
        is_plain: bool = True,
    ) -> None:
        self.message, self.codec_id, self.expires_s, self.check = message, codec_id, expires_s, check
        self.is_plain = is_plain and not routing.routers
        self.routing = routing if routing.routers else None


class Task(Generic[P, R]):
    """Base of all tasks. Subclass it with a `run` for a class-based task; the attributes below are its options.

    None means: as the application's settings say.
    """

    app: App
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
    typing: bool = True
    throws: tuple[type[BaseException], ...] = ()
    pydantic: bool = False

    is_coroutine: bool = False
    __wrapped__: Callable[..., Any]
    __name__: str
    _plan: SendPlan | None = None
    _bound: ClassVar[bool] = False

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; class-based tasks override this."""
        if "__wrapped__" not in vars(self):
            raise NotImplementedError(f"expected task {self.name or type(self).__qualname__} to define run()")
        return self.__wrapped__(*args, **kwargs)

    # -- definition ---------------------------------------------------------------------------------------------------

    def attach(self, app: App, name: str, function: Callable[..., Any] | None, options: Mapping[str, Any]) -> None:
        """Make this the task `name` of `app`: called once, by the application.

        `function` is None for a class-based task. `options` override the class's attributes.

        Raises:
            TypeError, ValueError: see `check_options`.
        """
        inherited = {key: getattr(self, key) for key in OPTION_NAMES if hasattr(self, key)}
        checked = check_options({**inherited, **options, "name": name}, name)
        for key, value in checked.items():
            if key not in ("bind", "base"):
                setattr(self, key, value)
        self.app = app
        if function is not None:
            functools.update_wrapper(self, function)
            if options.get("bind"):
                self.__wrapped__ = functools.partial(function, self)
        body = self._body
        self.is_coroutine = inspect.iscoroutinefunction(body)
        self._check = compile_check(body, skip_first=False) if self.typing else None

    @property
    def _body(self) -> Callable[..., Any]:
        found: Callable[..., Any] = self.__dict__.get("__wrapped__") or self.run
        return found

    def get_plan(self) -> SendPlan:
        """Return what all sends of this task have in common."""
        if self._plan is None:
            conf = self.app.conf
            codec_id = get_codec_id(self.serializer or conf.serializer)
            flags = (
                FLAG_IGNORE_RESULT * self.ignore_result
                | FLAG_ACK_EARLY * (not self.acks_late)
                | FLAG_TRACK_STARTED * self.track_started
            )
            limits = None
            if self.soft_time_limit is not None or self.time_limit is not None:
                limits = (self.soft_time_limit, self.time_limit)
            routing = self.app.routes.plan(self.name, Route(self.queue, self.priority), conf)
            queue, priority = routing.settle()
            message = TaskMessage(
                0,
                self.name,
                b"",
                codec_id,
                queue,
                priority,
                flags,
                max_deliveries=self.max_deliveries or conf.max_deliveries,
                limits=limits,
                result_ttl_s=self.result_expires,
            )
            is_plain = not (self.expires is not None or self.app.plugins.hooks.sending or conf.task_always_eager)
            self._plan = SendPlan(message, codec_id, self.expires, self._check, routing, is_plain=is_plain)
        return self._plan

    def forget_plan(self) -> None:
        """Work the plan out again at the next send: plugins have changed."""
        self._plan = None

    # -- calling ------------------------------------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the task here and now, as the plain function it was."""
        token = push_request(Request.make_local(self.name, args, kwargs))
        try:
            value: R = self._body(*args, **kwargs)
            return value
        finally:
            pop_request(token)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send the task; returns as soon as it is in the outbox.

        Raises:
            TypeError: the arguments don't fit the task.
            EncodeError: they don't fit its serializer.
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
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        ignore_result: bool | None = None,
        max_deliveries: int | None = None,
        result_expires: float | None = None,
        headers: Mapping[str, Any] | None = None,
        confirm: bool = False,
    ) -> AsyncResult[R]:
        """Send the task with options for this call.

        `countdown` seconds from now, or `eta`, an aware datetime (or Unix seconds), is when it may start; after `expires`
        (an aware datetime, or seconds from now) it doesn't start any more. `task_id` is kept as another name of the task.
        `headers`, plain data under names, arrive as `request.headers`. `confirm=True` waits until the broker has committed it.

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
            "time_limit": time_limit,
            "soft_time_limit": soft_time_limit,
            "ignore_result": ignore_result,
            "max_deliveries": max_deliveries,
            "result_expires": result_expires,
            "headers": headers,
        }
        options = {key: value for key, value in given.items() if value is not None}
        result: AsyncResult[R] = self.app.send_with(self.get_plan(), tuple(args), dict(kwargs or {}), options)
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
        throw: bool = False,
        retries: int = 0,
    ) -> EagerResult[R]:
        """Run the task here, retries included (at once), and return a result like `apply_async` would."""
        result: EagerResult[R] = self.app.run_eagerly(
            self, tuple(args), dict(kwargs or {}), throw=throw, retries=retries
        )
        return result

    # -- inside a run -------------------------------------------------------------------------------------------------

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
        if not self.autoretry_for:
            return self._body(*args, **kwargs)
        if self.is_coroutine:
            return self._run_coroutine(args, kwargs)
        try:
            return self._body(*args, **kwargs)
        except self.autoretry_for as error:
            raise self._plan_autoretry(error) from error

    async def _run_coroutine(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        try:
            return await self._body(*args, **kwargs)
        except self.autoretry_for as error:
            raise self._plan_autoretry(error) from error

    def _plan_autoretry(self, error: BaseException) -> BaseException:
        """Return what to raise: a Retry, or the error itself."""
        if isinstance(error, (Retry, Ignore, Reject, *self.dont_autoretry_for)):
            return error
        options = dict(self.retry_kwargs)
        if self.retry_backoff:
            options["countdown"] = plan_retry_delay(
                self.request.retries,
                factor=max(1.0, float(self.retry_backoff)),
                maximum_s=self.retry_backoff_max,
                jitter=self.retry_jitter,
            )
        try:
            return self.retry(exc=error, throw=False, **options)
        except Exception as exhausted:  # noqa: BLE001  the cause itself, once there are no retries left
            return exhausted

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        *,
        throw: bool = True,
        countdown: float | None = None,
        eta: datetime.datetime | float | None = None,
        max_retries: int | None = None,
    ) -> Retry:
        """Ask for another run of the same task, in `countdown` seconds (else `default_retry_delay`) or at `eta`.

        Raises:
            Retry: always with `throw`; it tells the slot. Write `raise self.retry(...)` so that readers see it end here.
            MaxRetriesExceeded: no retries are left and there is no cause; else the cause itself is raised.
        """
        request = self.request
        cause = exc or sys.exc_info()[1]
        if request.called_directly:
            raise cause or Retry(f"task {self.name} asked for another run, but it was called directly")
        limit = self.max_retries if max_retries is None else max_retries
        if limit is not None and request.retries >= limit:
            raise cause or MaxRetriesExceeded(f"task {self.name} {request.id} has used up its {limit} retries")
        due_at = find_due_at(self.default_retry_delay if countdown is None and eta is None else countdown, eta)
        arguments = None
        if args is not None or kwargs is not None:
            arguments = (
                tuple(request.args if args is None else args),
                dict(request.kwargs if kwargs is None else kwargs),
            )
        again = Retry(str(cause) if cause else "", cause, due_at, arguments)
        if throw:
            raise again from cause
        return again

    def __repr__(self) -> str:
        return f"<task {self.name}>" if self.name else f"<{type(self).__qualname__}, not registered>"


class CoroutineTask(Task[P, R]):
    """A task whose function is a coroutine: called here it gives the coroutine, elsewhere the same as any task."""

    if TYPE_CHECKING:
        # The value of `delay()` is what the coroutine returns, the value of a direct call is the coroutine.
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...  # type: ignore[override]


def find_due_at(countdown: float | None, eta: datetime.datetime | float | None) -> float | None:
    """Return the Unix seconds that `countdown` or `eta` means, or None for at once.

    Raises:
        ValueError: both are given, or `eta` has no time zone.
    """
    if countdown is not None and eta is not None:
        raise ValueError(f"expected countdown or eta, got both: {countdown!r} and {eta!r}")
    if countdown is not None:
        return time.time() + countdown
    return None if eta is None else as_unix_seconds("eta", eta)


def as_unix_seconds(name: str, moment: datetime.datetime | float) -> float:
    """Return a moment as Unix seconds.

    Raises:
        ValueError: a datetime without a time zone, which would mean another moment on another machine.
    """
    if isinstance(moment, (int, float)):
        return float(moment)
    if moment.tzinfo is None:
        raise ValueError(
            f"expected {name} with a time zone, got {moment!r}; use datetime.now(timezone.utc) + timedelta(...)"
        )
    return moment.timestamp()
