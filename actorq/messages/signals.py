"""Signals by which a run can be terminated, by name: those that end a process, and none that stops it or means something else."""

from __future__ import annotations

from typing import Final

__all__ = ["TERMINATING", "check_signal"]

TERMINATING: Final = ("SIGTERM", "SIGKILL", "SIGINT", "SIGQUIT", "SIGABRT")


def check_signal(name: object) -> str:
    """Return the name of a signal, if it is one; TERM and SIGTERM are the same.

    Raises:
        ValueError: it isn't one by which a run can be terminated.
    """
    given = name if isinstance(name, str) else getattr(name, "name", name)
    found = given.upper() if isinstance(given, str) else ""
    found = found if found.startswith("SIG") else f"SIG{found}"
    if found not in TERMINATING:
        raise ValueError(f"expected signal to be one of {', '.join(TERMINATING)}, got {name!r}")
    return found
