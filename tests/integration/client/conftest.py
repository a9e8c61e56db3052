"""An application with a home of its own, and the stand-in broker."""

from __future__ import annotations

import pytest

from actorq import App
from actorq.client import link, outbox
from tests.integration.client.fake_broker import FakeBroker


@pytest.fixture(autouse=True)
def _loggers_write_to_this_tests_stderr(monkeypatch):
    """A logger keeps the stream it found at its first event, which was another test's."""
    for module in (link, outbox):
        monkeypatch.setattr(module.log, "_plain", None)


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    with App("shop", home=tmp_path / "home") as made:
        made.task(add)
        yield made


@pytest.fixture
def broker(app):
    with FakeBroker(app.home) as running:
        yield running


def add(x, y=1):
    return x + y


add.__module__ = "tasks"
