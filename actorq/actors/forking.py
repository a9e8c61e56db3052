"""What a fork leaves of the actors in the child: nothing that runs, and nothing that waits for what can't come.

Only the thread that forked exists in the child. Loops, and so actors, are the parent's: here every ref is dead, an ask
fails at once, and a loop whose thread did fork ends the process when the actor's code comes back to it (`loop.Loop`),
before it handles a message or touches a socket that the parent is using. Code that forks from an actor is expected to
exec or to leave by `os._exit`, as `multiprocessing` and `subprocess` do.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from actorq.actors import places  # noqa: F401  its own hook comes first: a new lock
from actorq.actors.context import fenced

if TYPE_CHECKING:
    from actorq.actors.system import System

__all__ = ["systems"]

systems: weakref.WeakSet[System] = weakref.WeakSet()


def _forget_the_parents_actors() -> None:
    fenced.clear()
    for system in list(systems):
        system.forked()


os.register_at_fork(after_in_child=_forget_the_parents_actors)
