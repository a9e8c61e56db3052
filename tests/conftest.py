"""What every test starts from."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def _structlog_is_as_a_program_finds_it():
    """Capturing events counts as setting structlog up, and would do so for all tests after."""
    yield
    structlog.reset_defaults()
