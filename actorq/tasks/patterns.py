"""Names of tasks in settings: an exact name, a glob, or a compiled regex."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Final

__all__ = ["read_pattern"]

_GLOB: Final = re.compile(r"[*?\[]")


def read_pattern(key: Any) -> re.Pattern[str] | None:
    """Return what to match names with, or None where `key` is an exact name.

    Raises:
        TypeError: it is none of the three.
    """
    if isinstance(key, re.Pattern) and isinstance(key.pattern, str):
        return key
    if not isinstance(key, str) or not key:
        raise TypeError(f"expected a task's name, a glob or a compiled regex of text, got {key!r}")
    return re.compile(fnmatch.translate(key)) if _GLOB.search(key) else None
