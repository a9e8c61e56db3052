"""Loggers that cost nothing until the first event.

structlog takes longer to import than all of actorq, and a client may never log: `get_logger` returns a stand-in that
fetches the real logger at its first use. Only `node` and `cli` configure structlog; nobody touches the root logger.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LazyLogger", "get_logger"]


class LazyLogger:
    """Looks like a structlog logger: `debug info warning error exception` take an event name and keys."""

    __slots__ = ("_logger", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, level: str) -> Callable[..., Any]:
        if self._logger is None:
            import structlog  # noqa: PLC0415  slower to import than the rest of actorq together

            self._logger = structlog.get_logger(self._name) if structlog.is_configured() else _make_plain(self._name)
        method: Callable[..., Any] = getattr(self._logger, level)
        return method


def _make_plain(name: str) -> Any:
    """Return a logger for a program that hasn't set up structlog: warnings and worse, a line each, on stderr."""
    import structlog  # noqa: PLC0415

    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "logger_name", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_name=name,
    )


def get_logger(name: str) -> LazyLogger:
    """Return a logger for the module `name`."""
    return LazyLogger(name)
