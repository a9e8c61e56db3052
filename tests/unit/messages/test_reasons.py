"""Exit reasons as data."""

from __future__ import annotations

import re
import traceback

import pytest

from actorq.messages.reasons import MAX_TRACEBACK_CHARS, Crashed, as_reason, crashed


def fail():
    raise ValueError("told so")


def caught(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("expected an exception")


def chained():
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("then this") from error


def silenced():
    try:
        fail()
    except ValueError:
        raise RuntimeError("only this") from None


def noted():
    error = KeyError("k")
    error.add_note("look here")
    raise error


def deep():
    return deep()


def grouped():
    raise ExceptionGroup("several", [ValueError(1), TypeError(2)])


def unnamed():
    return undefined_name  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    "function", [fail, chained, silenced, noted, deep, grouped, unnamed, lambda: compile("(", "x", "exec")]
)
def test_a_crash_is_told_in_the_interpreters_words_without_its_markers(function):
    error = caught(function)
    expected = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    marker = re.compile(r"^ +[~^]+\n", re.MULTILINE)
    told = crashed(error).traceback_text
    assert marker.sub("", told) == marker.sub("", expected)[-MAX_TRACEBACK_CHARS:]


def test_a_traceback_that_is_too_long_keeps_its_end():
    told = crashed(caught(lambda: fail_with("x" * 100_000))).traceback_text
    assert len(told) == MAX_TRACEBACK_CHARS + 1
    assert told.startswith("…")


def fail_with(text):
    raise ValueError(text)


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit(1)

    @property
    def __notes__(self):  # type: ignore[override]
        raise KeyboardInterrupt


def test_an_exception_that_cannot_be_shown_is_still_a_crash():
    told = crashed(caught(lambda: raise_it(Unspeakable())))
    assert told == Crashed("Unspeakable", "(its message can't be shown)", "(its traceback can't be shown)")
    reason = as_reason(Unspeakable())
    assert isinstance(reason, Crashed)
    assert reason.class_name == "Unspeakable"


def raise_it(error):
    raise error


def test_a_reason_that_is_no_reason_becomes_one_whatever_its_text_does():
    class Odd:
        def __str__(self):
            raise RecursionError

    assert as_reason(Odd()) == Crashed("Exit", "(its message can't be shown)")
