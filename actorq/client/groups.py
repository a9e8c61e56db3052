"""Which results belong together, kept by id in the store of the home: behind `save` and `restore` of sets and groups.

`ask(command, arguments, timeout, repeat=)` asks the hub. Invariant: what is saved are ids; results are asked for when they are
wanted, and expire by their own time.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import ResultUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ASK_S", "check_id", "drop_group", "load_group", "make_id", "save_group"]

ASK_S: Final = 5.0
LONGEST_ID: Final = 255
MAX_MEMBERS: Final = 100_000


def make_id() -> str:
    """Return an id for a group that has none."""
    return str(uuid.uuid4())


def check_id(id: object) -> str:
    """Return it if it is one.

    Raises:
        TypeError, ValueError: it isn't a text, is empty or too long.
    """
    if not isinstance(id, str):
        raise TypeError(f"expected the id of a group to be a text, got {id!r}")
    if not 0 < len(id) <= LONGEST_ID:
        raise ValueError(f"expected the id of a group to have 1 to {LONGEST_ID} characters, got {len(id)}")
    return id


def save_group(
    ask: Callable[..., Any], id: str, members: Sequence[str], *, parent: str, expires: float | None, timeout: float
) -> None:
    """Save the ids of a group under its own for `expires` seconds (None: as long as results are kept).

    Raises:
        BrokerUnavailable: nobody answered. ActorqError: the store has no room. ValueError: too many, or no time.
    """
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"expected at most {MAX_MEMBERS:,} results to save, got {len(members):,}")
    if expires is not None and not 0 < expires < float("inf"):
        raise ValueError(f"expected expires to be seconds above 0, got {expires!r}")
    question = {"verb": "save", "id": check_id(id), "members": list(members), "parent": parent, "ttl_s": expires}
    ask("group", question, timeout, repeat=True)


def load_group(ask: Callable[..., Any], id: str, timeout: float) -> tuple[list[str], str]:
    """Return the members' ids and that of the parent (empty: none).

    Raises:
        ResultUnknown: no such group was saved, or its time is over. BrokerUnavailable: nobody answered.
    """
    found = ask("group", {"verb": "load", "id": check_id(id)}, timeout, repeat=True)
    if found is None:
        raise ResultUnknown(id, "group")
    members, parent = found
    return members, parent


def drop_group(ask: Callable[..., Any], id: str, timeout: float) -> bool:
    """Drop a group that was saved, not its results; return whether there was one."""
    return bool(ask("group", {"verb": "drop", "id": check_id(id)}, timeout, repeat=True))
