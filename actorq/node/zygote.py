"""Starts slot processes for the pool: the actor around the preloaded process that forks them.

Light; permanent. It owns one `ZygoteProcess`. If that ends, so does this actor, and its supervisor starts both anew;
slots that run are children of the node and don't notice.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from actorq.actors import Actor
from actorq.errors import ActorDead, Exit
from actorq.log import get_logger
from actorq.messages.reasons import Crashed
from actorq.node.messages import ForkFailed, ForkSlot, SlotForked
from actorq.node.roster import SlotProcess
from actorq.slot import orders
from actorq.slot.zygote_process import SlotStarted, ZygoteLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import ActorRef
    from actorq.slot.zygote_process import ZygoteProcess
    from actorq.transport.paths import Home

__all__ = ["Zygote"]

log = get_logger(__name__)


class Zygote(Actor):
    """Passes on orders for slots and their answers; `start` makes a running zygote process."""

    def init(self, *, start: Callable[[], ZygoteProcess], home: Home, node: str) -> None:
        """Start the process; slots can be ordered at once, it answers when the application is imported."""
        self.home, self.node = home, node
        self._waiting: dict[str, ActorRef[Any]] = {}
        self._process = start()
        self.sockets.add_fd(self._process.fileno(), self._on_replies)

    def terminate(self, reason: object) -> None:
        """End the process."""
        if hasattr(self, "_process"):
            if self._process.fileno() >= 0:
                self.sockets.remove(self._process.fileno())
            self._process.close()

    def on_fork_slot(self, message: ForkSlot) -> None:
        """Order a slot."""
        self._waiting[message.name] = message.reply_to
        options = orders.SlotOptions(message.name, str(self.home.path), str(self.home.runtime), self.node)
        self._process.request_slot(options)

    def _on_replies(self) -> None:
        fd = self._process.fileno()
        for reply in self._process.read_replies():
            match reply:
                case SlotStarted(name=name, pid=pid, pidfd=pidfd):
                    self._answer(name, SlotForked(name, pid, pidfd))
                case orders.SlotFailed(name=name, error=error):
                    self._answer(name, ForkFailed(name, error))
                case orders.AppFailed(error=error):
                    log.error("application_not_imported", why=error)
                case orders.AppReady(boot_s=boot_s, forks=forks):
                    log.debug("application_imported", boot_s=boot_s, forks=forks)
                case ZygoteLost(unanswered=unanswered):
                    self.sockets.remove(fd)
                    for order in unanswered:
                        self._answer(order.name, ForkFailed(order.name, "the zygote ended"))
                    raise Exit(Crashed("ZygoteEnded", "the zygote process ended", ""))

    def _answer(self, name: str, answer: SlotForked | ForkFailed) -> None:
        ref = self._waiting.pop(name, None)
        if ref is not None:
            with contextlib.suppress(ActorDead):  # its slot actor is gone; its place will be filled again
                ref.tell(answer)
                return
        if isinstance(answer, SlotForked):
            process = SlotProcess(answer.name, answer.pid, answer.pidfd)
            process.kill()
            process.close()

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"pid": self._process.pid}
