"""Actors and messages that the tests of the gateway share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from actorq.actors import Actor, Exit, Refusal


@dataclass(frozen=True)
class Add:
    amount: int


@dataclass(frozen=True)
class Note:
    text: str
    to: Any = None


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


@dataclass(frozen=True)
class Strict:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("expected amount to be 0 or more")


@dataclass(frozen=True)
class Stranger:
    secret: str


class OwnError(Exception):
    pass


MESSAGES = (Add, Note, Point, Strict)


class Player(Actor):
    """Does what a message says, and keeps what it was told."""

    def init(self) -> None:
        self.seen: list[Any] = []
        self.total = 0

    def on_add(self, message: Add) -> int:
        self.total += message.amount
        return self.total

    def on_note(self, message: Note) -> Any:
        self.seen.append(message.text)
        if message.to is not None:
            message.to.tell(f"got {message.text}")
        return self.self_ref

    def on_receive(self, message: Any) -> Any:
        match message:
            case ["echo", value]:
                return value
            case ["seen"]:
                return list(self.seen)
            case ["raise", "value"]:
                raise ValueError("broken")
            case ["raise", "own"]:
                raise OwnError("mine")
            case ["refuse"]:
                raise Refusal("not today")
            case ["exit", reason]:
                raise Exit(reason)
            case ["hang"]:
                self.kept = self.defer()
                return None
            case str() | int():
                self.seen.append(message)
                return None
        return super().on_receive(message)


class Pinned(Player):
    pinned = True


class Watcher(Actor):
    """Runs functions in its own context; notes what it hears of others."""

    trap_exit = True

    def init(self) -> None:
        self.heard: list[Any] = []
        self.ids: list[int] = []

    def on_receive(self, message: Any) -> Any:
        return message(self)

    def on_exit(self, ref: Any, reason: Any) -> None:
        self.heard.append(("exit", ref, reason))

    def on_down(self, monitor_id: int, ref: Any, reason: Any) -> None:
        self.heard.append(("down", ref, reason))


class Trusting(Watcher):
    """As a Watcher, but ends with those it is linked to."""

    trap_exit = False
