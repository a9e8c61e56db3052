"""One incarnation of an actor: its state, who shares its fate, and how it ends.

    STARTING ──init confirmed──▶ RUNNING ──end(reason)──▶ ENDING ──terminate returned──▶ DEAD
        └───────────init failed, IGNORE, kill from any thread───────────────────────────▶ DEAD

Invariant: an incarnation becomes DEAD exactly once, and with that (in this order) its mailbox is closed, its name is free,
whoever waits for its start or for an answer has one, and linked and monitoring actors are told. `end` runs in the actor's
own loop; `kill` may come from any thread and therefore never touches sockets or timers: it leaves them to a `Reap` in the
actor's loop. What a killed actor's code still does when it comes back is refused (`check_alive`).

Tables of links and monitors are changed under the system's lock, so that linking to the dying is either early enough to be
told or late enough to see that it is dead. Rules of links, monitors and exits: Erlang reference manual, "Processes".
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

from actorq.actors.outcome import (
    DEFER,
    IGNORE,
    Deferred,
    Ignored,
    Refusal,
    Reply,
    ReplyTo,
    Started,
    StartFailed,
    StartIgnored,
    StartOutcome,
    give,
    give_error,
)
from actorq.actors.signals import Boot, Call, DownSignal, ExitSignal, LinkSignal, Reap
from actorq.errors import ActorDead, Exit
from actorq.log import get_logger
from actorq.messages.reasons import KILL, KILLED, NOPROC, NORMAL, SHUTDOWN, Crashed, as_reason, crashed, is_clean

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from pykka._envelope import Envelope

    from actorq.actors.actor import Actor
    from actorq.actors.loop import Loop
    from actorq.actors.mailbox import Mailbox
    from actorq.actors.ref import ActorRef
    from actorq.actors.signals import Signal
    from actorq.actors.system import System
    from actorq.actors.timers import Timer
    from actorq.messages.reasons import ExitReason

__all__ = ["Cell", "State"]

log = get_logger(__name__)

State = Literal["starting", "running", "ending", "dead"]
STARTING: Final = "starting"
RUNNING: Final = "running"
ENDING: Final = "ending"
DEAD: Final = "dead"

_ids = itertools.count(1)
_monitor_ids = itertools.count(1)


class Cell:
    """The mechanism behind one `Actor` object."""

    __slots__ = (
        "__weakref__",
        "actor",
        "args",
        "asking",
        "booted",
        "confirm",
        "deferred",
        "drain",
        "has_drain",
        "id",
        "kwargs",
        "label",
        "links",
        "loop",
        "mailbox",
        "monitoring",
        "monitors",
        "name",
        "parent",
        "pending_exits",
        "pending_timers",
        "reason",
        "ref",
        "start_error",
        "state",
        "stop_replies",
        "supervised",
        "system",
        "unknown",
    )  # fmt: skip

    mailbox: Mailbox
    ref: ActorRef[Any]
    actor: Actor

    def __init__(self, system: System, loop: Loop, label: str, name: str | None, parent: Cell | None) -> None:
        self.system, self.loop, self.name, self.parent = system, loop, name, parent
        self.id = next(_ids)
        self.label = label
        self.state: State = STARTING
        self.reason: ExitReason = NOPROC
        self.booted = False
        self.supervised = False  # whether a supervisor reports its crash
        self.confirm: Callable[[StartOutcome], None] | None = None
        self.start_error: BaseException | None = None
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.links: set[Cell] = set()
        self.monitors: dict[int, Cell | Callable[[int, ActorRef[Any], ExitReason], None]] = {}  # who watches this one
        self.monitoring: dict[int, Cell | None] = {}  # whom this one watches; None: it is gone, the Down is on its way
        self.pending_exits: set[int] = set()  # ids of linked actors whose end hasn't been handled yet
        self.pending_timers: set[Timer] = set()
        self.asking: ReplyTo | None = None  # who waits for the message that is being handled
        self.deferred: dict[Reply, ReplyTo] = {}
        self.stop_replies: list[ReplyTo] = []
        self.has_drain = False
        self.drain: Callable[[], None] = _nothing
        self.unknown = 0

    # -- running code of the actor; all in its loop's thread --------------------------------------------------------------

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """Run code of this actor; an exception ends it."""
        if self.state == DEAD:
            return
        loop = self.loop
        before, loop.current = loop.current, self
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001  (K1) whatever it is, it ends this actor and nobody else
            self.failed(error)
        finally:
            loop.current = before
        if self.has_drain:
            loop.drained[self] = loop.drained.get(self, 0) + 1

    def run_batch(self, limit: int, signals: deque[tuple[Cell, Signal]]) -> int:
        """Handle up to `limit` messages, fewer if a signal comes; return how many, at least 1."""
        mailbox = self.mailbox
        # Cleared before the first message is taken: whoever puts from here on schedules the actor again.
        mailbox.scheduled = False
        if not self.booted:
            return 1
        queue = mailbox.queue
        handled = 0
        while queue and handled < limit and self.state != DEAD:
            try:
                envelope = queue.popleft()
            except IndexError:  # `drop_old` took it from another thread
                break
            handled += 1
            self.deliver(envelope)
            if signals:
                break
        if self.has_drain and handled and self.state != DEAD:
            drained = self.loop.drained
            drained[self] = drained.get(self, 0) + handled
        if queue and not mailbox.scheduled:
            mailbox.scheduled = True
            self.loop.ready.append(self)
        return handled or 1

    def deliver(self, envelope: Envelope[Any]) -> None:
        """Handle one message and answer it."""
        self.asking = envelope.reply_to
        try:
            answer = self.actor._handle_receive(envelope.message)  # noqa: SLF001  Pykka's open point
        except BaseException as error:  # noqa: BLE001  (K1)
            self.failed(error)
            return
        reply_to = self.asking
        if reply_to is not None:
            self.asking = None
            give(reply_to, answer)

    def failed(self, error: BaseException) -> None:
        """End with what an exception means; the asker, if there is one, gets it first."""
        asking, self.asking = self.asking, None
        if isinstance(error, Refusal):
            if asking is not None:
                give_error(asking, error)
            else:
                log.debug("refusal_unheard", actor=self.label, refusal=str(error))
            return
        reason = as_reason(error.reason) if isinstance(error, Exit) else crashed(error)
        if asking is not None:
            give_error(asking, ActorDead(self.label, reason) if isinstance(error, Exit) else error)
        if self.state == STARTING:
            self.start_error = error
        if isinstance(reason, Crashed) and self.state != DEAD:
            self.actor._note_failure(error)  # noqa: SLF001  Pykka's on_failure hook
        self.end(reason)

    def take_reply(self) -> Reply:
        """Return the asker of the current message, to be answered later."""
        self.check_alive()
        asking, self.asking = self.asking, None
        reply = Reply(self, asking)
        if asking is not None:
            self.deferred[reply] = asking
        return reply

    @property
    def is_dead(self) -> bool:
        """Return whether this incarnation has ended; another thread may make it true at any moment."""
        return self.state == DEAD

    # -- start ---------------------------------------------------------------------------------------------------------

    def _boot(self) -> None:
        if self.state == DEAD:
            return
        args, kwargs, self.args, self.kwargs = self.args, self.kwargs, (), {}
        try:
            result: Ignored | Deferred | None = self.actor.init(*args, **kwargs)
            if result is None:
                self.actor.on_start()
        except BaseException as error:  # noqa: BLE001  (K1)
            self.failed(error)
            return
        if self.is_dead:  # killed by another thread while it ran
            return
        if result is IGNORE:
            self._ignore()
            return
        self.booted = True
        if result is not DEFER:
            self.confirm_start()
        if self.mailbox.queue and not self.mailbox.scheduled:
            self.mailbox.scheduled = True
            self.loop.ready.append(self)

    def confirm_start(self) -> None:
        """Say that the start succeeded. Idempotent."""
        with self.system.lock:
            if self.state != STARTING:
                return
            self.state = RUNNING
            confirm, self.confirm = self.confirm, None
        if confirm is not None:
            confirm(Started())

    def _ignore(self) -> None:
        with self.system.lock:
            confirm, self.confirm = self.confirm, None
        self.loop.drop_cell(self)
        self.finish(NORMAL)
        self.reap()
        if confirm is not None:
            confirm(StartIgnored())

    # -- signals -------------------------------------------------------------------------------------------------------

    def handle_signal(self, signal: Signal) -> None:
        """Handle one item of the signal lane."""
        match signal:
            case Call(function, args):
                self.run(function, *args)
            case Boot():
                self._boot()
            case Reap():
                self.reap()
            case LinkSignal(source, reason):
                if source.id in self.pending_exits:
                    self.pending_exits.discard(source.id)
                    self._exit_requested(source, reason)
            case ExitSignal(source, reason):
                self._exit_requested(source, reason)
            case DownSignal(monitor_id, source, reason):
                if monitor_id in self.monitoring:
                    del self.monitoring[monitor_id]
                    self.run(self.actor.on_down, monitor_id, source, reason)

    def _exit_requested(self, source: ActorRef[Any] | None, reason: ExitReason) -> None:
        """Apply Erlang's table of exit signals; `kill` never gets here, it acts at once."""
        if self.state == DEAD:
            return
        from_parent = source is None or (self.parent is not None and source.id == self.parent.id)
        if from_parent and reason != NORMAL:
            self.run(self.actor.stop_requested, reason)  # R17, also for those that trap
        elif self.actor.trap_exit:
            self.run(self.actor.on_exit, source, reason)
        elif reason != NORMAL or source is self.ref:
            self.end(reason)

    def exit(self, source: Cell | None, reason: ExitReason) -> None:
        """Send an exit signal to this actor; `kill` ends it before this returns. From any thread."""
        if reason == KILL:
            self.kill()
        elif self.state != DEAD:
            self.loop.post_signal(self, ExitSignal(None if source is None else source.ref, reason))

    # -- links and monitors; the tables are shared between threads ------------------------------------------------------

    def link(self, other: Cell) -> None:
        """Share fates; linking to the dead is an exit with `noproc`."""
        with self.system.lock:
            if other.state != DEAD:
                self.links.add(other)
                other.links.add(self)
                return
            self.pending_exits.add(other.id)
        self.loop.post_signal(self, LinkSignal(other.ref, NOPROC))

    def unlink(self, other: Cell) -> None:
        """Part again; after this returned nothing of `other`'s end arrives."""
        with self.system.lock:
            self.links.discard(other)
            other.links.discard(self)
            self.pending_exits.discard(other.id)

    def monitor(self, other: Cell) -> int:
        """Ask to be told of `other`'s end; monitoring the dead is a Down with `noproc`."""
        monitor_id = next(_monitor_ids)
        with self.system.lock:
            if other.state != DEAD:
                self.monitoring[monitor_id] = other
                other.monitors[monitor_id] = self
                return monitor_id
            self.monitoring[monitor_id] = None
        self.loop.post_signal(self, DownSignal(monitor_id, other.ref, NOPROC))
        return monitor_id

    def demonitor(self, monitor_id: int) -> None:
        """Take it back; after this returned no Down of it arrives. Idempotent."""
        with self.system.lock:
            other = self.monitoring.pop(monitor_id, None)
            if other is not None:
                other.monitors.pop(monitor_id, None)

    def watch(self, callback: Callable[[int, ActorRef[Any], ExitReason], None]) -> int:
        """Call `callback` in whichever thread ends this actor; at once if it is dead. For threads without a loop."""
        monitor_id = next(_monitor_ids)
        with self.system.lock:
            if self.state != DEAD:
                self.monitors[monitor_id] = callback
                return monitor_id
        callback(monitor_id, self.ref, self.reason)
        return monitor_id

    def unwatch(self, monitor_id: int) -> None:
        """Take a `watch` back. Idempotent."""
        with self.system.lock:
            self.monitors.pop(monitor_id, None)

    # -- the end -------------------------------------------------------------------------------------------------------

    def end(self, reason: ExitReason) -> None:
        """End in good order, in the actor's own loop: close the mailbox, `terminate`, tell."""
        with self.system.lock:
            before = self.state
            if before in (ENDING, DEAD):
                if before == DEAD:
                    self.loop.post_signal(self, Reap())
                return
            self.state = ENDING
            self.reason = reason
        self.mailbox.close()
        if self.booted:
            reason = self._terminate(reason)
        # Sockets first, then the news. ZeroMQ still frees an address a moment after the close: bind fresh ones.
        self.loop.drop_cell(self)
        self.finish(reason)
        self.reap()

    def _terminate(self, reason: ExitReason) -> ExitReason:
        try:
            self.actor.terminate(reason)
        except Exit as error:
            return as_reason(error.reason)
        except BaseException as error:  # noqa: BLE001  (K1) the first failure stays the cause
            failure = crashed(error)
            if not is_clean(reason):
                log.error("terminate_failed", actor=self.label, reason=str(failure), traceback=failure.traceback_text)
                return reason
            return failure
        return reason

    def kill(self) -> None:
        """End at once, from any thread; none of the actor's own code is asked."""
        if self.finish(KILLED):
            self.loop.post_signal(self, Reap())
            self.system.killed(self)

    def finish(self, reason: ExitReason) -> bool:
        """Become DEAD and tell everybody; return whether it was this call that did it."""
        system = self.system
        with system.lock:
            if self.state == DEAD:
                return False
            self.state = DEAD
            self.reason = reason
            links, self.links = self.links, set()
            monitors, self.monitors = self.monitors, {}
            for peer in links:
                peer.links.discard(self)
                peer.pending_exits.add(self.id)
            for monitor_id, watched in self.monitoring.items():
                if watched is not None:
                    watched.monitors.pop(monitor_id, None)
            for monitor_id, watcher in monitors.items():
                if isinstance(watcher, Cell):
                    watcher.monitoring[monitor_id] = None
            self.monitoring.clear()
            confirm, self.confirm = self.confirm, None
            system.forget(self)
        self._answer_all(reason)
        if confirm is not None:
            confirm(StartFailed(reason, self.start_error))
            self.start_error = None
        elif not self.supervised or (self.parent is not None and self.parent.state == DEAD):
            system.report_end(self, reason)
        for peer in links:
            peer.loop.post_signal(peer, LinkSignal(self.ref, reason))
        for monitor_id, watcher in monitors.items():
            if isinstance(watcher, Cell):
                watcher.loop.post_signal(watcher, DownSignal(monitor_id, self.ref, reason))
            else:
                watcher(monitor_id, self.ref, reason)
        return True

    def _answer_all(self, reason: ExitReason) -> None:
        """Let nobody wait for this actor."""
        self.mailbox.close()
        dead = ActorDead(self.label, reason)
        asking, self.asking = self.asking, None
        if asking is not None:
            give_error(asking, dead)
        for reply_to in list(self.deferred.values()):
            give_error(reply_to, dead)
        self.deferred.clear()
        self.ref.actor_stopped.set()
        while self.stop_replies:
            give(self.stop_replies.pop(), None)

    def reap(self) -> None:
        """Let go of what only this loop may touch. Idempotent."""
        if self.loop.thread_id != threading.get_ident():
            return
        self.loop.drop_cell(self)
        self.drain = _nothing
        self.has_drain = False
        if not self.loop.shared:
            self.loop.stop()

    # -- what the actor may use ------------------------------------------------------------------------------------------

    def check_alive(self) -> None:
        """Do nothing while this incarnation counts.

        Raises:
            Exit: it was killed; its code shall unwind, whatever it was about to do.
        """
        if self.state == DEAD:
            raise Exit(self.reason)

    def own_loop(self, what: str, *, dying: bool = False) -> Loop:
        """Return the loop, if this is its thread and the incarnation counts."""
        if self.loop.thread_id != threading.get_ident():
            raise RuntimeError(f"expected the {what} of {self.label} to be used by its own code, got another thread")
        if not dying:
            self.check_alive()
        return self.loop

    def stop_asked(self) -> None:
        """Handle Pykka's stop message: its sender is answered when the actor is gone."""
        asking, self.asking = self.asking, None
        if asking is not None:
            self.stop_replies.append(asking)
        self.actor.stop_requested(SHUTDOWN)

    def post_call(self, function: Callable[..., None], *args: Any) -> None:
        """Run `function` in this actor's context, ahead of its messages; dropped if it is dead. From any thread."""
        if self.state != DEAD:
            self.loop.post_signal(self, Call(function, args))


def _nothing() -> None:
    """Stand in for a hook."""
