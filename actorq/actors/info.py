"""What a system tells of its actors without asking any: values, read from outside while the actors go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from actorq.actors.cell import Cell

__all__ = ["ActorInfo", "Zombie", "describe"]


class ActorInfo(msgspec.Struct, frozen=True):
    """What is known of one living actor without asking it."""

    id: int
    name: str | None
    class_name: str
    state: str
    pinned: bool
    parent_id: int | None
    mailbox: int
    dropped: int
    rejected: int
    unknown: int


class Zombie(msgspec.Struct, frozen=True):
    """An actor that was killed `for_s` seconds ago and whose code goes on; on a `shared` loop it stops its neighbours."""

    label: str
    for_s: float
    shared: bool


def describe(cell: Cell) -> ActorInfo:
    """Return what is known of an actor now."""
    return ActorInfo(
        id=cell.id,
        name=cell.name,
        class_name=type(cell.actor).__name__,
        state=cell.state,
        pinned=not cell.loop.shared,
        parent_id=None if cell.parent is None else cell.parent.id,
        mailbox=len(cell.mailbox),
        dropped=cell.mailbox.dropped,
        rejected=cell.mailbox.rejected,
        unknown=cell.unknown,
    )
