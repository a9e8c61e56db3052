"""Whether a node is well: a pure reading of its supervision tree.

A node is *degraded* while any of its components is neither up nor ignored: what depends on it does nothing meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["find_unwell"]

_WELL: Final = frozenset({"up", "ignored"})


def find_unwell(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return `{id: "state: last error"}` of everything below the root of `tree` that isn't well, in order of start."""
    return {
        entry["id"]: f"{entry['state']}: {entry['last_error']}" if entry["last_error"] else entry["state"]
        for entry in _walk(tree)
        if entry["state"] not in _WELL
    }


def _walk(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in tree["children"]:
        yield entry
        yield from _walk(entry)
