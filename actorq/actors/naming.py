"""Who bears a name, who is at an address: the side of a system that finds actors.

Invariant: a name is free before anybody hears of its bearer's end (R36), and a ref of an incarnation that is over is a ref
of the dead, never of its successor (R37). The tables change under the system's lock; a look needs none.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from actorq.actors.ref import ActorRef, AnyRef, NameRef, RemoteRef
from actorq.actors.unlisted import make_dead
from actorq.messages.address import Address

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.actors.system import System

__all__ = ["Naming"]


class Naming:
    """What `System` knows of names and addresses."""

    name: str
    boot: str
    nobody: Cell
    _names: dict[str, Cell]
    _cells: dict[int, Cell]

    @abstractmethod
    def _here(self) -> System:
        """Return the system itself."""

    def whereis(self, name: str) -> ActorRef[Any] | None:
        """Return the ref of the living actor of that name."""
        cell = self._names.get(name)
        return None if cell is None else cell.ref

    def find_named(self, name: str) -> Cell | None:
        """Return the cell of the actor that has taken `name`; it may not have started yet."""
        return self._names.get(name)

    def ref(self, name: str, wait_s: float = 0.0) -> NameRef:
        """Return a ref that looks `name` up at each send, and waits up to `wait_s` seconds for somebody to take it.

        Raises:
            ValueError: the time is negative.
        """
        if wait_s < 0:
            raise ValueError(f"expected wait_s to be 0 or more seconds, got {wait_s!r}")
        return NameRef(self._here(), name, wait_s)

    def ref_to(self, address: Address | str, wait_s: float = 0.0) -> AnyRef:
        """Return a ref of the actor at `address`: a local one if that is this node, else one through this gateway.

        Raises:
            ValueError: that is no address.
        """
        if not isinstance(address, Address):
            address = Address.parse(address)
        if address.node == self.name:
            return self.local_ref(address, wait_s)
        return RemoteRef(address, self._here(), wait_s)

    def local_ref(self, address: Address, wait_s: float = 0.0) -> ActorRef[Any] | NameRef:
        """Return a ref of the actor at an address of this node; of a dead one, if that incarnation is over."""
        if address.is_name:
            return NameRef(self._here(), address.path, wait_s)
        cell = self.find_incarnation(address)
        if cell is None:
            label = f"{address.path or 'actor'}#{address.id}"
            known = address.id if address.boot == self.boot else None
            cell = make_dead(self._here(), self.nobody.loop, label, address.path or None, known)
        return cell.ref

    def find_incarnation(self, address: Address) -> Cell | None:
        """Return the living actor that `address` means; None also for one of an earlier life of this node."""
        return self._cells.get(address.id) if address.boot == self.boot else None
