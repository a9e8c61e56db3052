"""Where a task is defined, and whether two tasks of one name are the same one defined again.

A module that is run as a program and imported by its name defines its tasks twice, at the same lines of the same file; a
notebook and a prompt define them again as often as somebody likes. Anything else is two tasks that took one name.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_redefinition", "find_origin"]


def find_origin(function: Callable[..., Any]) -> tuple[str, int] | None:
    """Return file and line of a function's code; None for what has none, or where no such file is."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not os.path.exists(code.co_filename):
        return None
    return os.path.realpath(code.co_filename), code.co_firstlineno


def check_redefinition(name: str, known: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Check that what has taken a name and what wants it are the same.

    Raises:
        ValueError: they are two; says where both are.
    """
    here, there = find_origin(known), find_origin(new)
    if here is not None and there is not None and here != there:
        raise ValueError(
            f"expected one task to be registered as {name!r}, got two: at {here[0]}:{here[1]} and at {there[0]}:{there[1]}; "
            'give one of them another name with name="..."'
        )
