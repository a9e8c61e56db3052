"""Which loop the running thread belongs to, and what it therefore must not do.

One shared loop carries thousands of actors: whoever blocks it stops them all. So every blocking wait in the kernel asks
`guard_blocking` first.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from actorq.errors import Exit, WouldBlock

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.actors.loop import Loop

__all__ = ["check_fence", "current_cell", "current_loop", "fenced", "guard_blocking", "here"]

fenced: set[Cell] = set()
"""Killed actors whose loops haven't taken note yet: their code may still be running (K2).

Empty nearly always, so that what must be refused to them costs everybody else one look: `if fenced: check_fence()`.
"""


class _Here(threading.local):
    loop: Loop | None = None


here = _Here()


def current_loop() -> Loop | None:
    """Return the loop whose thread this is, or None in a thread that isn't the kernel's."""
    return here.loop


def current_cell() -> Cell | None:
    """Return the actor whose code is running in this thread, or None."""
    loop = here.loop
    return None if loop is None else loop.current


def check_fence() -> None:
    """Do nothing unless the code that is running belongs to an actor that was killed.

    Raises:
        Exit: it does, and shall unwind, whatever it was about to do.
    """
    cell = current_cell()
    if cell is not None and cell in fenced:
        raise Exit(cell.reason)


def guard_blocking(what: str, target: Loop | None = None) -> None:
    """Do nothing where a blocking wait harms nobody else.

    Raises:
        WouldBlock: this is a shared loop, or the very loop that is to be waited for.
    """
    loop = here.loop
    if loop is None:
        return
    if loop.shared:
        raise WouldBlock(f"{what} would stop every actor that shares the loop {loop.name!r}; use ask_then()")
    if loop is target:
        raise WouldBlock(f"{what} would wait for itself: both live on the loop {loop.name!r}")
