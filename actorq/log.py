"""Loggers that cost nothing until the first event.

structlog takes longer to import than all of actorq, and a client may never log: `get_logger` returns a stand-in that
fetches the real logger at its first use. Only `node` and `cli` configure structlog; nobody touches the root logger.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "LazyLogger",
    "LogStyle",
    "find_style",
    "follow_node",
    "get_logger",
    "make_processors",
    "set_plain_logs",
    "tell_slots",
]

LogStyle = Literal["lines", "console", "json"]

_LEVEL, _STYLE = "ACTORQ_LOGLEVEL", "ACTORQ_LOGSTYLE"  # how a node's slots hear of them

# Of a program that hasn't set up structlog. A slot hasn't either: most never log, and it would be loaded before the fork.
_plain_level = logging.WARNING
_plain_style: LogStyle = "lines"


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
    """Return a logger for a program that hasn't set up structlog."""
    import structlog  # noqa: PLC0415

    values: Any = {"logger_name": name} if _plain_style == "lines" else {}
    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=make_processors(_plain_style),
        wrapper_class=structlog.make_filtering_bound_logger(_plain_level),
        **values,
    )


def make_processors(style: LogStyle) -> list[Any]:
    """Return structlog's processors: `lines` of keys and values, a `console` to look at, or `json` for programs."""
    import structlog  # noqa: PLC0415

    renderer: Any
    match style:
        case "lines":
            renderer = _render_line
        case "console":
            renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        case "json":
            renderer = structlog.processors.JSONRenderer(default=str)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=style != "console"),
        structlog.processors.format_exc_info,
        renderer,
    ]


def _render_line(_logger: Any, _method: str, event: Any) -> str:
    """Return the event as one line of keys and values; a traceback follows on lines of its own."""
    import structlog  # noqa: PLC0415

    text = event.pop("exception", "")
    render = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "logger_name", "event"])
    return f"{render(_logger, _method, event)}{text and chr(10)}{text}"


def set_plain_logs(level: str, style: LogStyle = "lines") -> None:
    """Choose from which level on, by its name in `logging`, and how events are shown where structlog isn't set up."""
    global _plain_level, _plain_style
    _plain_level, _plain_style = getattr(logging, level.upper(), logging.WARNING), style


def find_style(*, as_json: bool) -> LogStyle:
    """Return how events are to be shown."""
    return "console" if sys.stderr.isatty() and not as_json else "json"


def tell_slots(level: str, *, as_json: bool = False) -> None:
    """Let the slots of this node, which write to the same stream how their tasks end, do it as the node does."""
    os.environ[_LEVEL], os.environ[_STYLE] = level, find_style(as_json=as_json)


def follow_node() -> None:
    """In a slot: do as `tell_slots` said."""
    style = os.environ.get(_STYLE)
    known: LogStyle = "console" if style == "console" else "json" if style == "json" else "lines"
    set_plain_logs(os.environ.get(_LEVEL, "info"), known)


def get_logger(name: str) -> LazyLogger:
    """Return a logger for the module `name`."""
    return LazyLogger(name)
