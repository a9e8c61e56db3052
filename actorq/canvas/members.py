"""The members of a group: known, or still to come from a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain as concatenated
from itertools import islice
from typing import Any

from actorq.canvas.signature import Signature, as_signature

__all__ = ["Members", "read_members"]


class Members:
    """The members of a group: known, or still to come from an iterator. Shared by groups that were made from one another."""

    __slots__ = ("_change", "_known", "_rest", "_was_taken")

    def __init__(self, members: Iterable[Signature]) -> None:
        is_known = isinstance(members, Sequence)
        self._known: tuple[Signature, ...] = tuple(members) if is_known else ()
        self._rest: Iterator[Signature] | None = None if is_known else iter(members)
        self._was_taken = False

    def map(self, change: Callable[[Signature], Signature]) -> Members:
        """Return these members, each changed; those to come, when they come."""
        if self._rest is None and not self._was_taken:
            return Members([change(each) for each in self._known])
        return Members(map(change, self.take()))

    def known(self) -> tuple[Signature, ...]:
        """Return those that are known."""
        return self._known

    def all(self) -> tuple[Signature, ...]:
        """Return all, and keep them."""
        self._check()
        if self._rest is not None:
            rest, self._rest = self._rest, None
            self._known = (*self._known, *rest)
        return self._known

    def take(self) -> Iterator[Signature]:
        """Return each in turn; what comes from an iterator isn't kept and can't be had again."""
        self._check()
        if self._rest is None:
            return iter(self._known)
        self._was_taken = True
        known, rest, self._known, self._rest = self._known, self._rest, (), None
        return concatenated(known, rest)

    def count_up_to(self, most: int) -> int:
        """Return how many there are, at most `most`."""
        self._check()
        if self._rest is not None and len(self._known) < most:
            more = tuple(islice(self._rest, most - len(self._known)))
            self._known = (*self._known, *more)
            if len(self._known) < most:
                self._rest = None
        return min(len(self._known), most)

    def _check(self) -> None:
        if self._was_taken:
            raise ValueError(
                "expected members that are still there, got a generator that was read already; make it a list"
            )

    def __repr__(self) -> str:
        if self._was_taken:
            return "sent"
        return ", ".join([*map(repr, self._known), *(["…"] if self._rest is not None else [])])


def read_members(given: tuple[Any, ...], what: str) -> Iterable[Signature]:
    """Return the members that were given one by one, or as one iterable; a generator stays one."""
    if len(given) == 1 and not isinstance(given[0], Mapping) and isinstance(given[0], Iterable):
        inner = given[0]
        if not isinstance(inner, Sequence | set | frozenset):
            return (as_signature(each, f"a member of a {what}") for each in inner)
        given = tuple(inner)
    return [as_signature(each, f"a member of a {what}") for each in given]
