"""One incarnation of an actor: its state, who shares its fate, and how it ends.

    STARTING ──init confirmed──▶ RUNNING ──end(reason)──▶ ENDING ──terminate returned──▶ DEAD
        └───────────init failed, IGNORE, kill from any thread───────────────────────────▶ DEAD

Invariant: an incarnation becomes DEAD exactly once, and with that (in this order) its mailbox is closed, its name is free,
whoever waits for its start or for an answer has one, and linked and monitoring actors are told. `end` runs in the actor's
own loop; `kill` may come from any thread and therefore never touches sockets or timers: it leaves them to a `Reap` in the
actor's loop. What a killed actor's code still does when it comes back is refused (`check_alive`).

Whom an end is told to is in `fates`. Rules of exits: Erlang reference manual, "Processes".
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

from actorq.actors.answers import Answers
from actorq.actors.context import fenced
from actorq.actors.exits import END, HEAR, STOP, plan_exit, reason_of
from actorq.actors.outcome import (
    DEFER,
    IGNORE,
    Deferred,
    Ignored,
    Ready,
    Refusal,
    Started,
    StartFailed,
    StartIgnored,
    StartOutcome,
    give,
    give_error,
)
from actorq.actors.signals import Boot, Call, ExitSignal, LinkSignal, Reap
from actorq.errors import ActorDead, Exit
from actorq.log import get_logger
from actorq.messages.address import Address
from actorq.messages.reasons import KILL, KILLED, NOPROC, NORMAL, SHUTDOWN, Crashed, crashed, is_clean

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


class Cell(Answers):
    """The mechanism behind one `Actor` object."""

    __slots__ = (
        "__weakref__", "actor", "args", "booted", "confirm", "drain", "has_drain", "id", "kwargs", "label", "loop",
        "mailbox", "name", "parent", "pending_timers", "reason", "ref", "start_error", "state", "supervised", "system",
        "unknown",
    )  # fmt: skip

    mailbox: Mailbox
    ref: ActorRef[Any]
    actor: Actor

    def __init__(self, system: System, loop: Loop, label: str, name: str | None, parent: Cell | None) -> None:
        super().__init__()
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
        self.pending_timers: dict[Timer, None] = {}
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
        while queue and handled < limit:  # the mailbox of the dead empties itself
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
        if self.state == DEAD:  # killed after the message was taken out; see `answers`
            self.asking = None
            self.mailbox.fail(envelope)
            return
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
        """End with what an exception means; the asker, if there is one, gets it first. Raises nothing."""
        try:
            self._failed(error)
        except BaseException as second:  # noqa: BLE001  a hook or a text of the exception that fails itself
            self.fell(second)

    def _failed(self, error: BaseException) -> None:
        asking = self.asking
        if isinstance(error, Refusal):
            self.asking = None
            if asking is not None:
                give_error(asking, error)
            else:
                log.debug("refusal_unheard", actor=self.label, refusal=type(error).__name__)
            return
        reason = reason_of(error)
        if asking is not None:
            give_error(asking, ActorDead(self.label, reason) if isinstance(error, Exit) else error)
            self.asking = None
        if self.state == STARTING:
            self.start_error = error
        if isinstance(reason, Crashed) and self.state != DEAD:
            self.actor._note_failure(error)  # noqa: SLF001  Pykka's on_failure hook
        self.end(reason)

    def fell(self, error: BaseException) -> None:
        """End at once where the kernel itself stumbled over this actor; `terminate` isn't asked any more."""
        log.error("actor_fell", actor=self.label, error=type(error).__name__)
        self.loop.drop_cell(self)
        self.finish(Crashed(type(error).__name__))
        self.reap()

    @property
    def address(self) -> Address:
        """Return where this incarnation is."""
        return Address(self.system.name, self.name or "", self.system.boot, self.id)

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
            result: Ignored | Deferred | Ready | None = self.actor.init(*args, **kwargs)
            if result is None or isinstance(result, Ready):
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
        if self.name is not None:
            self.system.held.deliver(self)
        if result is not DEFER:
            self.confirm_start(result.info if isinstance(result, Ready) else None)
        if self.mailbox.queue and not self.mailbox.scheduled:
            self.mailbox.scheduled = True
            self.loop.ready.append(self)

    def confirm_start(self, info: object = None) -> None:
        """Say that the start succeeded, and what is worth knowing of it. Idempotent."""
        with self.system.lock:
            if self.state != STARTING:
                return
            self.state = RUNNING
            confirm, self.confirm = self.confirm, None
        if confirm is not None:
            confirm(Started(info))

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
        if isinstance(signal, Call):  # a `match` on the way of every start and end costs three times as much
            self.run(signal.function, *signal.args)
        elif isinstance(signal, Boot):
            self._boot()
        elif isinstance(signal, Reap):
            self.reap()
        elif isinstance(signal, ExitSignal):
            self._exit_requested(signal.source, signal.reason)
        elif isinstance(signal, LinkSignal):
            if signal.source.id in self.pending_exits:
                self.pending_exits.discard(signal.source.id)
                self._exit_requested(signal.source, signal.reason)
        elif signal.monitor_id in self.monitoring:
            del self.monitoring[signal.monitor_id]
            self.run(self.actor.on_down, signal.monitor_id, signal.source, signal.reason)

    def _exit_requested(self, source: ActorRef[Any] | None, reason: ExitReason) -> None:
        """Apply the table of exit signals; `kill` never gets here, it acts at once."""
        if self.state == DEAD:
            return
        from_parent = source is None or (self.parent is not None and source.id == self.parent.id)
        move = plan_exit(reason, from_parent=from_parent, from_itself=source is self.ref, traps=self.actor.trap_exit)
        if move is STOP:
            self.run(self.actor.stop_requested, reason)
        elif move is HEAR:
            self.run(self.actor.on_exit, source, reason)
        elif move is END:
            self.end(reason)

    def exit(self, source: Cell | None, reason: ExitReason) -> None:
        """Send an exit signal to this actor; `kill` ends it before this returns. From any thread."""
        if reason == KILL:
            self.kill()
        elif self.state != DEAD:
            self.loop.post_signal(self, ExitSignal(None if source is None else source.ref, reason))

    # -- the end -------------------------------------------------------------------------------------------------------

    def end(self, reason: ExitReason) -> None:
        """End in good order, in the actor's own loop: close the mailbox, `terminate`, tell."""
        with self.system.lock:
            if self.state in (ENDING, DEAD):  # one that was killed is reaped by its signal
                return
            self.state = ENDING
            self.reason = reason
        self.mailbox.close()
        if self.booted:
            reason = self._terminate(reason)
        self.loop.drop_cell(self)  # before the news; ZeroMQ still frees an address a moment after the close
        self.finish(reason)
        self.reap()

    def _terminate(self, reason: ExitReason) -> ExitReason:
        try:
            self.actor.terminate(reason)
        except Exit as error:
            return reason_of(error)
        except BaseException as error:  # noqa: BLE001  (K1)
            failure = crashed(error)
            if is_clean(reason):
                return failure
            log.error("terminate_failed", actor=self.label, reason=str(failure), traceback=failure.traceback_text)
        return reason

    def kill(self) -> None:
        """End at once, from any thread, and fence what its code still does; none of its own code is asked."""
        if self.finish(KILLED, fence=True):
            self.system.killed(self)
            self.loop.post_signal(self, Reap())
            if not self.loop.is_running():  # nobody is there to reap, nor to be fenced
                fenced.discard(self)

    def finish(self, reason: ExitReason, *, fence: bool = False) -> bool:
        """Become DEAD and tell everybody; return whether it was this call that did it."""
        system = self.system
        with system.lock:
            if self.state == DEAD:
                return False
            if fence:
                fenced.add(self)
            self.state = DEAD
            self.reason = reason
            heirs = self.part_with_all()
            confirm, self.confirm = self.confirm, None
            system.forget(self)
        self.answer_all(reason)
        if confirm is not None:
            confirm(StartFailed(reason, self.start_error))
            self.start_error = None
        elif not self.supervised or (self.parent is not None and self.parent.state == DEAD):
            system.report_end(self, reason)
        heirs.tell(self.ref, reason)
        return True

    def reap(self) -> None:
        """Let go of what only this loop may touch. Idempotent."""
        if self.loop.thread_id != threading.get_ident():
            return
        self.loop.drop_cell(self)
        fenced.discard(self)
        self.system.reaped(self)
        self.drain = _nothing
        self.has_drain = False
        if not self.loop.shared:
            self.loop.stop()

    def disown(self) -> None:
        """Be dead in a process that was forked; whoever waits for an answer waits in the parent."""
        self.state = DEAD
        self.confirm = self.asking = None
        self.deferred.clear()
        self.stop_replies = ()
        self.mailbox.closed = True
        self.mailbox.queue.clear()

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
        self.wait_for_end()
        self.actor.stop_requested(SHUTDOWN)

    def post_call(self, function: Callable[..., None], *args: Any) -> None:
        """Run `function` in this actor's context, ahead of its messages; dropped if it is dead. From any thread."""
        if self.state != DEAD:
            self.loop.post_signal(self, Call(function, args))


def _nothing() -> None:
    """Stand in for a hook."""
