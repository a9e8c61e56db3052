"""Which of our task numbers we asked the broker to push the results of, and which of those have come.

Pure bookkeeping over sorted, disjoint ranges. Invariant: a number is in at most one range; ranges that are complete and
touch are one range, so a caller that sends and gets in turn costs a single one.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["AHEAD", "Coverage"]

AHEAD: Final = 16_384  # numbers that one WATCH asks for; bounds what comes before anybody takes it
MAX_RANGES: Final = 1_024  # forgetting a range only means to ask for it again


class _Range:
    """Numbers `low`..`high`; `arrived` has a byte for each (None: all have come)."""

    __slots__ = ("arrived", "high", "low", "missing")

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.missing = high - low + 1
        self.arrived: bytearray | None = bytearray(self.missing)


class Coverage:
    """Not thread-safe; its owner holds a lock."""

    __slots__ = ("_lows", "_ranges")

    def __init__(self) -> None:
        self._lows: list[int] = []  # of _ranges, for bisect
        self._ranges: list[_Range] = []

    def plan_watch(self, number: int, last: int) -> tuple[int, int] | None:
        """Return the range to ask for so that the result of `number` comes, or None where it is on its way.

        `last` is the highest number that exists. Only the number itself where it has come before (and was taken).
        """
        index = bisect_right(self._lows, number) - 1
        if index >= 0 and number <= self._ranges[index].high:
            found = self._ranges[index]
            if found.arrived is not None and not found.arrived[number - found.low]:
                return None
            return number, number
        above = self._ranges[index + 1].low if index + 1 < len(self._ranges) else last + 1
        below = self._ranges[index].high if index >= 0 else 0
        high = max(number, min(last, number + AHEAD - 1, above - 1))
        # Somebody who collects backwards asks for the number below what is covered.
        low = max(below + 1, number - AHEAD + 1) if number + 1 == above <= last else number
        self._insert(index + 1, _Range(low, high))
        return low, high

    def mark(self, numbers: Collection[int]) -> None:
        """Note that the results of these numbers have come: a frame's worth, distinct, mostly all in one range."""
        if not numbers:
            return
        lowest, highest = min(numbers), max(numbers)
        index = bisect_right(self._lows, lowest) - 1
        if index < 0 or highest > self._ranges[index].high:
            if lowest != highest:
                for number in numbers:
                    self.mark((number,))
            return
        found = self._ranges[index]
        arrived, low = found.arrived, found.low
        if arrived is None:
            return
        start, end = lowest - low, highest - low + 1
        found.missing -= arrived.count(0, start, end)
        if end - start == len(numbers):
            arrived[start:end] = b"\1" * (end - start)
        else:
            for number in numbers:
                arrived[number - low] = 1
        found.missing += arrived.count(0, start, end)
        if not found.missing:
            found.arrived = None
            self._merge(index)

    def forget(self, number: int) -> None:
        """Drop the range of `number`: something in it was thrown away."""
        index = bisect_right(self._lows, number) - 1
        if index >= 0 and number <= self._ranges[index].high:
            del self._lows[index], self._ranges[index]

    def clear(self) -> None:
        """Drop all: the broker that was asked is gone."""
        self._lows.clear()
        self._ranges.clear()

    def _insert(self, index: int, fresh: _Range) -> None:
        self._lows.insert(index, fresh.low)
        self._ranges.insert(index, fresh)
        if len(self._ranges) > MAX_RANGES:
            oldest = 1 if index == 0 else 0
            del self._lows[oldest], self._ranges[oldest]

    def _merge(self, index: int) -> None:
        """Make the complete range at `index` one with complete neighbours that touch it."""
        for left in (index, index - 1):
            if left < 0 or left + 1 >= len(self._ranges):
                continue
            low, high = self._ranges[left], self._ranges[left + 1]
            if low.arrived is None and high.arrived is None and low.high + 1 == high.low:
                low.high = high.high
                del self._lows[left + 1], self._ranges[left + 1]
