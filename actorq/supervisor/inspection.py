"""What a supervisor answers to those who only look. None of it waits for anybody's start or stop."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from actorq.actors import Actor
from actorq.actors.signals import Invoke
from actorq.supervisor.children import count_children
from actorq.supervisor.tree import child_entry, own_entry, quota_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actorq.actors import Timer
    from actorq.supervisor.administration import CountChildren, Tree, WhichChildren
    from actorq.supervisor.children import Child, ChildCounts, ChildInfo
    from actorq.supervisor.intensity import RestartWindow

__all__ = ["Inspected"]

DEADLINE_SHARE: Final = 0.8  # a child supervisor has this part of the time left, so its partial answer still arrives


class Inspected(Actor):
    """The looking side of both kinds of supervisors."""

    _window: RestartWindow
    _up_since: float | None = None
    _looks: set[_Look]  # under way

    @abstractmethod
    def _children(self) -> Iterable[Child]:
        """Return the children in start order."""

    def which_children(self) -> list[ChildInfo]:
        """Return the children in start order."""
        return [child.show() for child in self._children()]

    def count_children(self) -> ChildCounts:
        """Return how many there are."""
        return count_children(self._children())

    def on_which_children(self, _: WhichChildren) -> list[ChildInfo]:
        return self.which_children()

    def on_count_children(self, _: CountChildren) -> ChildCounts:
        return self.count_children()

    def on_tree(self, message: Tree) -> None:
        reply = self.defer()

        def answer(inner: dict[str, Any]) -> None:
            reply.set({**own_entry(self._cell, self._up_since), **inner})

        self._inspect(time.monotonic() + message.timeout_s, answer)

    def _window_facts(self) -> dict[str, object]:
        """Return how much of the intensity is used, for `describe`."""
        window = self._window
        used = window.intensity - window.left(self.clock.monotonic())
        return {"intensity": window.intensity, "period_s": window.period_s, "incidents": used}

    def _inspect(self, deadline: float, answer: Callable[[dict[str, Any]], None]) -> None:
        """Gather from all children at once; what hasn't answered by the deadline is shown as busy."""
        facts = {"facts": self._safe_facts(), "quota": quota_entry(self._window, self.clock.monotonic())}
        listed = list(self._children())
        look = _Look(listed, lambda entries: answer({**facts, "children": entries}), self._looks)
        left_s = max(0.0, deadline - time.monotonic())
        look.timer = self.timers.after(left_s, Invoke(look.finish))
        own, inner_deadline = self._cell, time.monotonic() + left_s * DEADLINE_SHARE
        for child in listed:
            if child.cell is not None and look.expects(child):
                child.cell.post_call(
                    child.cell.actor._inspect,  # noqa: SLF001
                    inner_deadline,
                    lambda inner, child=child: own.post_call(look.hear, child, inner),
                )
        look.finish_if_complete()


class _Look:
    """One look at the children that is under way. `answer` gets their entries in start order, once."""

    def __init__(self, listed: list[Child], answer: Callable[[list[dict[str, Any]]], None], looks: set[_Look]) -> None:
        self._answer, self._looks = answer, looks
        self._entries = {child: child_entry(child) for child in listed}
        self._missing = {child for child in listed if child.alive and not child.launch}
        for child in self._missing:
            self._entries[child]["facts"] = {"busy": True}
        self.timer: Timer | None = None
        looks.add(self)

    def expects(self, child: Child) -> bool:
        """Return whether `child` can answer and hasn't yet."""
        return child in self._missing

    def hear(self, child: Child, inner: dict[str, Any]) -> None:
        """Take a child's answer."""
        if child in self._missing:
            self._entries[child].update(inner)
            self._missing.discard(child)
            self.finish_if_complete()

    def lost(self, child: Child) -> None:
        """Take note that the incarnation that was asked has ended: nobody is going to answer."""
        if child in self._missing:
            self._entries[child] = child_entry(child)
            self._missing.discard(child)
            self.finish_if_complete()

    def finish_if_complete(self) -> None:
        """Answer, if nobody is missing."""
        if not self._missing:
            self.finish()

    def finish(self) -> None:
        """Answer with what there is. Idempotent."""
        if self not in self._looks:
            return
        self._looks.discard(self)
        if self.timer is not None:
            self.timer.cancel()
        self._answer(list(self._entries.values()))
