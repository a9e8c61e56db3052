"""The places Pykka leaves open, checked when actorq is imported.

The kernel replaces how an actor gets its inbox, its futures and its loop, and how it takes a message. All four names are
Pykka's own and begin with an underscore: a Pykka without one of them must fail here, by name, and not later by hanging.
"""

from __future__ import annotations

import uuid
from typing import Final

import pykka

__all__ = ["POINTS", "check_pykka", "urn_of"]

POINTS: Final = ("_create_actor_inbox", "_create_future", "_start_actor_loop", "_handle_receive")

_URN_PREFIX: Final = uuid.uuid4().urn[:-12]


def urn_of(id: int) -> str:
    """Return the URN of an incarnation: what no other is called, in this process or another."""
    return f"{_URN_PREFIX}{id:012x}"


def check_pykka(actor_class: type = pykka.Actor) -> None:
    """Do nothing if the installed Pykka can carry the kernel.

    Raises:
        ImportError: it can't; the message names what is missing.
    """
    missing = [name for name in POINTS if not callable(getattr(actor_class, name, None))]
    if missing:
        raise ImportError(
            f"expected pykka.Actor to have {', '.join(missing)}, got a Pykka without; install pykka>=4.5,<4.6"
        )


check_pykka()
