"""The application: its tasks, its settings, and the way out of this process.

Invariant: making an `App` and defining tasks touches no file, socket or thread; the first send or question does. What it
opens then belongs to this process: a forked child opens its own.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
import weakref
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self, cast

from actorq.canvas_sender import CanvasSender
from actorq.client.carried import CarriedSessions
from actorq.client.loading import guess_node_command, load_app
from actorq.client.pipeline import Pipeline
from actorq.client.session import CONFIRM_S, Session
from actorq.codec import TaskCodec, encode_body
from actorq.config import load_settings
from actorq.eager import find_here, run_applied, run_sent
from actorq.errors import ConfigError
from actorq.plugins.collection import Plugins
from actorq.plugins.hooks import Around
from actorq.plugins.values import describe_call, read_call
from actorq.registry import Registry
from actorq.results import AsyncResult
from actorq.tasks.request import current
from actorq.tasks.sending import (
    append_batch,
    apply_call_options,
    encode_call,
    make_message,
    pack_message,
    plan_unregistered,
)
from actorq.transport.paths import Home, find_home

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from actorq.client.control import Control
    from actorq.client.dead_letters import DeadLetters
    from actorq.client.queues import Queues
    from actorq.config import Settings
    from actorq.eager_result import EagerResult
    from actorq.embedded import Node
    from actorq.group_result import GroupResult
    from actorq.messages.task import TaskMessage
    from actorq.tasks.plan import SendPlan
    from actorq.tasks.task import Task

__all__ = ["App", "load_app"]

EXIT_S: Final = 0.2  # how long a clean exit of the interpreter may take to ship what is left
MANY: Final = 256  # tasks that `delay_many` writes with one system call


class App(CanvasSender, Registry):
    """A set of tasks under one name, and a home where they are kept.

    `home` is a folder (else the broker URL's, else `ACTORQ_HOME`, else one of this user under the application's name).
    `include` names modules that define more of its tasks. `config` is a mapping or an object with settings.
    """

    def __init__(
        self,
        name: str,
        *,
        broker: str | None = None,
        home: str | os.PathLike[str] | None = None,
        include: Iterable[str] = (),
        config: Mapping[str, Any] | object | None = None,
    ) -> None:
        if not name or "/" in name or name.startswith("."):
            raise ConfigError(f"expected the application's name to be usable as a folder's name, got {name!r}")
        super().__init__(load_settings(config), include)
        self.name = name
        self.plugins = Plugins(self.conf, self._forget_plans)
        self._home = find_home(name, broker=broker, home=home)
        self._session: Session | None = None
        self._carried = CarriedSessions(self._make_session)  # of queues with a bound
        self._has_bounds = self.conf.has_bounds
        self._lock = threading.Lock()
        _apps.add(self)

    @property
    def home(self) -> Home:
        """Where this application's things are."""
        return self._home

    # -- sending ------------------------------------------------------------------------------------------------------

    def send(self, plan: SendPlan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncResult[Any]:
        """Send a task the shortest way: what `Task.delay` does."""
        if not plan.is_plain:
            return self.send_with(plan, args, kwargs, {})
        if plan.check is not None:
            plan.check(*args, **kwargs)
        body, message = encode_body(args, kwargs, plan.codec_id), plan.message
        if len(body) >= plan.packing.look_from:
            message, body = pack_message(message, plan.packing, body)
        session = self._session or self._open()
        request = current.get()
        if request is None:
            return AsyncResult(session, session.outbox.append(message, body))
        number = session.outbox.append(message, body, request.root_id, request.id)
        result: AsyncResult[Any] = AsyncResult(session, number, None, None, request.id)
        request.add_children((result,))
        return result

    def send_with(
        self, plan: SendPlan, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        """Send a task with options for this call: what `Task.apply_async` does."""
        hooks = self.plugins.hooks.sending
        if not hooks:
            return self._send(plan, args, kwargs, options)
        call = describe_call(plan.message.task, args, kwargs, options, is_eager=self.conf.task_always_eager)
        with Around("sending", hooks, call):
            result = call.result = self._send(plan, *read_call(call))
        return result

    def _send(
        self, plan: SendPlan, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        message, body = self._encode(plan, args, kwargs, options)
        if self.conf.task_always_eager:
            task, throw = find_here(self.tasks, message.task), self.conf.task_eager_propagates
            codec = TaskCodec.plan(self.conf)
            eager = run_sent(task, self.plugins.hooks.running, message, body, codec, throw=throw)
            return cast("AsyncResult[Any]", eager)  # for its callers it is one
        session = self._find_session(message.queue) if self._has_bounds else self._session or self._open()
        root, parent = self._lineage()
        result: AsyncResult[Any] = AsyncResult(
            session, session.outbox.append(message, body, root, parent), message.alias
        )
        if parent:
            self._adopt([result], parent)
        return result

    def _encode(
        self, plan: SendPlan, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
    ) -> tuple[TaskMessage, bytes]:
        if plan.check is not None:
            plan.check(*args, **kwargs)
        if plan.prepare is not None:
            args, kwargs, options = plan.prepare(args, kwargs, options)
        message = make_message(plan, args, kwargs, options, self._find_parent())
        return encode_call(plan, self.conf, message, (args, kwargs), options)

    def send_many(self, plan: SendPlan, calls: Iterable[Sequence[Any]]) -> list[AsyncResult[Any]]:
        """Send a task once for each tuple of arguments: what `Task.delay_many` does."""
        conf = self.conf
        if (
            self.plugins.hooks.sending
            or conf.task_always_eager
            or plan.routing is not None
            or self._find_parent()
            or plan.prepare
        ):
            return [self.send_with(plan, tuple(call), {}, {}) for call in calls]
        session, check, codec_id = self._session or self._open(), plan.check, plan.codec_id
        lineage, template = self._lineage(), plan.message
        if plan.expires_s is not None:
            template = apply_call_options(template, plan.expires_s, {})
        results: list[AsyncResult[Any]] = []
        rest = iter(calls)
        while chunk := list(islice(rest, MANY)):
            bodies: list[bytes] = []
            for call in chunk:
                args = tuple(call)
                if check is not None:
                    check(*args)
                bodies.append(encode_body(args, {}, codec_id))
            if self._has_bounds:
                session = self._find_session(template.queue)
            numbers = append_batch(session.outbox, plan, template, bodies, lineage)
            results.extend([AsyncResult(session, number) for number in numbers])
        if lineage[1]:
            self._adopt(results, lineage[1])
        return results

    @staticmethod
    def _adopt(results: Iterable[AsyncResult[Any]], parent: str) -> None:
        """Note that the task which runs here has sent these."""
        request = current.get()
        if request is not None:
            request.add_children(result.after(parent) for result in results)

    def send_task(
        self, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send a task by its name, which needn't be registered here. Options as for `apply_async`.

        Raises:
            TypeError, ValueError: an option is unknown or doesn't fit.
        """
        confirm = bool(options.pop("confirm", False))
        if "link" in options or "link_error" in options:
            linked: AsyncResult[Any] = self.send_canvas(self.signature(name, args, kwargs, options))
            return linked
        known = self.tasks.get(name)
        plan = known.get_plan() if known is not None else plan_unregistered(name, self.conf, self.routes)
        given = {key: value for key, value in options.items() if value is not None}
        result = self.send_with(plan, tuple(args), dict(kwargs or {}), given)
        if confirm:
            result.confirm()
        return result

    def run_eagerly(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        throw: bool | None,
        retries: int,
        options: Mapping[str, Any],
    ) -> EagerResult[Any]:
        """Run a task here: what `Task.apply` does."""
        plan, hooks = task.get_plan(), self.plugins.hooks
        throw = self.conf.task_eager_propagates if throw is None else throw
        call = describe_call(plan.message.task, args, kwargs, options, is_eager=True)
        with Around("sending", hooks.sending, call):
            args, kwargs, options = read_call(call)
            if plan.check is not None:
                plan.check(*args, **kwargs)
            message = make_message(plan, args, kwargs, options)
            message.retries = retries
            result = call.result = run_applied(task, hooks.running, message, (args, kwargs), throw=throw)
        return result

    def run_part(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: Mapping[str, Any],
        *,
        lineage: tuple[str, str] = ("", ""),
        is_awaited: bool = False,
    ) -> EagerResult[Any]:
        """Run a task of a workflow here as a node would, with everything through the codec.

        `lineage` are the ids of the first task and of the one before it; with `is_awaited` somebody needs its value.
        """
        plan, hooks = task.get_plan(), self.plugins.hooks
        call = describe_call(task.name, args, kwargs, options, is_eager=True)
        with Around("sending", hooks.sending, call):
            message, body = self._encode(plan, *read_call(call))
            message.root, message.parent = lineage
            codec = TaskCodec.plan(self.conf)
            result = call.result = run_sent(task, hooks.running, message, body, codec, is_awaited=is_awaited)
        return result

    def pipeline(self, timeout: float = CONFIRM_S) -> Pipeline:
        """Return a context: whatever this thread sends inside is confirmed when it is left, by one wait."""
        return Pipeline(self, timeout)

    def flush(self, timeout: float = CONFIRM_S) -> None:
        """Wait until everything that was sent is committed.

        Raises:
            BrokerUnavailable: it isn't within `timeout` seconds; it stays in the outbox.
            QueueFull, StoreFull: the broker refuses it for now; it stays in the outbox.
        """
        until = time.monotonic() + timeout
        for session in (self._session, *self._carried):
            if session is not None and session.outbox.last:
                session.confirm(session.outbox.last, max(0.0, until - time.monotonic()))

    def _find_parent(self) -> TaskMessage | None:
        """Return the task from which a priority is inherited: the one that runs here, if the setting says so."""
        request = current.get() if self.conf.task_inherit_parent_priority else None
        return None if request is None or request.called_directly else request.message

    def _lineage(self) -> tuple[str, str]:
        request = current.get()
        return ("", "") if request is None else (request.root_id, request.id)

    # -- asking -------------------------------------------------------------------------------------------------------

    def AsyncResult(self, task_id: str) -> AsyncResult[Any]:  # noqa: N802  Celery's name
        """Return the result of a task by its id, wherever it was sent from."""
        session = self._carried.find(task_id) or self._session or self._open()
        return AsyncResult(session, session.find_key(task_id), task_id)

    def ask(
        self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float = 5.0, *, repeat: bool = False
    ) -> Any:
        """Ask the broker something and return the answer, plain data.

        With `repeat` a question that a broker took along when it went is asked again of the next one.

        Raises:
            BrokerUnavailable: no answer within `timeout` seconds, or the broker went. ActorqError: it can't, and says why.
        """
        return (self._session or self._open()).link.ask(command, dict(arguments or {}), timeout, repeat=repeat)

    @functools.cached_property
    def GroupResult(self) -> type[GroupResult[Any]]:  # noqa: N802  Celery's name
        """The class `actorq.GroupResult` for this application: `app.GroupResult(id, results)`, `app.GroupResult.restore(id)`."""
        from actorq.group_result import GroupResult  # noqa: PLC0415  only for whoever has groups

        return type("GroupResult", (GroupResult,), {"app": self, "__module__": GroupResult.__module__})

    @property
    def dead_letters(self) -> DeadLetters:
        """The tasks of this home that were given up because they ended their process too often."""
        from actorq.client.dead_letters import DeadLetters  # noqa: PLC0415  2 ms, and only for whoever looks at them

        def let_go(task_id: str) -> None:
            for session in (self._session or self._open(), *self._carried):
                session.let_go(task_id)

        return DeadLetters(self.ask, let_go)

    @functools.cached_property
    def control(self) -> Control:
        """Questions to the nodes of this home, and orders for them."""
        from actorq.client.control import Control  # noqa: PLC0415  only for whoever asks

        return Control(self.ask, self.plugins)

    @property
    def queues(self) -> Queues:
        """The queues of this home: to list, peek into, pause, resume, purge and move."""
        from actorq.client.queues import Queues  # noqa: PLC0415  as above

        return Queues(self.ask)

    def use_home(self, home: Home) -> None:
        """Keep everything in another home from now on; where a task runs, that is its node's.

        Raises:
            ConfigError: something was sent or asked already.
        """
        with self._lock:
            if self._session is not None or [*self._carried]:
                raise ConfigError(f"expected the home to be chosen before anything is sent, got {home.path} after that")
            self._home = home

    def use_settings(self, conf: Settings) -> None:
        """Go by other settings from now on; those of the outbox from the next one on, those of plugins not at all."""
        super().use_settings(conf)
        self._has_bounds = conf.has_bounds

    def node(self, **options: Any) -> Node:
        """Return a node for this application as a context: it runs in a child process while the block does.

        `options` are settings, and those of `actorq.embedded.Node`.

        Raises:
            ConfigError: one of them doesn't fit; see there.
        """
        from actorq.embedded import Node  # noqa: PLC0415  for tests and small programs, and starts processes

        return Node(self, **options)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self, timeout: float = EXIT_S) -> None:
        """Ship what is there within `timeout` seconds, leave the rest in the outbox, free everything. Idempotent."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close(timeout, self._open)
        self._carried.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<App {self.name!r} at {self._home.path}, {len(self.tasks)} tasks>"

    def _open(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = self._make_session()
            return self._session

    def _make_session(self, carries: str = "") -> Session:
        command = guess_node_command(self.name, self.tasks, self._home)
        return Session(self._home, self.conf, command, carries)

    def _find_session(self, queue: str) -> Session:
        """Return the session for a task of this queue, where some have bounds.

        Raises:
            QueueFull: it is full, and nothing is to be sent then.
        """
        rule = self.conf.rule_of(queue)
        return (self._session or self._open()) if rule.max is None else self._carried.admit(queue, rule)

    def forget_parent(self) -> None:
        """In a forked child: nothing of the parent's may be used, not even its locks."""
        session, self._session = self._session, None
        self._lock = threading.Lock()
        if session is not None:
            session.abandon(self._open)
        self._carried.abandon()


_apps: Final[weakref.WeakSet[App]] = weakref.WeakSet()


def _close_all() -> None:
    for app in list(_apps):
        app.close()


def _forget_all() -> None:
    for app in list(_apps):
        app.forget_parent()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
