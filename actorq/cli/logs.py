"""Sets up logging for a node: readable lines on a terminal, JSON lines elsewhere. Only the command line does this."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog

from actorq.errors import ConfigError

__all__ = ["configure_logs"]

LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def configure_logs(level: str, *, as_json: bool = False) -> None:
    """Send actorq's events to stderr.

    Raises:
        ConfigError: there is no such level.
    """
    if level.lower() not in LEVELS:
        raise ConfigError(f"expected --loglevel to be one of {', '.join(LEVELS)}, got {level!r}")
    is_terminal = sys.stderr.isatty() and not as_json
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not is_terminal),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
