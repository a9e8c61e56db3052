"""How a task is named.

A task is known by three names, each the cheapest for its reader:

- *number*: its position in the outbox of the process that sent it, from 1, without gaps;
- *key*: `outbox_no << NUMBER_BITS | number`, an integer below 2**63 that the store uses as its rowid. `outbox_no` is a
  small integer which the store gave that outbox for good. One outbox's tasks are neighbours in the store;
- *id*: what people see: the outbox's 64 random bits in hex, a dash, the number in decimal. An id alone says which
  outbox file to look into, so a task that still waits there is never taken for an unknown one.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["NUMBER_BITS", "NUMBER_MASK", "format_task_id", "make_key", "new_outbox_id", "parse_task_id", "split_key"]

NUMBER_BITS: Final = 40  # 1.1e12 tasks from one process; leaves 23 bits for 8.4 million outboxes
NUMBER_MASK: Final = (1 << NUMBER_BITS) - 1
_OUTBOX_DIGITS: Final = 16


def new_outbox_id() -> int:
    """Return 64 random bits; never 0."""
    return int.from_bytes(os.urandom(8), "big") or 1


def make_key(outbox_no: int, number: int) -> int:
    """Return the store's key of the task `number` of the outbox `outbox_no`."""
    return outbox_no << NUMBER_BITS | number


def split_key(key: int) -> tuple[int, int]:
    """Return `(outbox_no, number)`."""
    return key >> NUMBER_BITS, key & NUMBER_MASK


def format_task_id(outbox_id: int, number: int) -> str:
    """Return the id that people see."""
    return f"{outbox_id:016x}-{number}"


def parse_task_id(task_id: str) -> tuple[int, int] | None:
    """Return `(outbox_id, number)`, or None where the id was chosen by a caller, or names a number that no outbox has."""
    outbox, dash, number = task_id.partition("-")
    if not dash or len(outbox) != _OUTBOX_DIGITS or not number.isascii() or not number.isdigit():
        return None
    try:
        parsed = int(outbox, 16), int(number)
    except ValueError:
        return None
    return parsed if parsed[1] <= NUMBER_MASK else None
