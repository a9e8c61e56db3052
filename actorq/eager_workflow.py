"""Workflows that run where they are sent: `canvas.apply()`, and every send of one where `task_always_eager` is set.

What follows what is decided by the planner, as in a node. Here each task runs when its turn comes, first started first run, and
everything it is given, returns or raises goes through the codec.

Invariant: all ids are chosen, and all tasks, arguments and options checked, before the first task runs.
"""

from __future__ import annotations

import traceback
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actorq.canvas.maps import xmap
from actorq.canvas.plan import NOBODY, Kind, Node, Plan, make_plan
from actorq.canvas.planner import NO_VALUE, Ended, Errback, Fail, Finish, Start, add_member, begin, step
from actorq.codec.failures import say
from actorq.eager import find_here
from actorq.eager_result import EagerResult
from actorq.errors import ChordError
from actorq.group_result import GroupResult
from actorq.log import get_logger
from actorq.messages.ids import format_task_id, new_outbox_id
from actorq.messages.states import FAILURE, SUCCESS
from actorq.messages.task import TaskMessage
from actorq.tasks.coroutines import run_to_end
from actorq.tasks.errbacks import takes_details
from actorq.tasks.request import NESTING, Request, current
from actorq.tasks.sending import apply_call_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actorq.app import App
    from actorq.canvas.planner import Effect
    from actorq.canvas.signature import Signature
    from actorq.tasks.task import Task

__all__ = ["EagerGroupResult", "EagerWorkflow", "running"]

log: Final = get_logger(__name__)


class EagerGroupResult(GroupResult[Any]):
    """The results of a group that has run here; members of it may be groups, too, and then it is asked like a task by theirs."""

    def add(self, result: Any) -> None:
        """Add a result, at the end; one that is a member already stays where it is."""
        self._members.setdefault(result.id, result)

    @property
    def state(self) -> str:
        """FAILURE if a member has failed, else SUCCESS."""
        return SUCCESS if self.successful() else FAILURE

    status = state

    @property
    def result(self) -> list[Any]:
        """The values, and exceptions in the place of those that there aren't."""
        return self.get(propagate=False, disable_sync_subtasks=False)

    @property
    def traceback(self) -> str | None:
        """The text of the first traceback, None where no member has failed."""
        return next((each.traceback for each in self if not each.successful()), None)


