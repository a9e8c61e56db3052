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

__all__ = ["LazyLogger", "get_logger", "set_plain_level"]

_plain_level = logging.WARNING  # of a program that hasn't set up structlog


class LazyLogger:
    """Looks like a structlog logger: `debug info warning error exception` take an event name and keys."""

    __slots__ = ("_configured", "_name", "_plain")

    def __init__(self, name: str) -> None:
        self._name = name
        self._configured: Any = None
        self._plain: Any = None

    def __getattr__(self, level: str) -> Callable[..., Any]:
        import structlog  # noqa: PLC0415  slower to import than the rest of actorq together

        # Asked each time: a program may set structlog up after the first event, and a test for a while.
        if structlog.is_configured():
            logger = self._configured = self._configured or structlog.get_logger(self._name)
        else:
            logger = self._plain = self._plain or _make_plain(self._name)
        method: Callable[..., Any] = getattr(logger, level)
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
            _render_plain,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_plain_level),
        logger_name=name,
    )


def _render_plain(_logger: Any, _method: str, event: Any) -> str:
    """Return the event as one line of keys and values; a traceback follows on lines of its own."""
    import structlog  # noqa: PLC0415

    text = event.pop("exception", "")
    render = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "logger_name", "event"])
    return f"{render(_logger, _method, event)}{text and chr(10)}{text}"


def set_plain_level(level: str) -> None:
    """Choose from which level on, by its name in `logging`, events are shown where structlog isn't set up."""
    global _plain_level  # noqa: PLW0603  one for the process, like what it stands in for
    _plain_level = getattr(logging, level.upper(), logging.WARNING)


def get_logger(name: str) -> LazyLogger:
    """Return a logger for the module `name`."""
    return LazyLogger(name)
