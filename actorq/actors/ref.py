"""What one holds of an actor: a ref of one incarnation, or of a name.

An `ActorRef` is of one incarnation: when that ends, asks fail at once with ActorDead, and a restarted actor isn't it. A
`NameRef` looks up who bears the name at each send, and may wait a stated time for somebody to take it (R37). Both pickle to
their address (`actorq://node/path`), which leads back to the same actor wherever it is opened. A tell to a dead incarnation raises ActorDead in a plain thread, as
Pykka's users know it; inside an actor it becomes a counted dead letter, because an actor must not die of its peer's death.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pykka
from pykka._envelope import Envelope

from actorq.actors.context import check_fence, fenced, guard_blocking, here
from actorq.actors.future import ASK_TIMEOUT_S, Future
from actorq.actors.outcome import Outcome, give_error
from actorq.actors.pykka_points import urn_of
from actorq.actors.remote import RemoteRef, open_ref
from actorq.actors.signals import Invoke
from actorq.errors import ActorDead, ActorError, AskTimeout, EncodeError, MailboxFull
from actorq.messages.address import Address
from actorq.messages.reasons import NOPROC

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from actorq.actors.actor import Actor
    from actorq.actors.cell import Cell
    from actorq.actors.mailbox import Mailbox
    from actorq.actors.outcome import ReplyTo
    from actorq.actors.system import System

__all__ = ["ActorRef", "AnyRef", "NameRef", "RemoteRef", "ask_then", "open_ref"]

A = TypeVar("A", bound="Actor")


class ActorRef(pykka.ActorRef[A]):
    """A ref of one incarnation; equal to every other ref of it."""

    actor_inbox: Mailbox

    def __init__(self, actor: A, cell: Cell) -> None:
        # What Pykka's own `__init__` would set, except what is a property here.
        self._actor_weakref = weakref.ref(actor)
        self.actor_class = type(actor)
        self.actor_inbox = cell.mailbox
        self.cell = cell
        self.id = cell.id
        self.name = cell.name

    def __str__(self) -> str:
        return self.cell.label

    def __repr__(self) -> str:
        return f"<ActorRef {self.cell.label}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorRef) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """A text that no other incarnation has; Pykka's."""
        return urn_of(self.cell.id)

    @property
    def actor_stopped(self) -> threading.Event:  # type: ignore[override]
        """An event that is set when this incarnation has ended; Pykka's."""
        return self.cell.stopped()

    def __reduce__(self) -> tuple[Any, ...]:
        return open_ref, (str(self.address),)

    def __copy__(self) -> ActorRef[A]:
        return self

    def __deepcopy__(self, memo: object) -> ActorRef[A]:
        return self

    @property
    def address(self) -> Address:
        """The address of this incarnation, and of no other.

        Raises:
            ValueError: the name of the system or of the actor can't be part of an address.
        """
        return self.cell.address

    def target(self) -> Cell:
        """Return the incarnation this ref means."""
        return self.cell

    def resolve(self) -> ActorRef[A] | None:
        """Return this ref; a NameRef looks up the present incarnation here."""
        return self

    def tell(self, message: Any) -> None:
        """Send a message and expect nothing.

        Raises:
            ActorDead: it has ended; only in a thread that isn't an actor's, elsewhere it is a dead letter.
            MailboxFull: its mailbox is at its bound and rejects.
        """
        if fenced:
            check_fence()
        mailbox = self.actor_inbox
        if mailbox.closed and here.loop is None:
            self.cell.system.dead_letters.add(self.cell.label, message, self.cell.reason)
            raise ActorDead(self.cell.label, self.cell.reason)
        mailbox.put(Envelope(message))

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message and wait for the answer, or return a future of it; 5 s unless `timeout` says otherwise.

        Raises:
            ActorDead: it has ended, or ends before it answered.
            AskTimeout: no answer in time.
            WouldBlock: waiting here would stop other actors; nothing was sent.
        """
        if fenced:
            check_fence()
        cell = self.cell
        if block and here.loop is not None:
            guard_blocking(f"ask() of {cell.label}", cell.loop)
        if self.actor_inbox.closed:
            return _dead(ActorDead(cell.label, cell.reason), block=block)
        future = Future(cell.label, ASK_TIMEOUT_S if timeout is None else timeout, cell.loop)
        try:
            self.actor_inbox.put(Envelope(message, future))
        except MailboxFull as error:
            if block:
                raise
            future.set_exception((MailboxFull, error, None))
        return future.get() if block else future

    def post(self, message: Any, reply_to: ReplyTo, timeout_s: float) -> None:
        """Ask for `reply_to`, which keeps its own deadline. Raises MailboxFull."""
        self.actor_inbox.put(Envelope(message, reply_to))  # type: ignore[arg-type]

    def is_alive(self) -> bool:
        """Return whether it can still be told something."""
        return not self.actor_inbox.closed

    def watch(self, callback: Callable[[int, ActorRef[Any], Any], None]) -> int:
        """Call `callback(watch_id, ref, reason)` when it ends, in whichever thread that happens; for plain threads."""
        return self.cell.watch(callback)


class NameRef:
    """A ref of whoever bears `name` in `system` at the moment of each send, or takes it within `wait_s` seconds of it."""

    __slots__ = ("name", "system", "wait_s")

    def __init__(self, system: System, name: str, wait_s: float = 0.0) -> None:
        self.system, self.name, self.wait_s = system, name, wait_s

    def __repr__(self) -> str:
        return f"<NameRef {self.name}>"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NameRef) and other.name == self.name and other.system is self.system

    def __hash__(self) -> int:
        return hash((self.name, id(self.system)))

    def __reduce__(self) -> tuple[Any, ...]:
        return open_ref, (str(self.address), self.wait_s)

    def __copy__(self) -> NameRef:
        return self

    def __deepcopy__(self, memo: object) -> NameRef:
        return self

    @property
    def address(self) -> Address:
        """The address of the name.

        Raises:
            ValueError: the name of the system, or this one, can't be part of an address.
        """
        return Address(self.system.name, self.name)

    def resolve(self) -> ActorRef[Any] | None:
        """Return the ref of the present incarnation."""
        return self.system.whereis(self.name)

    def target(self) -> Cell:
        """Return the present incarnation, or one that is dead for good."""
        ref = self.resolve()
        return self.system.nobody if ref is None else ref.cell

    def tell(self, message: Any) -> None:
        """Send a message; to nobody it is a counted dead letter, never an error.

        Raises:
            MailboxFull: its mailbox is at its bound and rejects, or too much waits for the name.
        """
        if fenced:
            check_fence()
        if self.wait_s:
            self.system.held.post(self.name, message, None, self.wait_s)
            return
        ref = self.resolve()
        if ref is None:
            self.system.dead_letters.add(self.name, message, NOPROC)
        else:
            ref.actor_inbox.put(Envelope(message))

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Ask whoever bears the name now; ActorDead where nobody does for `wait_s`. Otherwise as `ActorRef.ask`."""
        if fenced:
            check_fence()
        ref = self.resolve()
        if self.wait_s:
            loop = None if ref is None else ref.cell.loop
            if block:
                guard_blocking(f"ask() of {self.name}", loop)
            future = Future(self.name, ASK_TIMEOUT_S if timeout is None else timeout, loop)
            try:
                self.system.held.post(self.name, message, future, self.wait_s)
            except MailboxFull as error:
                if block:
                    raise
                future.set_exception((MailboxFull, error, None))
            return future.get() if block else future
        if ref is not None:
            return ref.ask(message, block=block, timeout=timeout)
        return _dead(ActorDead(self.name, NOPROC), block=block)

    def post(self, message: Any, reply_to: ReplyTo, timeout_s: float) -> None:
        """Ask for `reply_to`, which keeps its own deadline. Raises MailboxFull."""
        if self.wait_s:
            self.system.held.post(self.name, message, reply_to, self.wait_s)
            return
        ref = self.resolve()
        if ref is None:
            give_error(reply_to, ActorDead(self.name, NOPROC))
        else:
            ref.post(message, reply_to, timeout_s)

    def proxy(self) -> Any:
        """Return a proxy of the present incarnation."""
        ref = self.resolve()
        if ref is None:
            raise ActorDead(self.name, NOPROC)
        return ref.proxy()

    def is_alive(self) -> bool:
        """Return whether somebody bears the name."""
        return self.resolve() is not None