class EagerWorkflow:
    """One run of a canvas."""

    def __init__(
        self, app: App, canvas: Signature, lineage: tuple[str, str] | None = None, *, nesting: int = 0
    ) -> None:
        """Plan it and check it; `lineage` are the ids of the first task and of the one it comes from, by default the running task's.

        `nesting`: as many tasks have replaced themselves, and this stands for the last.

        Raises:
            NotRegistered: one of its tasks isn't known here.
            TypeError, ValueError: arguments or options of one don't fit, or two have the same id.
        """
        self._app, self._plan = app, make_plan(canvas)
        self._nodes = self._plan.nodes
        self._before: dict[int, int] = {}
        self._ids: dict[int, str] = {}
        self._nesting = nesting
        self._results: dict[int, EagerResult[Any]] = {}
        self._waiting: deque[Start] = deque()
        outer = current.get()
        self._root, self._parent = lineage or (("", "") if outer is None else (outer.root_id, outer.id))
        self._take_nodes(0)

    def run(self) -> EagerResult[Any] | EagerGroupResult:
        """Run it to its end and return its result; of an empty chain it is None."""
        self._state, effects = begin(self._plan)
        self._apply(effects)
        while self._waiting:
            start = self._waiting.popleft()
            result = self._results[start.node] = self._run_task(start)
            self._state, effects = step(self._plan, self._state, [Ended(start.node, result.state == SUCCESS)])
            self._apply(effects)
        if self._plan.result == NOBODY:
            return EagerResult(format_task_id(new_outbox_id(), 0), SUCCESS, None, was_sent=True)
        found: EagerResult[Any] | EagerGroupResult
        found = relate(self._plan, self._results, self._ids, self._before)[self._plan.result]
        return found

    def add_member(self, node: int, canvas: Signature) -> None:
        """Add a member to the header in which the task of a node is, while it runs.

        Raises:
            ValueError: it is in none. NotRegistered, TypeError: see `__init__`.
        """
        EagerWorkflow(self._app, canvas)  # whether it fits, before anything has changed
        known = len(self._nodes)
        self._state, effects = add_member(self._plan, self._state, node, canvas)
        self._take_nodes(known)
        self._apply(effects)

    # -- before it runs ------------------------------------------------------------------------------------------------

    def _take_nodes(self, first: int) -> None:
        """Take nodes of the plan, from this one on."""
        self._before = find_before(self._plan)
        self._ids |= choose_ids(self._plan, first, set(self._ids.values()))
        self._check(first)

    def _check(self, first: int) -> None:
        seen: set[int] = set()
        for number in range(first, len(self._nodes)):
            node = self._nodes[number]
            if node.call is None:
                continue
            task = self._find_task(node.call)
            call = node.call.clone((None,)) if number in self._before else node.call
            plan, (args, kwargs) = task.get_plan(), call.call_arguments()
            try:
                apply_call_options(plan.message, None, call.options)
                if plan.check is not None:
                    plan.check(*args, **kwargs)
            except (TypeError, ValueError) as error:
                error.add_note(
                    f"in a workflow, for {node.call!r}{', which also gets a result' * (call is not node.call)}"
                )
                raise
            for errback in node.errbacks:
                if id(errback) not in seen and not self._takes_details(errback):
                    seen.add(id(errback))
                    EagerWorkflow(self._app, errback.clone(("",)))

    def _find_task(self, call: Signature) -> Task[..., Any]:
        if isinstance(call, xmap):
            find_here(self._app.tasks, call.inner.task)
        return find_here(self._app.tasks, call.task)

    def _takes_details(self, errback: Signature) -> bool:
        return errback.subtask_type is None and takes_details(self._find_task(errback).body, errback)

    # -- as it goes on -------------------------------------------------------------------------------------------------

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start():
                    self._waiting.append(effect)
                case Fail(node, cause, in_header):
                    self._results[node] = self._fail(node, self._results[cause], in_header=in_header)
                case Errback(call, node):
                    self._call_errback(call, self._results[node])
                case Finish():
                    pass

    def _run_task(self, start: Start) -> EagerResult[Any]:
        node = self._nodes[start.node]
        call: Any = node.call
        if start.value != NO_VALUE:
            call = call.clone((self._value_of(start.value),))
        args, kwargs = call.call_arguments()
        is_awaited = node.next != NOBODY or bool(node.callbacks)
        self._root = self._root or self._ids[start.node]
        options, lineage = {**call.options, "task_id": self._ids[start.node]}, (self._root, self._find_parent(start))
        if self._nesting:
            options["headers"] = {**(options.get("headers") or {}), NESTING: self._nesting}
        token = running.set(Place(self, start.node, options["task_id"]))
        try:
            return self._app.run_part(
                self._find_task(call), args, kwargs, options, lineage=lineage, is_awaited=is_awaited
            )
        except Exception as error:  # noqa: BLE001  whatever keeps it from being sent is how it ends
            request = self._make_request(start.node)
            text = traceback.format_exc()
            return EagerResult(self._ids[start.node], FAILURE, error, text, was_sent=True, request=request)
        finally:
            running.reset(token)

    def _fail(self, node: int, cause: EagerResult[Any], *, in_header: bool) -> EagerResult[Any]:
        """Return how a task ends that won't run."""
        error: Any = cause.result
        if in_header:
            error = ChordError(cause.id, say(cause.result) if isinstance(cause.result, Exception) else cause.state)
            error.__cause__ = cause.result
        request = self._make_request(node)
        return EagerResult(self._ids[node], FAILURE, error, cause.traceback, was_sent=True, request=request)

    def _call_errback(self, errback: Signature, failed: EagerResult[Any]) -> None:
        if not self._takes_details(errback):
            EagerWorkflow(self._app, errback.clone((failed.id,)), (self._root, failed.id)).run()
            return
        call = errback.clone((failed.request, failed.result, failed.traceback))
        try:
            value = self._app.call_canvas(call)
            if self._find_task(errback).is_coroutine:
                run_to_end(value)
        except Exception as error:
            log.exception(
                "errback_failed",
                errback=errback.task,
                task_id=failed.id,
                error=say(error),
                consequence="none: the task has failed, and the others are told",
            )

    def _value_of(self, node: int) -> Any:
        if self._nodes[node].kind is Kind.JOIN:
            return [self._value_of(member) for member in self._nodes[node].members]
        return self._results[node].result

    def _find_parent(self, start: Start) -> str:
        """Return the id of the task before one; behind a group that is its last."""
        before = start.value
        while before != NO_VALUE and self._nodes[before].kind is Kind.JOIN:
            members = self._nodes[before].members
            before = members[-1] if members else self._before.get(before, NO_VALUE)
        return self._parent if before == NO_VALUE else self._ids[before]

    def _make_request(self, node: int) -> Request:
        """Return the request of a task that hasn't run, for errbacks."""
        call: Any = self._nodes[node].call
        message = TaskMessage(0, call.task, b"", alias=self._ids[node], root=self._root)
        return Request(message, None, *call.call_arguments(), is_eager=True)


