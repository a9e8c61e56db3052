"""A set of loops, the actors on them, and the names they are known by.

One per node; tests may have several in a process. A name is taken before `init` runs and free before anybody hears of the
end (R36), so a restart never meets its own former self. Actor threads are daemons, because a stuck actor must not hold the
process, but `shutdown` joins every one of them.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from actorq.actors.actor import Actor
from actorq.actors.cell import Cell
from actorq.actors.context import check_fence, current_cell, fenced, guard_blocking, here
from actorq.actors.dead_letters import DeadLetters
from actorq.actors.forking import systems
from actorq.actors.held import HeldMessages
from actorq.actors.info import ActorInfo, Zombie, describe
from actorq.actors.interrupts import Interrupts
from actorq.actors.naming import Naming
from actorq.actors.outcome import StartFailed, StartOutcome
from actorq.actors.places import announce, get_lock, withdraw
from actorq.actors.signals import Boot
from actorq.actors.stopping import StopChain
from actorq.actors.unlisted import furnish, make_dead, make_unlisted
from actorq.clock import SYSTEM_CLOCK
from actorq.errors import ActorDead, ActorError, AlreadyStarted, AskTimeout, Exit
from actorq.log import get_logger
from actorq.messages.reasons import NOPROC, SHUTDOWN, Crashed, crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from actorq.actors.loop import Loop
    from actorq.actors.ref import ActorRef
    from actorq.actors.remote import Carrier
    from actorq.clock import Clock
    from actorq.messages.reasons import ExitReason

__all__ = ["System"]

log = get_logger(__name__)

START_TIMEOUT_S: Final = 60.0  # a store may have to recover; nothing that takes longer is a start
STOP_TIMEOUT_S: Final = 5.0  # for all actors together to end in good order
JOIN_GRACE_S: Final = 1.0  # for a thread that was told to end and does nothing else any more

A = TypeVar("A", bound=Actor)


class System(Naming):
    """Spawns, names and ends actors. Every method may be called from any thread unless it says otherwise."""

    def __init__(self, name: str = "actorq", *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name, self.clock = name, clock
        self.boot = os.urandom(8).hex()  # of this life; part of every incarnation's address
        # Guards names, cells, loops, and every cell's links, monitors and state. Reentrant, because the garbage collector may
        # run somebody's `__del__` at any allocation under it.
        self.lock = get_lock()
        self.carrier: Carrier | None = None  # who reaches other nodes; a gateway puts itself in place
        self.dead_letters = DeadLetters(clock)
        self._names: dict[str, Cell] = {}
        self._cells: dict[int, Cell] = {}
        self._loops: set[Loop] = set()
        self._last_steps: set[Loop] = set()  # closed, but their threads may still be on the way out
        self._shared: Loop | None = None
        self._closing = False
        self._killed: dict[Cell, float] = {}  # killed, thread not back from its code yet -> monotonic time of the kill
        self.held = HeldMessages(self)
        self.nobody = self._make_nobody()
        systems.add(self)
        announce(self)

    # -- spawning ------------------------------------------------------------------------------------------------------

    def spawn(
        self,
        actor_class: type[A],
        *args: Any,
        name: str | None = None,
        link: bool = False,
        parent: ActorRef[Any] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        **kwargs: Any,
    ) -> ActorRef[A]:
        """Start an actor and wait until its `init` confirmed. One that was ignored comes back as a dead ref.

        `link` shares its fate with `parent`, or with the actor whose code calls this.

        Raises:
            AlreadyStarted: the name is taken.
            WouldBlock: called in a shared loop, where a supervisor is the one to start actors.
            ActorDead: it ended before it confirmed without an exception, e.g. it was killed.
            TypeError: it isn't an actor of this house; Pykka's own start themselves.
            Exception: whatever `init` raised.
        """
        if not issubclass(actor_class, Actor):
            raise TypeError(f"expected a subclass of actorq.actors.Actor, got {actor_class!r}")
        guard_blocking(f"spawn() of {actor_class.__name__}", None if actor_class.pinned else self._shared)
        parent_cell = current_cell() if parent is None else parent.cell
        if link and parent_cell is None:
            raise ValueError(f"expected a parent to link {actor_class.__name__} to, got a call from outside any actor")
        done = threading.Lock()  # as in `Future`: half the price of an Event
        done.acquire()
        outcomes: list[StartOutcome] = []

        def confirm(outcome: StartOutcome) -> None:
            outcomes.append(outcome)
            done.release()

        cell = self.start_actor(
            actor_class, args, kwargs, name=name, parent=parent_cell if link or parent else None, confirm=confirm
        )
        if not done.acquire(timeout=start_timeout_s):
            cell.kill()
            raise AskTimeout(f"the start of {cell.label}", start_timeout_s)
        match outcomes[0]:
            case StartFailed(reason, error):
                if error is None or isinstance(error, Exit):
                    raise ActorDead(cell.label, reason)
                raise error
        return cell.ref

    def run(
        self,
        actor_class: type[Actor],
        *args: Any,
        name: str | None = None,
        stop_timeout_s: float = STOP_TIMEOUT_S,
        **kwargs: Any,
    ) -> ExitReason | None:
        """Be the main function of a program: spawn a root, wait until it ends or SIGINT or SIGTERM comes, shut down.

        Return None where a signal ended it, else the reason for which the root ended by itself: a supervisor that gave up
        ends with `shutdown`, too. A second signal acts as if there were no `run`. Main thread only.

        Raises:
            RuntimeError: this isn't the main thread.
            Exception: whatever `spawn` raises.
        """
        try:
            with Interrupts() as interrupts:
                root = self.spawn(actor_class, *args, name=name, **kwargs)
                root.watch(interrupts.end)
                number = interrupts.wait()
                if number:
                    log.info("system_interrupted", system=self.name, signal=number)
        finally:
            self.shutdown(stop_timeout_s)
        return None if number else root.cell.reason

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.shutdown()

    def start_actor(
        self,
        actor_class: type[Actor],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        name: str | None,
        parent: Cell | None,
        confirm: Callable[[StartOutcome], None],
        supervised: bool = False,
    ) -> Cell:
        """Start an actor without waiting: `confirm` is called once, in any thread. Linked to `parent` from the start.

        Raises:
            AlreadyStarted: the name is taken.
            ActorDead: the parent, or the system, is at its end.
        """
        if fenced:
            check_fence()
        if name is not None and name in self._names:
            raise AlreadyStarted(name, self.whereis(name))
        loop = self._loop_for(actor_class)
        cell = Cell(self, loop, "", name, parent)
        cell.label = f"{name or actor_class.__name__}#{cell.id}"
        cell.args, cell.kwargs, cell.confirm, cell.supervised = args, dict(kwargs), confirm, supervised
        actor = actor_class(cell)
        furnish(cell, actor)
        if actor_class.on_drained is not Actor.on_drained:
            cell.has_drain, cell.drain = True, actor.on_drained
        try:
            self._register(cell)
        except ActorError:
            if not loop.shared:
                loop.release()
            raise
        try:
            actor._start_actor_loop()  # noqa: SLF001  Pykka's open point
        except RuntimeError as error:  # the machine gives no more threads
            cell.start_error = error
            cell.finish(crashed(error))
            self._loop_closed(loop)
            loop.release()
            return cell
        loop.post_signal(cell, Boot())
        return cell

    def _register(self, cell: Cell) -> None:
        with self.lock:
            if self._closing:
                raise ActorDead(f"system {self.name}", SHUTDOWN)
            if cell.loop.stopped:  # it failed since it was chosen; its actors have been seen off already
                raise ActorDead(f"loop {cell.loop.name}", NOPROC)
            if cell.name is not None:
                if cell.name in self._names:
                    raise AlreadyStarted(cell.name, self._names[cell.name].ref)
                self._names[cell.name] = cell
            if cell.parent is not None:
                if cell.parent.is_dead:
                    self._names.pop(cell.name or "", None)
                    raise ActorDead(cell.parent.label, cell.parent.reason)
                cell.links.add(cell.parent)
                cell.parent.links.add(cell)
            self._cells[cell.id] = cell
            if not cell.loop.shared:
                self._loops.add(cell.loop)

    def _loop_for(self, actor_class: type[Actor]) -> Loop:
        if actor_class.pinned:
            loop = self._make_loop(f"{self.name}:{actor_class.__name__}", shared=False)
            loop.on_close, loop.patience_s = self._loop_closed, actor_class.patience_s
            return loop
        with self.lock:
            if self._shared is None:
                if self._closing:
                    raise ActorDead(f"system {self.name}", SHUTDOWN)
                self._shared = self._make_loop(f"{self.name}:light", shared=True)
                self._shared.on_close = self._loop_closed
                self._shared.start()
                self._loops.add(self._shared)
            return self._shared

    def _make_loop(self, name: str, *, shared: bool) -> Loop:
        from actorq.actors.loop import Loop  # noqa: PLC0415  loads zmq, which whoever only sends tasks never needs

        return Loop(name, shared=shared, clock=self.clock)

    def _make_nobody(self) -> Cell:
        loop = self._make_loop("nobody", shared=False)
        cell = make_dead(self, loop, "nobody")
        loop.release()
        return cell

    def make_clerk(self) -> Cell:
        """Return somebody on the shared loop who keeps time for those who have no loop.

        Raises:
            ActorDead: the system is at its end.
        """
        return make_unlisted(self, self._loop_for(Actor), "clerk")

    # -- views ----------------------------------------------------------------------------------------------------------------

    def actors(self) -> list[ActorInfo]:
        """Return what is known of every living actor, oldest first, without asking any."""
        with self.lock:
            cells = list(self._cells.values())
        return [describe(cell) for cell in cells]

    def loops(self) -> list[Loop]:
        """Return the loops that run now; for whoever watches their beats."""
        with self.lock:
            return list(self._loops)

    def zombies(self, grace_s: float = 0.0) -> list[Zombie]:
        """Return actors killed more than `grace_s` ago from whose code the thread hasn't come back."""
        now = time.monotonic()
        with self.lock:
            killed = list(self._killed.items())
        return [Zombie(cell.label, now - since, cell.loop.shared) for cell, since in killed if now - since >= grace_s]

    # -- ending --------------------------------------------------------------------------------------------------------

    def exit(self, ref: ActorRef[Any], reason: ExitReason = SHUTDOWN) -> None:
        """Send an exit signal in the system's name, which counts as the parent's; KILL acts before this returns."""
        if fenced:
            check_fence()
        ref.cell.exit(None, reason)

    def kill(self, ref: ActorRef[Any]) -> None:
        """End an actor at once and fence its incarnation; what it still does counts for nothing."""
        if fenced:
            check_fence()
        ref.cell.kill()

    def wait_down(self, ref: ActorRef[Any], timeout_s: float = 5.0) -> ExitReason | None:
        """Wait until an actor has ended; return the reason, or None if it hasn't. Not in a shared loop."""
        guard_blocking(f"waiting for the end of {ref}", ref.cell.loop)
        ended = threading.Event()
        watch_id = ref.cell.watch(lambda *_: ended.set())
        if ended.wait(max(0.0, timeout_s)):
            return ref.cell.reason
        ref.cell.unwatch(watch_id)
        return None

    def shutdown(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End every actor, roots in reverse order of their start, and join every loop. Idempotent.

        After `timeout_s` what still lives is killed. A thread that is stuck in an actor's code is reported and left.

        Raises:
            WouldBlock: called by an actor of this system, which would wait for its own end, or in a shared loop.
        """
        loop = here.loop
        guard_blocking(f"shutdown() of {self.name}", loop if loop in self._loops else None)
        deadline = time.monotonic() + timeout_s
        withdraw(self)
        with self.lock:
            self._closing = True
            roots = [cell for cell in self._cells.values() if cell.parent is None]
        chain = StopChain(roots)
        if not chain.run(deadline):
            log.warning("actor_ignored_stop", actor=str(chain.current), waited_s=timeout_s)
        with self.lock:
            left = list(self._cells.values())
        for cell in reversed(left):
            cell.kill()
        self.held.close()
        self._join(deadline)

    def _join(self, deadline: float) -> None:
        with self.lock:
            loops = [*self._loops, *self._last_steps]
        for loop in loops:
            loop.stop()
        until = max(deadline, time.monotonic() + JOIN_GRACE_S)
        for loop in loops:
            thread = loop.thread
            if thread is None or thread is threading.current_thread():
                continue
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                log.error("loop_abandoned", loop=loop.name, stuck_for_s=round(loop.stuck_for_s(), 1))

    def _here(self) -> Self:
        return self

    # -- what cells and loops report -------------------------------------------------------------------------------------

    def forget(self, cell: Cell) -> None:
        """Free the name and the place of a cell; called with the lock held."""
        if cell.name is not None and self._names.get(cell.name) is cell:
            del self._names[cell.name]
        self._cells.pop(cell.id, None)

    def killed(self, cell: Cell) -> None:
        """Take note that a thread still has to come back from the code of a killed actor."""
        loop = cell.loop
        with self.lock:
            if loop in self._loops and (not loop.shared or loop.current is cell):
                self._killed[cell] = time.monotonic()

    def reaped(self, cell: Cell) -> None:
        """Take note that the thread is back; that of a pinned actor when it has ended."""
        if self._killed and cell.loop.shared:
            with self.lock:
                self._killed.pop(cell, None)

    def report_end(self, cell: Cell, reason: ExitReason) -> None:
        """Log the crash of an actor that has no supervisor to do it."""
        if isinstance(reason, Crashed):
            log.error("actor_crashed", actor=cell.label, reason=str(reason), traceback=reason.traceback_text)

    def forked(self) -> None:
        """Be the system of a process that was forked: everything is dead, and nobody is told."""
        self.lock = get_lock()  # a new one: whoever held the old one doesn't exist here
        self._closing = True
        self.carrier = None
        self.held = HeldMessages(self)
        for cell in self._cells.values():
            cell.disown()
        for loop in (*self._loops, *self._last_steps):
            loop.disown()
        for table in (self._cells, self._names, self._loops, self._last_steps, self._killed):
            table.clear()
        self._shared = None

    def _loop_closed(self, loop: Loop) -> None:
        """Forget a loop whose thread ends; whoever still lived on it is dead now."""
        with self.lock:
            self._loops.discard(loop)
            self._last_steps = {other for other in self._last_steps if other.is_running()} | {loop}
            if loop is self._shared:
                self._shared = None
            left = [cell for cell in self._cells.values() if cell.loop is loop]
            for cell in [cell for cell in self._killed if cell.loop is loop]:
                del self._killed[cell]
        for cell in left:
            cell.finish(Crashed("LoopFailed", f"the loop {loop.name!r} ended"))
