"""Plugins of installed packages: entry points of the group `actorq.plugins`.

Invariant: nothing is imported here but, where a package has such a plugin, `importlib.metadata`. That module takes 25 ms to
import and 8 ms to search 60 packages, and most programs have no plugin: a look at the packages' lists of entry points, which
takes 1 to 2 ms, tells whether it is needed. Where packages may hide elsewhere than in folders of `sys.path` it always is.
The answer is kept: packages that are installed while a process runs are for the next one.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from typing import Final

import msgspec

__all__ = ["GROUP", "InstalledPlugin", "forget_entry_points", "scan_entry_points"]

GROUP: Final = "actorq.plugins"
_LISTS: Final = (".dist-info", ".egg-info")  # folders which may have an entry_points.txt

_kept: list[tuple[InstalledPlugin, ...]] = []


class InstalledPlugin(msgspec.Struct, frozen=True):
    """One entry point, not imported."""

    name: str
    spec: str
    origin: str


def scan_entry_points() -> tuple[InstalledPlugin, ...]:
    """Return the installed plugins; searched for once in a process."""
    if not _kept:
        _kept.append(_read_metadata() if _may_have_any() else ())
    return _kept[0]


def forget_entry_points() -> None:
    """Search again when asked next."""
    _kept.clear()


def _read_metadata() -> tuple[InstalledPlugin, ...]:
    from importlib.metadata import entry_points  # noqa: PLC0415  see the module

    found = {}
    for each in entry_points(group=GROUP):
        dist = each.dist
        package = f" of {dist.name} {dist.version}" if dist is not None else ""
        found[each.name, each.value] = InstalledPlugin(
            each.name, f"{each.module}:{each.attr or ''}", f"entry point{package}"
        )
    return tuple(found.values())


def _may_have_any() -> bool:
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        return True
    return any(_folder_may(path) for path in dict.fromkeys(sys.path))


def _folder_may(path: str) -> bool:
    try:
        with os.scandir(path or ".") as entries:
            names = [entry.name for entry in entries]
    except NotADirectoryError:
        return True  # a zip archive
    except OSError:
        return False
    return any(
        name.endswith(".egg") or (name.endswith(_LISTS) and _list_may(os.path.join(path or ".", name)))
        for name in names
    )


def _list_may(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
            return GROUP.encode() in file.read()
    except OSError:
        return False
