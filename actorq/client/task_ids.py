"""Ids of tasks as callers give them: as text, or as results that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["check_ids"]


def check_ids(ids: Iterable[Any]) -> Sequence[str]:
    """Return the ids, each once, results (which have an id) among them.

    Raises:
        TypeError: one is no id; or one id alone was given, whose characters would be taken for ids.
    """
    if isinstance(ids, str):
        raise TypeError(f"expected several ids, got the text {ids!r}; put one id into a list")
    found = [getattr(each, "id", each) for each in ids]
    for each in found:
        if not isinstance(each, str):
            raise TypeError(f"expected an id as text, got {each!r}")
    return [*dict.fromkeys(found)]