def _dead(error: ActorDead, *, block: bool) -> Future:
    """Raise `error`, or return a future that does."""
    if block:
        raise error
    future = Future(error.actor)
    future.set_exception((ActorDead, error, None))
    return future


AnyRef: TypeAlias = "ActorRef[Any] | NameRef | RemoteRef"


class _Answer:
    """Stands where a future would: takes the first answer, or the deadline, to the asker's mailbox."""

    __slots__ = ("_asker", "_callback", "_deadline")

    def __init__(self, asker: Cell, callback: Callable[[Outcome], None]) -> None:
        self._asker = asker
        self._callback: Callable[[Outcome], None] | None = callback
        self._deadline: Any = None

    def arm(self, actor: str, timeout_s: float) -> None:
        self._deadline = self._asker.actor.timers.after(
            timeout_s, Invoke(self._finish, Outcome(error=AskTimeout(actor, timeout_s)))
        )

    def set(self, value: Any | None = None) -> None:
        self._post(Outcome(value))

    def set_exception(self, exc_info: Any = None) -> None:
        self._post(Outcome(error=exc_info[1]))

    def _post(self, outcome: Outcome) -> None:
        # Through the mailbox, not the signal lane: what the other told before it answered comes first (R34).
        self._asker.mailbox.put_unbounded(Envelope(Invoke(self._finish, outcome)))

    def _finish(self, outcome: Outcome) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            self._deadline.cancel()
            callback(outcome)


def ask_then(asker: Cell, ref: AnyRef, message: Any, timeout_s: float, callback: Callable[[Outcome], None]) -> None:
    """Ask on behalf of the actor `asker`, in its context; see `Actor.ask_then`."""
    asker.check_alive()
    answer = _Answer(asker, callback)
    answer.arm(str(ref), timeout_s)
    try:
        ref.post(message, answer, timeout_s)
    except (ActorError, EncodeError) as error:
        answer.set_exception((type(error), error, None))
