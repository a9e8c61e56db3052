"""What follows when a part of a workflow ends: `step(plan, state, event) -> (state', effects)`, a pure function.

A workflow moves only by events, each of which says that one of its tasks has ended. An event that comes twice, or for a task that
is past, changes nothing. Effects are for somebody else to apply, in the commit that makes the event durable.

Rules, as in Celery's documentation unless it says otherwise:

- A success starts what gets its value, and its callbacks.
- A failure calls the errbacks of the task that failed, and ends everything that waits for its value: each task behind it fails of
  the same cause, without having run. (Celery leaves those PENDING for ever.)
- The first failure in a header fails the body of the chord at once, whose errbacks are called; the rest of the header goes on.
  What is behind the body fails of the same cause as the body: that a header failed, not of what went wrong in it.
- What a failure ends is ended once, however many ways lead there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from actorq.canvas.plan import NOBODY, Kind, Plan, extend_plan
from actorq.canvas.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = ["Ended", "Errback", "Fail", "Finish", "Start", "State", "add_member", "begin", "step"]

NO_VALUE: Final = NOBODY


class Ended(msgspec.Struct, frozen=True):
    """Event: the task of this node has come to its end."""

    node: int
    succeeded: bool


class Start(msgspec.Struct, frozen=True):
    """Effect: call the task of this node, with the value of another node (NO_VALUE: none came) before its arguments."""

    node: int
    value: int = NO_VALUE


class Fail(msgspec.Struct, frozen=True):
    """Effect: end the task of this node, which won't run, as failed: because `cause` failed, `in_header` of a chord it is the body of.

    `cause` has a result already: it has run, or an earlier effect was its own end.
    """

    node: int
    cause: int
    in_header: bool = False


class Errback(msgspec.Struct, frozen=True):
    """Effect: call this errback for the task of this node."""

    call: Signature
    node: int


class Finish(msgspec.Struct, frozen=True):
    """Effect: nothing of the workflow runs or will run any more."""

    succeeded: bool


Effect = Start | Fail | Errback | Finish


class State(msgspec.Struct, frozen=True):
    """How far a workflow has come. `ended` has a bit for each node that is past, lowest first, `waits` is
    `dict[JOIN, members that haven't ended]` of those that have begun to, `open` counts tasks that were started and haven't ended.
    """

    ended: bytes
    waits: dict[int, int] = {}
    open: int = 0
    failed: bool = False  # whether the node that is the result has failed


def begin(plan: Plan) -> tuple[State, list[Effect]]:
    """Return the state of a workflow that starts, and what is to be done first."""
    move = _Move(plan, State(bytes(len(plan.nodes) // 8 + 1)))
    if plan.entry != NOBODY:
        move.start(plan.entry, NO_VALUE)
    return move.close()


def step(plan: Plan, state: State, events: Iterable[Ended]) -> tuple[State, list[Effect]]:
    """Return what events, in the order in which they came, lead to; those that change nothing are passed over."""
    move = _Move(plan, state)
    for event in events:
        move.take(event)
    return move.close() if move.has_moved else (state, [])


def add_member(plan: Plan, state: State, node: int, canvas: Signature) -> tuple[State, list[Effect]]:
    """Add a member to the header of the chord in which the task of a node is that runs; the plan gets the new nodes.

    Raises:
        ValueError: it isn't in a header.
    """
    join = node
    while join != NOBODY and plan.nodes[join].kind is not Kind.JOIN:
        join = plan.nodes[join].next
    body = NOBODY if join == NOBODY else plan.nodes[join].next
    if body == NOBODY or plan.nodes[body].kind is Kind.JOIN:
        call = plan.nodes[node].call
        raise ValueError(f"expected {call!r} to be in the header of a chord, got one that isn't")
    entry = extend_plan(plan, join, canvas)
    if entry == NOBODY:
        return state, []
    waits = {**state.waits, join: state.waits[join] + 1} if join in state.waits else state.waits
    ended = state.ended.ljust(len(plan.nodes) // 8 + 1, b"\0")
    move = _Move(plan, State(ended, waits, state.open, state.failed))
    move.start(entry, NO_VALUE)
    return move.close()


class _Move:
    """One step while it is thought out."""

    def __init__(self, plan: Plan, state: State) -> None:
        self.has_moved = False
        self._nodes, self._result = plan.nodes, plan.result
        self._ended, self._waits = bytearray(state.ended), dict(state.waits)
        self._open, self._failed = state.open, state.failed
        self._effects: list[Effect] = []

    def close(self) -> tuple[State, list[Effect]]:
        """Return the new state and the effects, in the order in which they were thought of."""
        if not self._open:
            self._effects.append(Finish(not self._failed))
        return State(bytes(self._ended), self._waits, self._open, self._failed), self._effects

    def take(self, event: Ended) -> None:
        """Take one event."""
        if self._nodes[event.node].kind is not Kind.TASK or not self._end(event.node):
            return
        self.has_moved = True
        self._open -= 1
        if event.succeeded:
            self._succeed(event.node)
        else:
            self._effects += (Errback(call, event.node) for call in self._nodes[event.node].errbacks)
            self._break_off(event.node)

    def _end(self, node: int) -> bool:
        """Mark a node as past; False: it was already."""
        place, bit = node >> 3, 1 << (node & 7)
        if self._ended[place] & bit:
            return False
        self._ended[place] |= bit
        return True

    # -- going on ------------------------------------------------------------------------------------------------------

    def start(self, node: int, value: int) -> None:
        """Start this node with a value."""
        pending = [(node, value)]
        while pending:
            number, came = pending.pop()
            found = self._nodes[number]
            if found.kind is Kind.TASK:
                self._open += 1
                self._effects.append(Start(number, came))
                continue
            self._end(number)
            pending += ((each, came) for each in reversed(found.starts))
            if not found.starts:
                self._end(found.join)
                pending += self._pass_on(found.join)

    def _succeed(self, node: int) -> None:
        for number, value in self._pass_on(node):
            self.start(number, value)

    def _pass_on(self, node: int) -> list[tuple[int, int]]:
        """Return `(node to start, node whose value it gets)` for all that follows from a node which is complete."""
        found: list[tuple[int, int]] = []
        while node != NOBODY:
            complete = self._nodes[node]
            found += ((callback, node) for callback in complete.callbacks)
            after, value = complete.next, node
            node = NOBODY
            if after == NOBODY:
                continue
            if self._nodes[after].kind is not Kind.JOIN:
                found.append((after, value))
            elif self._count(after) and self._end(after):
                node = after
        return found

    def _count(self, join: int) -> bool:
        """Count one more member; return whether it was the last."""
        left = self._waits.get(join, len(self._nodes[join].members)) - 1
        self._waits[join] = left
        if not left:
            del self._waits[join]
        return not left

    # -- breaking off --------------------------------------------------------------------------------------------------

    def _break_off(self, cause: int) -> None:
        """End everything that waits for the value of a node which failed."""
        pending = [(cause, True, cause)]
        while pending:
            node, has_begun, cause = pending.pop()
            failed = self._nodes[node]
            self._failed = self._failed or node == self._result
            for callback in failed.callbacks:
                self._skip(callback, cause, pending, in_header=False)
            after = failed.next
            if after == NOBODY:
                continue
            if self._nodes[after].kind is not Kind.JOIN:
                self._skip(after, cause, pending, in_header=has_begun and failed.kind is Kind.JOIN)
                continue
            self._count(after)
            if self._end(after):  # the first failure breaks it
                pending.append((after, True, cause))

    def _skip(self, node: int, cause: int, failed: list[tuple[int, bool, int]], *, in_header: bool) -> None:
        """End a node that won't be started, and what is inside of it; add to `failed` those that somebody may wait for.

        With each goes whether it is a failure of what has begun (a header that never began doesn't call anybody's errbacks), and the
        cause for what is behind it.
        """
        pending = [node]
        while pending:
            number = pending.pop()
            found = self._nodes[number]
            if not self._end(number):
                continue
            is_told = in_header and found.is_body
            if found.kind is Kind.TASK:
                self._effects.append(Fail(number, cause, is_told))
                if is_told:
                    self._effects += (Errback(call, number) for call in found.errbacks)
                failed.append((number, True, number if is_told else cause))
                continue
            if self._end(found.join):  # before its members: they break nothing that wasn't to begin
                failed.append((found.join, False, cause))
            pending += reversed(found.starts)