class Place(NamedTuple):
    """Which task of which workflow runs."""

    workflow: EagerWorkflow
    node: int
    task_id: str


running: Final[ContextVar[Place | None]] = ContextVar("actorq_eager_place", default=None)


def find_before(plan: Plan) -> dict[int, int]:
    """Return for each node that something comes before, the node whose value it is started with; a JOIN has its FORK's."""
    before: dict[int, int] = {}
    for number, node in enumerate(plan.nodes):
        pending = [*_followers(plan, node)]
        while pending:
            follower = pending.pop()
            before[follower] = number
            if plan.nodes[follower].kind is Kind.FORK:
                before[plan.nodes[follower].join] = number
                pending += plan.nodes[follower].starts
    return before


def choose_ids(plan: Plan, first: int, taken: set[str]) -> dict[int, str]:
    """Return the id of each task and each group, from node `first` on: the one it was given, else a fresh one.

    Raises:
        ValueError: two were given the same.
    """
    outbox_id, ids = new_outbox_id(), {}
    for number in range(first, len(plan.nodes)):
        node = plan.nodes[number]
        if node.kind is Kind.FORK:
            continue
        given = node.id if node.call is None else node.call.id
        if given in taken:
            raise ValueError(f"expected each task of a workflow to have an id of its own, got {given!r} twice")
        if given is not None:
            taken.add(given)
        ids[number] = given or format_task_id(outbox_id, number)
    return ids


def relate(
    plan: Plan, results: dict[int, EagerResult[Any]], ids: dict[int, str], before: dict[int, int]
) -> dict[int, Any]:
    """Return the result of each task and each group, each with its parent and its children."""
    found: dict[int, Any] = dict(results)
    for number in sorted(ids, reverse=True):  # groups in groups have higher numbers
        node = plan.nodes[number]
        if node.kind is Kind.JOIN:
            found[number] = EagerGroupResult(ids[number], [found[member] for member in node.members])
    for number, earlier in before.items():
        if number in found:
            found[number].parent = found[earlier]
    for number, result in results.items():
        result.children = [
            found[each if each in found else plan.nodes[each].join] for each in _followers(plan, plan.nodes[number])
        ]
    return found


def _followers(plan: Plan, node: Node) -> Iterator[int]:
    """Yield what is started by the value of a node."""
    yield from node.callbacks
    if node.next != NOBODY and plan.nodes[node.next].kind is not Kind.JOIN:
        yield node.next
