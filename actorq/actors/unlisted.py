"""Cells that nobody finds: in no table of their system, and their end is no event.

They stand where an incarnation is needed and none lives: for nobody, for an address of a former life, for the clerk who
keeps time for those without a loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.actors.actor import Actor
from actorq.actors.cell import Cell
from actorq.actors.mailbox import Mailbox
from actorq.actors.ref import ActorRef
from actorq.messages.reasons import NOPROC

if TYPE_CHECKING:
    from actorq.actors.loop import Loop
    from actorq.actors.system import System

__all__ = ["furnish", "make_dead", "make_unlisted"]


def furnish(cell: Cell, actor: Actor, capacity: int | None = None) -> None:
    """Give a cell its actor, mailbox and ref."""
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    mailbox.attach(cell, cell.loop, actor.capacity if capacity is None else capacity, actor.on_full)
    cell.actor, cell.mailbox = actor, mailbox
    cell.ref = actor._actor_ref = ActorRef(actor, cell)  # noqa: SLF001  Pykka's place for it


def make_unlisted(system: System, loop: Loop, label: str, name: str | None = None) -> Cell:
    """Return a living cell without an actor of its own."""
    cell = Cell(system, loop, label, name, None)
    furnish(cell, Actor(cell), capacity=1)
    cell.supervised = True
    return cell


def make_dead(system: System, loop: Loop, label: str, name: str | None = None, id: int | None = None) -> Cell:
    """Return one that has ended, or never was; with the number of the incarnation it stands for, if that is known."""
    cell = make_unlisted(system, loop, label, name)
    if id is not None:
        cell.ref.id = cell.id = id
    cell.finish(NOPROC)
    return cell
