"""What an actor is: loop, mailbox, ref, timers, links and monitors, names; on Pykka."""

from actorq.actors import pykka_points as _pykka_points  # noqa: F401  refuses a Pykka that can't carry the kernel
from actorq.actors.actor import Actor
from actorq.actors.context import guard_blocking
from actorq.actors.dead_letters import DeadLetter, DeadLetters
from actorq.actors.future import ASK_TIMEOUT_S, Future
from actorq.actors.loop import Loop
from actorq.actors.outcome import DEFER, IGNORE, Deferred, Ignored, Outcome, Refusal, Reply
from actorq.actors.ref import ActorRef, AnyRef, NameRef, RemoteRef, open_ref
from actorq.actors.system import ActorInfo, System
from actorq.actors.timers import Timer
from actorq.actors.watchdog import Watchdog
from actorq.errors import ActorDead, AlreadyStarted, AskTimeout, Exit, MailboxFull, NoGateway, WouldBlock
from actorq.messages.address import Address

__all__ = [
    "ASK_TIMEOUT_S",
    "DEFER",
    "IGNORE",
    "Actor",
    "ActorDead",
    "ActorInfo",
    "ActorRef",
    "Address",
    "AlreadyStarted",
    "AnyRef",
    "AskTimeout",
    "DeadLetter",
    "DeadLetters",
    "Deferred",
    "Exit",
    "Future",
    "Ignored",
    "Loop",
    "MailboxFull",
    "NameRef",
    "NoGateway",
    "Outcome",
    "Refusal",
    "RemoteRef",
    "Reply",
    "System",
    "Timer",
    "Watchdog",
    "WouldBlock",
    "guard_blocking",
    "open_ref",
]
