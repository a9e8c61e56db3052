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

    from actorq.supervisor.administration import CountChildren, Tree, WhichChildren
    from actorq.supervisor.children import Child, ChildCounts, ChildInfo
    from actorq.supervisor.intensity import RestartWindow

__all__ = ["Inspected"]

DEADLINE_SHARE: Final = 0.8  # a child supervisor has this part of the time left, so its partial answer still arrives


class Inspected(Actor):
    """The looking side of both kinds of supervisors."""

    _window: RestartWindow
    _up_since: float | None = None

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
        listed = list(self._children())
        entries = {id(child): child_entry(child) for child in listed}
        waiting = {id(child) for child in listed if child.alive and not child.launch}
        own_part = {"facts": self._safe_facts(), "quota": quota_entry(self._window, self.clock.monotonic())}
        finished = False

        def finish() -> None:
            nonlocal finished
            if not finished:
                finished = True
                timer.cancel()
                answer({**own_part, "children": [entries[id(child)] for child in listed]})

        def collect(key: int, inner: dict[str, Any]) -> None:
            if not finished:
                entries[key].update(inner)
                waiting.discard(key)
                if not waiting:
                    finish()

        left_s = max(0.0, deadline - time.monotonic())
        timer = self.timers.after(left_s, Invoke(finish))
        own = self._cell
        inner_deadline = time.monotonic() + left_s * DEADLINE_SHARE
        for child in listed:
            key = id(child)
            if key not in waiting or child.cell is None:
                continue
            entries[key]["facts"] = {"busy": True}
            child.cell.post_call(
                child.cell.actor._inspect,  # noqa: SLF001
                inner_deadline,
                lambda inner, key=key: own.post_call(collect, key, inner),
            )
        if not waiting:
            finish()
