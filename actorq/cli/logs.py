"""Sets up logging for a node: readable lines on a terminal, JSON lines elsewhere. Only the command line does this."""

from __future__ import annotations

import logging
import sys

import structlog

from actorq.log import find_style, make_processors

__all__ = ["configure_logs"]


def configure_logs(level: str, *, as_json: bool = False) -> None:
    """Send actorq's events of `level` (one of logging's, by name) and above to stderr."""
    structlog.configure(
        processors=make_processors(find_style(as_json=as_json)),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
