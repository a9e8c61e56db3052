"""Finds components in a supervision tree by what people call them. Pure: trees are the plain dicts that `Tree` answers.

A component is named by its id, or by its path below the root: `pool/slots/slot-0`. The end of a path will do where it is
enough to tell it from others (`slots/slot-0`); a slash in front means the whole path, so `/timers` is the one at the top.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["find_entry", "find_paths", "list_paths", "name_path", "near_paths"]

NEAR: Final = 3  # suggestions at most


def list_paths(tree: Mapping[str, Any]) -> list[str]:
    """Return the paths of all components, the root's (empty) first, parents before children."""
    return [path for path, _ in _walk(tree, "")]


def find_paths(tree: Mapping[str, Any], wanted: str) -> list[str]:
    """Return the paths that `wanted` may mean, in the tree's order: one is an answer, several are ambiguous."""
    if wanted.startswith("/"):
        return [path for path in list_paths(tree) if path == wanted.strip("/")]
    name = wanted.strip("/")
    if name == tree["id"]:
        return [""]
    return [path for path in list_paths(tree) if path and f"/{path}".endswith(f"/{name}")]


def find_entry(tree: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Return the entry of the component at `path`."""
    return next((entry for found, entry in _walk(tree, "") if found == path), None)


def near_paths(tree: Mapping[str, Any], wanted: str) -> list[str]:
    """Return the paths of components whose path or id looks like `wanted`, nearest first."""
    paths = [path for path in list_paths(tree) if path]
    by_id = {path.rpartition("/")[2]: path for path in reversed(paths)}
    whole = difflib.get_close_matches(wanted.strip("/"), paths, n=NEAR)
    last = difflib.get_close_matches(wanted.rpartition("/")[2], list(by_id), n=NEAR)
    return list(dict.fromkeys([*whole, *(by_id[id] for id in last)]))[:NEAR]


def name_path(path: str) -> str:
    """Return a path as it is to be written where its id alone is ambiguous."""
    return path if "/" in path else f"/{path}"


def _walk(entry: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, entry
    for child in entry.get("children") or ():
        yield from _walk(child, f"{path}/{child['id']}" if path else str(child["id"]))
