"""Messages for a name that nobody bears just now, kept for as long as their senders said (R37).

A `NameRef` with `wait_s` leaves its message here instead of losing it while its actor is being restarted. Whoever takes the
name next gets what waits for it, in the order in which it was sent, before anything that is sent later; what nobody takes in
time is answered with ActorDead, or becomes a dead letter.

Invariant: a message is here, or in a mailbox, or answered; moving it happens under the system's lock. That a later message
doesn't overtake those that wait, step by step:

1. A sender looks whether the actor is booted and not on its way out, under the lock. Else the message is held.
2. An actor sets `booted`, then takes the lock and fetches what is held for its name.

Either the sender sees `booted`, and then everything held before is already in the mailbox or the lock makes it wait until it
is; or the actor finds the message when it fetches. Nobody blocks: time is kept by a clerk on the shared loop.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pykka._envelope import Envelope

from actorq.actors.outcome import ReplyTo, give_error
from actorq.actors.signals import Invoke
from actorq.errors import ActorDead, MailboxFull
from actorq.messages.reasons import NOPROC

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.actors.system import System

__all__ = ["HELD_PER_NAME", "HeldMessages"]

HELD_PER_NAME: Final = 1_000  # messages that may wait for one name; more are refused as by a full mailbox


class _Held:
    __slots__ = ("message", "name", "reply_to")

    def __init__(self, name: str, message: Any, reply_to: ReplyTo | None) -> None:
        self.name, self.message, self.reply_to = name, message, reply_to


class HeldMessages:
    """What waits in one system, by name. Every method may be called from any thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._by_name: dict[str, deque[_Held]] = {}
        self._clerk: Cell | None = None
        self._closed = False

    def __len__(self) -> int:
        return sum(map(len, list(self._by_name.values())))

    def post(self, name: str, message: Any, reply_to: ReplyTo | None, wait_s: float) -> None:
        """Give `message` to whoever bears `name`, or hold it for `wait_s` seconds.

        Raises:
            MailboxFull: too much waits for that name, or the mailbox of who has it is full.
        """
        system = self._system
        cell = system.find_named(name)
        if cell is not None and _takes(cell) and name not in self._by_name:
            cell.mailbox.put(Envelope(message, reply_to))  # type: ignore[arg-type]
            return
        with system.lock:
            cell = system.find_named(name)
            ready = cell is not None and _takes(cell) and name not in self._by_name
            held = None if ready or self._closed else self._hold(name, message, reply_to)
        if ready:
            assert cell is not None
            cell.mailbox.put(Envelope(message, reply_to))  # type: ignore[arg-type]
        elif held is None:
            _lose(system, _Held(name, message, reply_to))
        else:
            self._arm(held, wait_s)

    def deliver(self, cell: Cell) -> None:
        """Give `cell`, which has just booted, what waits for its name."""
        assert cell.name is not None
        with self._system.lock:
            if not cell.is_dead:
                # Put before the name is struck off: a sender that finds nothing held comes after all of these.
                for held in self._by_name.get(cell.name, ()):
                    cell.mailbox.put_unbounded(Envelope(held.message, held.reply_to))  # type: ignore[arg-type]
                self._by_name.pop(cell.name, None)

    def close(self) -> None:
        """Answer everything; nothing is held any more."""
        with self._system.lock:
            self._closed = True
            left = [held for queue in self._by_name.values() for held in queue]
            self._by_name.clear()
        for held in left:
            _lose(self._system, held)

    def _hold(self, name: str, message: Any, reply_to: ReplyTo | None) -> _Held:
        queue = self._by_name.setdefault(name, deque())
        if len(queue) >= HELD_PER_NAME:
            raise MailboxFull(name, HELD_PER_NAME)
        held = _Held(name, message, reply_to)
        queue.append(held)
        return held

    def _arm(self, held: _Held, wait_s: float) -> None:
        clerk = self._clerk
        if clerk is None or not clerk.loop.is_running():
            try:
                clerk = self._clerk = self._system.make_clerk()
            except ActorDead:  # the system is ending
                self._expire(held)
                return
        clerk.post_call(_set_alarm, clerk, self, held, self._system.clock.monotonic() + wait_s)

    def _expire(self, held: _Held) -> None:
        with self._system.lock:
            queue = self._by_name.get(held.name)
            if queue is None or held not in queue:
                return
            queue.remove(held)
            if not queue:
                del self._by_name[held.name]
        _lose(self._system, held)


def _takes(cell: Cell) -> bool:
    """Return whether a message may go to `cell`: one that is on its way out still has the name, and only loses messages."""
    return cell.booted and not cell.mailbox.closed


def _set_alarm(clerk: Cell, messages: HeldMessages, held: _Held, due: float) -> None:
    wait_s = due - clerk.system.clock.monotonic()
    clerk.actor.timers.after(wait_s, Invoke(messages._expire, held))  # noqa: SLF001  of this module


def _lose(system: System, held: _Held) -> None:
    if held.reply_to is None:
        system.dead_letters.add(held.name, held.message, NOPROC)
    else:
        give_error(held.reply_to, ActorDead(held.name, NOPROC))
