"""What one line of the supervision tree says. Plain data, so that it can go over a wire as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.supervisor.children import Child
    from actorq.supervisor.intensity import RestartWindow

__all__ = ["child_entry", "own_entry", "quota_entry"]

PLAIN: Final = (str, int, float, bool, type(None))


def own_entry(cell: Cell, up_since: float | None) -> dict[str, Any]:
    """Return what a supervisor says of itself at the top of a tree; its parent, if any, knows the rest."""
    state = {"starting": "starting", "ending": "stopping"}.get(cell.state, "up")
    return {
        "id": cell.name or type(cell.actor).__name__,
        "kind": "supervisor",
        "actor": type(cell.actor).__name__,
        "state": state,
        "restarts": 0,
        "pid": cell.id,
        "mailbox": len(cell.mailbox),
        "last_error": None,
        "last_error_at": None,
        "up_since": up_since,
        "info": None,
    }


def child_entry(child: Child) -> dict[str, Any]:
    """Return what is known of a child without asking it; `pid` is the number of its incarnation."""
    cell = child.cell if child.alive else None
    return {
        "id": child.id,
        "kind": child.spec.type,
        "actor": child.spec.actor.__name__,
        "state": child.state if child.waiting_on is None else f"waiting({child.waiting_on})",
        "restarts": child.restarts,
        "pid": None if cell is None else cell.id,
        "mailbox": 0 if cell is None else len(cell.mailbox),
        "last_error": child.last_error,
        "last_error_at": child.last_error_at,
        "up_since": None if cell is None else child.up_since,
        "info": _plain(child.info),
        "quota": None,
        "children": [],
        "facts": {},
    }


def quota_entry(window: RestartWindow, now: float) -> dict[str, Any]:
    """Return how many more incidents a supervisor stands at `now` (monotonic)."""
    return {"left": window.left(now), "intensity": window.intensity, "period_s": window.period_s}


def _plain(info: object) -> object:
    """Return `info` if any program can read it, else how it shows itself."""
    if isinstance(info, PLAIN):
        return info
    if isinstance(info, list | tuple) and all(isinstance(one, PLAIN) for one in info):
        return list(info)
    if isinstance(info, dict) and all(isinstance(key, str) and isinstance(one, PLAIN) for key, one in info.items()):
        return dict(info)
    return repr(info)
