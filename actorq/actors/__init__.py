"""What an actor is: loop, mailbox, ref, timers, links and monitors, names; on Pykka."""

from actorq.actors import pykka_points as _pykka_points  # noqa: F401  refuses a Pykka that can't carry the kernel
from actorq.actors.actor import Actor
from actorq.actors.context import guard_blocking
from actorq.actors.dead_letters import DeadLetter, DeadLetters
from actorq.actors.future import ASK_TIMEOUT_S, Future
from actorq.actors.info import ActorInfo
from actorq.actors.outcome import DEFER, IGNORE, Deferred, Ignored, Outcome, Ready, Refusal, Reply
from actorq.actors.ref import ActorRef, AnyRef, NameRef, RemoteRef, open_ref
from actorq.actors.system import System
from actorq.actors.timers import Timer
from actorq.actors.watchdog import Watchdog
from actorq.errors import ActorDead, AlreadyStarted, AskTimeout, Exit, MailboxFull, NoGateway, WouldBlock
from actorq.messages.address import Address
from actorq.messages.reasons import (
    KILL,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Crashed,
    ExitReason,
    Kill,
    Killed,
    NoConnection,
    NoProc,
    Normal,
    Shutdown,
    is_clean,
)

__all__ = [
    "ASK_TIMEOUT_S",
    "DEFER",
    "IGNORE",
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "Actor",
    "ActorDead",
    "ActorInfo",
    "ActorRef",
    "Address",
    "AlreadyStarted",
    "AnyRef",
    "AskTimeout",
    "Crashed",
    "DeadLetter",
    "DeadLetters",
    "Deferred",
    "Exit",
    "ExitReason",
    "Future",
    "Ignored",
    "Kill",
    "Killed",
    "MailboxFull",
    "NameRef",
    "NoConnection",
    "NoGateway",
    "NoProc",
    "Normal",
    "Outcome",
    "Ready",
    "Refusal",
    "RemoteRef",
    "Reply",
    "Shutdown",
    "System",
    "Timer",
    "Watchdog",
    "WouldBlock",
    "guard_blocking",
    "is_clean",
    "open_ref",
]
