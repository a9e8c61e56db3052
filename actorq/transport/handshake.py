"""How two gateways agree that they hear each other: what to do with a hello, as a value.

Each side sends over a link of its own and receives over the other's, so all that goes one way is in one order. A link has
a serial number that only grows within one life of its gateway. A hello says "this is my link number `serial`, and I read
your link number `echo`" (0: none yet). A side is up when it has said hello with an echo of the other's link and has heard
one with an echo of its own; nothing but hellos is sent before.

Invariant: if both sides are up, each reads the link the other sends on. Once our link was confirmed, a hello of a later link
means that the other side has given the conversation up: it is over here, too. Before that nothing is lost by going on with
the later link; ending it there, both sides could go on beginning anew for ever. A hello of an earlier link is late and
means nothing. Who may have been given up without knowing says hello again now and then, and is fenced if so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["Handshake", "Reaction"]

MAX_REOPENED: Final = 3

Reaction: TypeAlias = Literal["stale", "anew", "taken"]


@dataclass(slots=True)
class Handshake:
    """Where one conversation stands, seen from one side. `floor` is the last link of the other side that is given up."""

    floor: int = 0
    mine: int = 0
    theirs: int = 0
    greeted: int = 0
    confirmed: bool = False
    reopened: int = 0

    def opened(self, serial: int) -> None:
        """Take note of the link on which we'll send; nothing was said on it yet."""
        self.mine, self.greeted, self.confirmed = serial, -1, False

    def reopen(self) -> bool:
        """Take note that the other side gave our link up; return whether only that link is to be replaced.

        So it is where nothing was confirmed: ending the conversation would give up the other's link, which may be a new one,
        and it ours, and so on. Not for ever, though: one that refuses every link won't have us.
        """
        if self.confirmed or not self.theirs or self.reopened >= MAX_REOPENED:
            return False
        self.mine = 0
        self.reopened += 1
        return True

    def greet(self) -> int:
        """Return the echo to say hello with, now."""
        self.greeted = self.theirs
        return self.theirs

    def hear(self, serial: int, echo: int) -> Reaction:
        """Take a hello: 'anew' says that this conversation is over and the hello belongs to the `next` one."""
        if serial <= self.floor or serial < self.theirs:
            return "stale"
        if self.confirmed and serial > self.theirs > 0:
            return "anew"
        self.theirs = serial
        if echo and echo == self.mine:
            self.confirmed = True
        return "taken"

    def next(self) -> Handshake:
        """Return the beginning of the conversation after this one."""
        return Handshake(floor=max(self.floor, self.theirs))

    @property
    def must_open(self) -> bool:
        """Return whether the other side waits for a link of ours."""
        return bool(self.theirs) and not self.mine

    @property
    def must_greet(self) -> bool:
        """Return whether there is something to say that wasn't said on our link."""
        return bool(self.mine) and self.greeted != self.theirs

    @property
    def is_up(self) -> bool:
        """Return whether everything may be sent."""
        return self.confirmed and bool(self.theirs) and self.greeted == self.theirs
