"""Ids lead to the numbers they were made of, and to nothing where no outbox can have made them."""

from __future__ import annotations

import pytest

from actorq.messages.ids import NUMBER_MASK, format_task_id, parse_task_id


@pytest.mark.parametrize("number", [1, 77, NUMBER_MASK])
def test_an_id_is_read_back_as_it_was_made(number):
    assert parse_task_id(format_task_id(0xABC, number)) == (0xABC, number)


@pytest.mark.parametrize(
    "text", ["", "mine", "0000000000000abc", "0000000000000abc-", "0000000000000abc-x", "0000000000000abc-٣", "abc-1"]
)
def test_what_is_no_id_of_ours_was_chosen_by_a_caller(text):
    assert parse_task_id(text) is None


@pytest.mark.parametrize("number", [NUMBER_MASK + 1, 10**30, int("9" * 4000)])
def test_a_number_that_no_outbox_reaches_is_none_of_ours(number):
    """It would reach into another outbox's keys, or be too large for the store."""
    assert parse_task_id(f"0000000000000abc-{number}") is None
