"""What people subclass.

An actor is a plain object whose code runs in its loop, one message at a time. `init` builds it in that context and thereby
confirms its start; `terminate` takes it apart. Everything else is a message, a timer, a frame of a socket, or the end of
somebody it is linked to or monitors. An exception ends it, also in an ask (the asker gets it, too): its supervisor starts
a fresh one, which is the only repair that is known to work. A refusal that isn't a failure is `raise Refusal(...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import pykka
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actorq.actors.dispatch import Table, find_handler
from actorq.actors.future import Future
from actorq.actors.mailbox import DEFAULT_CAPACITY, Mailbox, OnFull
from actorq.actors.outcome import Deferred, Ignored, Ready, Refusal, Reply
from actorq.actors.pykka_points import urn_of
from actorq.actors.ref import ActorRef, ask_then
from actorq.actors.signals import Invoke
from actorq.actors.sockets import Sockets
from actorq.actors.timers import Timers
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN, ExitReason, safe_text

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Self

    from actorq.actors.cell import Cell
    from actorq.actors.outcome import Outcome
    from actorq.actors.ref import AnyRef
    from actorq.actors.system import System
    from actorq.clock import Clock

__all__ = ["Actor"]

log = get_logger(__name__)


_PYKKA_MESSAGES: Final = frozenset({ProxyCall, ProxyGetAttr, ProxySetAttr})


class Actor(pykka.Actor):
    """Base of every actor; see the module. Subclasses define `init`, not `__init__`."""

    pinned: ClassVar[bool] = False
    """Whether it has a loop, and so a thread, of its own."""
    patience_s: ClassVar[float] = 0.0
    """How much longer than others a pinned actor may be at one item before its loop counts as stuck."""
    capacity: ClassVar[int] = DEFAULT_CAPACITY
    """Messages its mailbox holds; what happens at the bound is `on_full`."""
    on_full: ClassVar[OnFull] = "reject"
    """reject: the sender gets MailboxFull; drop_new, drop_old: a message is dropped and counted."""
    trap_exit: ClassVar[bool] = False
    """Whether the ends of linked actors arrive at `on_exit` instead of ending this one."""

    _handlers: ClassVar[Table] = {}
    _cell: Cell
    _timers: Timers | None = None  # made when they are first used: most actors have neither
    _sockets: Sockets | None = None

    def __init__(self, cell: Cell) -> None:
        # Pykka's own `__init__` draws a random id, makes an Event and a ref of its own: half the cost of a start, for what
        # here is a property or comes from the cell.
        self._cell = cell
        self.actor_inbox = self._create_actor_inbox()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._handlers = {}

    def __str__(self) -> str:
        return self._cell.label

    # -- for subclasses to define ----------------------------------------------------------------------------------------

    def init(self, *args: Any, **kwargs: Any) -> Ignored | Deferred | Ready | None:
        """Build the actor; returning confirms its start, raising makes the start fail, IGNORE ends it quietly.

        `Ready(info)` confirms and says something that its supervisor shows.
        """

    def terminate(self, reason: ExitReason) -> None:
        """Take the actor apart. Not called for one that was killed or whose `init` didn't confirm."""
        self.on_stop()

    def on_receive(self, message: Any) -> Any:
        """Handle a message; what is returned answers an ask. Default: by the message's class, see `dispatch`."""
        kind = type(message)
        try:
            handler = self._handlers[kind]
        except KeyError:
            handler = self._handlers[kind] = find_handler(type(self), kind)
        if handler is None:
            return self._unknown_message(message)
        return handler(self, message)

    def on_exit(self, ref: ActorRef[Any] | None, reason: ExitReason) -> None:
        """Take note that a linked actor ended, or that somebody asks this one to end; only with `trap_exit`.

        `ref` is a RemoteRef if the other lives on another node; the same holds for `on_down`.
        """

    def on_down(self, monitor_id: int, ref: ActorRef[Any], reason: ExitReason) -> None:
        """Take note that a monitored actor ended."""

    def on_drained(self) -> None:
        """Flush what was gathered: mailbox and sockets are empty, or a bounded number of items was handled."""

    def describe(self) -> dict[str, object]:
        """Return small facts for the tree."""
        return {}

    # -- for subclasses to use ---------------------------------------------------------------------------------------------

    @property
    def system(self) -> System:
        """The system this actor lives in."""
        return self._cell.system

    @property
    def self_ref(self) -> ActorRef[Self]:
        """The ref of this incarnation."""
        return self._cell.ref

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """A text that no other incarnation has; Pykka's."""
        return urn_of(self._cell.id)

    @property
    def actor_stopped(self) -> threading.Event:  # type: ignore[override]
        """An event that is set when this incarnation has ended; Pykka's."""
        return self._cell.stopped()

    @property
    def name(self) -> str | None:
        """The name it is registered under."""
        return self._cell.name

    @property
    def clock(self) -> Clock:
        """Where time comes from."""
        return self._cell.system.clock

    @property
    def timers(self) -> Timers:
        """Messages for later."""
        timers = self._timers
        if timers is None:
            timers = self._timers = Timers(self._cell)
        return timers

    @property
    def sockets(self) -> Sockets:
        """Sockets and descriptors that are handled in this actor's loop."""
        sockets = self._sockets
        if sockets is None:
            sockets = self._sockets = Sockets(self._cell)
        return sockets

    def link(self, ref: AnyRef) -> None:
        """Share fates with another actor; a name means its present incarnation."""
        self._cell.check_alive()
        self._cell.link(ref.target())

    def unlink(self, ref: AnyRef) -> None:
        """Part again; nothing of the other's end arrives afterwards."""
        self._cell.unlink(ref.target())

    def monitor(self, ref: AnyRef) -> int:
        """Ask for an `on_down` when `ref` ends; returns the id that it will carry. Stackable."""
        self._cell.check_alive()
        return self._cell.monitor(ref.target())

    def demonitor(self, monitor_id: int) -> None:
        """Take a monitor back; no `on_down` of it comes afterwards. Idempotent."""
        self._cell.demonitor(monitor_id)

    def exit(self, ref: AnyRef, reason: ExitReason) -> None:
        """Send an exit signal; KILL ends a local actor before this returns."""
        self._cell.check_alive()
        ref.target().exit(self._cell, reason)

    def ask_then(self, ref: AnyRef, message: Any, timeout_s: float, callback: Callable[[Outcome], None]) -> None:
        """Ask without waiting: `callback(outcome)` runs in this actor's context, exactly once, within `timeout_s`."""
        ask_then(self._cell, ref, message, timeout_s, callback)

    def defer(self) -> Reply:
        """Answer the ask that is being handled later than this handler returns, through the Reply."""
        return self._cell.take_reply()

    def confirm_start(self, info: object = None) -> None:
        """Confirm the start of an actor whose `init` returned DEFER; `info` is what `Ready` would say."""
        self._cell.confirm_start(info)

    # -- the kernel's side ---------------------------------------------------------------------------------------------------

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuse: an actor lives in a system, under a supervisor.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"expected System.spawn({cls.__name__}, ...) or a ChildSpec, got {cls.__name__}.start()")

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> Future:
        return Future()

    def _start_actor_loop(self) -> None:
        loop = self._cell.loop
        if not loop.shared:
            loop.start()

    def _handle_receive(self, message: Any) -> Any:
        kind = type(message)
        if kind is Invoke:
            return message.function(*message.args)
        if kind in _PYKKA_MESSAGES:
            return super()._handle_receive(message)
        if kind is _ActorStop:
            self._cell.stop_asked()
            return None
        return self.on_receive(message)

    def stop_requested(self, reason: ExitReason) -> None:
        """End because the parent, the system or a `stop()` wants it; one that has to do so in steps overrides this."""
        self._cell.end(reason)

    def stop(self) -> None:
        """End as soon as the messages that are already here were handled (Pykka's meaning)."""
        self._cell.ref.tell(_ActorStop())

    def _stop(self) -> None:
        self.stop_requested(SHUTDOWN)

    def _unknown_message(self, message: Any) -> None:
        cell = self._cell
        cell.unknown += 1
        if cell.asking is not None:
            raise Refusal(f"{cell.label} doesn't know messages of type {type(message).__name__}")
        log.warning("message_unknown", actor=cell.label, message_type=type(message).__name__, count=cell.unknown)

    def _note_failure(self, error: BaseException) -> None:
        """Call Pykka's hook for failures; it has no say in what follows."""
        if type(self).on_failure is pykka.Actor.on_failure:
            return
        try:
            self.on_failure(type(error), error, error.__traceback__)
        except BaseException as second:  # noqa: BLE001  the first failure is the one that counts
            log.warning("failure_hook_failed", actor=self._cell.label, error=safe_text(second))

    def _inspect(self, deadline: float, answer: Callable[[dict[str, Any]], None]) -> None:
        """Answer with facts and children for the tree, in this actor's context, before `deadline` (monotonic)."""
        answer({"facts": self._safe_facts(), "children": []})

    def _safe_facts(self) -> dict[str, object]:
        try:
            return self.describe()
        except BaseException as error:  # noqa: BLE001  looking must not kill what is looked at
            return {"error": f"{type(error).__name__}: {safe_text(error)}"}
