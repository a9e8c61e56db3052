"""How a process that hasn't set up structlog shows what happens: a client, and a slot like its node."""

from __future__ import annotations

import json

import pytest

from actorq import log


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setattr(log, "_plain_level", log._plain_level)
    monkeypatch.setattr(log, "_plain_style", log._plain_style)


def say(capsys, name="some.module"):
    logger = log.get_logger(name)
    logger.info("all_well", count=1)
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("went_wrong", task="add")
    return capsys.readouterr().err.splitlines()


def test_a_client_shows_warnings_and_worse_a_line_each(capsys):
    first, *rest = say(capsys)
    assert "level='error' logger_name='some.module' event='went_wrong' task='add'" in first
    assert rest[-1] == "ValueError: broken"


def test_a_slot_shows_what_its_node_shows_in_its_style(capsys, monkeypatch):
    monkeypatch.setenv("ACTORQ_LOGLEVEL", "x")
    monkeypatch.setenv("ACTORQ_LOGSTYLE", "x")
    log.tell_slots("info")
    log.follow_node()
    first, second = map(json.loads, say(capsys))
    assert (first["event"], first["level"], first["count"]) == ("all_well", "info", 1)
    assert "ValueError: broken" in second["exception"]


def test_a_slot_without_a_node_that_says_how_shows_lines(capsys, monkeypatch):
    monkeypatch.delenv("ACTORQ_LOGLEVEL", raising=False)
    monkeypatch.delenv("ACTORQ_LOGSTYLE", raising=False)
    log.follow_node()
    assert "event='all_well'" in say(capsys)[0]


def test_a_console_is_for_people(capsys):
    log.set_plain_logs("info", "console")
    assert "all_well" in say(capsys)[0]
