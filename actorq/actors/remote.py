"""A ref of an actor that lives elsewhere; it reads like any other.

The ref holds an address and nothing else. What it is told goes to the `Carrier` of this process, which a gateway
(`actorq.transport.gateway`) puts in place: a ref can be made, kept, compared and pickled without one, and says so at its first
use. Links and monitors are made with a `Cell` that stands for the remote actor and ends when it does, so what a local
actor knows of fates is true of remote ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from actorq.actors.context import check_fence, fenced, guard_blocking
from actorq.actors.future import ASK_TIMEOUT_S, Future
from actorq.actors.places import find_carrier, find_systems
from actorq.errors import ActorError, EncodeError, NoGateway
from actorq.messages.address import Address

if TYPE_CHECKING:
    from typing import NoReturn

    from actorq.actors.cell import Cell
    from actorq.actors.loop import Loop
    from actorq.actors.outcome import ReplyTo
    from actorq.actors.ref import AnyRef
    from actorq.actors.system import System

__all__ = ["Carrier", "RemoteRef", "open_ref"]

ALIVE_TIMEOUT_S = 1.0  # for an answer to `is_alive`


class Carrier(Protocol):
    """Who takes things to other nodes. Every method may be called from any thread, and none waits."""

    loop: Loop
    """The loop of the gateway: code in it must not wait for an answer from afar."""

    def tell(self, ref: RemoteRef, message: Any) -> None:
        """Send `message`; if it can't arrive it is a counted dead letter, here or there.

        Raises:
            MailboxFull: too much waits for that node.
            EncodeError: it can't travel.
        """
        ...

    def ask(self, ref: RemoteRef, message: Any, reply_to: ReplyTo, timeout_s: float) -> None:
        """Send `message`; `reply_to` is answered once: by the other side, or with ActorDead when it is lost.

        Raises:
            MailboxFull: too much waits for that node.
            EncodeError: it can't travel.
        """
        ...

    def is_alive(self, ref: RemoteRef, reply_to: ReplyTo, timeout_s: float) -> None:
        """Answer with whether somebody is there; nobody is on a node that can't be reached."""
        ...

    def stand_in(self, ref: RemoteRef) -> Cell:
        """Return the cell that stands for the actor until its end."""
        ...


class RemoteRef:
    """A ref of whoever is at `address`; equal to every other ref of the same address."""

    __slots__ = ("_system", "address", "id", "text", "wait_s")

    def __init__(self, address: Address, system: System | None = None, wait_s: float = 0.0) -> None:
        """Make a ref that goes through the gateway of `system`, or else of this process."""
        self.address, self.wait_s, self._system = address, wait_s, system
        self.text = str(address)
        # As a local actor's number, but negative, and the same for each ref of the address: never that of a local one.
        self.id = -1 - (hash(address) & 0x3FFF_FFFF_FFFF_FFFF)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<RemoteRef {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteRef) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_ref, (self.text, self.wait_s)

    def __copy__(self) -> RemoteRef:
        return self

    def __deepcopy__(self, memo: object) -> RemoteRef:
        return self

    @property
    def name(self) -> str | None:
        """The name in its address; None where the actor has none."""
        return self.address.path or None

    def tell(self, message: Any) -> None:
        """Send a message and expect nothing; lost on the way, it is a counted dead letter.

        Raises:
            MailboxFull: too much waits for that node.
            EncodeError: the message can't travel.
            NoGateway: nobody in this process reaches other nodes.
        """
        self._carrier().tell(self, message)

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message and wait for the answer, or return a future of it; 5 s unless `timeout` says otherwise.

        Raises:
            ActorDead: it has ended; with reason `noconnection`, its node is lost, and nobody knows what it did before.
            AskTimeout: no answer in time.
            WouldBlock: waiting here would stop other actors; nothing was sent.
            EncodeError, MailboxFull, NoGateway: as for `tell`.
        """
        carrier = self._carrier()
        if block:
            guard_blocking(f"ask() of {self}", carrier.loop)
        timeout_s = ASK_TIMEOUT_S if timeout is None else timeout
        future = Future(str(self), timeout_s, carrier.loop)
        try:
            carrier.ask(self, message, future, timeout_s)
        except (ActorError, EncodeError) as error:
            if block:
                raise
            future.set_exception((type(error), error, None))
        return future.get() if block else future

    def post(self, message: Any, reply_to: ReplyTo, timeout_s: float) -> None:
        """Ask for `reply_to`, which keeps its own deadline; raises as `tell` does."""
        self._carrier().ask(self, message, reply_to, timeout_s)

    def is_alive(self) -> bool:
        """Ask the other node, for a second at most; False also where it can't be reached.

        Raises:
            WouldBlock: waiting here would stop other actors; monitor it instead.
        """
        carrier = self._carrier()
        guard_blocking(f"is_alive() of {self}", carrier.loop)
        future = Future(str(self), ALIVE_TIMEOUT_S, carrier.loop)
        try:
            carrier.is_alive(self, future, ALIVE_TIMEOUT_S)
            return bool(future.get())
        except ActorError:
            return False

    def target(self) -> Cell:
        """Return the cell that stands for the actor, to be linked to or monitored."""
        return self._carrier().stand_in(self)

    def proxy(self) -> NoReturn:
        """Refuse: a proxy would reach for attributes that are in another process.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"expected a local actor to make a proxy of, got {self}; use tell() and ask()")

    def _carrier(self) -> Carrier:
        if fenced:
            check_fence()
        carrier = find_carrier(self._system)
        if carrier is None:
            raise NoGateway(self.text)
        return carrier


def open_ref(text: str, wait_s: float = 0.0) -> AnyRef:
    """Return a ref of the actor at an address: a local one in the process where its node lives, else a RemoteRef.

    A ref of one incarnation stays of it: if it is over, the ref is of somebody who is dead.

    Raises:
        ValueError: that is no address.
    """
    address = Address.parse(text)
    systems = find_systems(address.node)
    if not systems:
        return RemoteRef(address, wait_s=wait_s)
    if not address.is_name:
        systems = [system for system in systems if system.boot == address.boot] or systems
    return systems[0].local_ref(address, wait_s)
