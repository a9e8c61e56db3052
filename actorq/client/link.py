"""The thread that ships the outbox and brings back results, one per application and process.

It sleeps unless there is something to do: tasks nobody confirmed, results somebody waits for, questions. Invariant: a task
leaves the outbox only by a CONFIRM or a WELCOME that covers its number, so the link may lose its connection, its broker or
its life at any moment. It has no supervisor; its callers are: `wake` starts it again if it is gone.

    disconnected --(hub.json names a living broker)--> HELLO sent --(WELCOME)--> connected --(lost)--> disconnected

A race that matters, between a caller (C) and this thread (T): T finds nothing to ship; C appends and sees T awake, so it
doesn't write to the wake-up descriptor; T goes to sleep and the task lies there. Therefore T first says that it sleeps,
then looks once more, and only then sleeps.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from actorq.client.frames import DECODERS, encode, make_refusal, pack_put
from actorq.client.lookup import ask_about
from actorq.client.pace import Pace
from actorq.client.questions import Confirmations, Questions
from actorq.client.repeats import Repeats
from actorq.errors import ActorqError, BrokerUnavailable, QueueFull
from actorq.log import get_logger
from actorq.messages.ids import NUMBER_MASK
from actorq.messages.wire import (
    BYE,
    HELLO,
    PROTOCOL,
    WATCH,
    Answer,
    Confirm,
    Hello,
    Refused,
    Results,
    Watch,
    Welcome,
)
from actorq.transport.rendezvous import SEEK_S, read_rendezvous

if TYPE_CHECKING:
    import zmq

    from actorq.client.connection import Connection
    from actorq.client.inbox import Inbox
    from actorq.client.outbox import Outbox
    from actorq.messages.task import ResultRecord
    from actorq.transport.paths import Home

__all__ = ["Link"]

log = get_logger(__name__)

FRAME_TASKS: Final = 4_096  # keeps the broker's turn for one frame short
FRAME_BYTES: Final = 1 << 20
WINDOW_TASKS: Final = 65_536  # in flight, unconfirmed
CARRIED_TASKS: Final = 1_024  # the same of a bounded queue: what was refused is shipped again and again
WINDOW_BYTES: Final = 32 << 20
WELCOME_S: Final = (0.5, 5.0)  # a new hub may miss the first HELLO; one that is busy needs more time each try
STALL_S: Final = 5.0  # without a confirmation: warn; without a result: ask again
RECHECK_S: Final = 2.0  # silence after which the rendezvous is looked at again
SHORTEST_S: Final = 0.001
SLEEPS: Final = 3600.0
GAP: Final = "Gap"  # the error of a REFUSED that only says from where to send again


class Link:
    """Start it with `wake`; everything else is safe to call from any thread unless it says otherwise."""

    def __init__(self, home: Home, outbox: Outbox, inbox: Inbox, command: str) -> None:
        self.home, self.outbox, self.inbox = home, outbox, inbox
        self.command = command  # what starts a node that would answer
        self.questions, self.confirmations, self.pace = Questions(), Confirmations(), Pace()
        self.is_connected = False  # after WELCOME
        self.is_hopeless = False  # the last look found nobody to connect to
        self.epoch = 0
        self.turned_away = ""  # why, if a broker did
        self.refusal: tuple[int, Exception] | None = None
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._wake_fd = -1
        self._asleep = False
        self._stop_at: float | None = None
        self._connection: Connection | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._hello_outbox = 0
        self._window = CARRIED_TASKS if outbox.carries else WINDOW_TASKS
        self._next_try_at = 0.0
        self._backoff_s, self._welcome_s = SEEK_S[0], WELCOME_S[0]
        self._heard_at = self._progress_at = 0.0
        self._refused_until = 0.0
        self._gap_at = 0  # the number from which on we sent again, because the broker missed it
        self._has_warned = False
        self._failures = Repeats()

    # -- callers ------------------------------------------------------------------------------------------------------

    def hurry(self) -> None:
        """Have the thread look for work now: somebody waits for an answer, a result or a confirmation."""
        self.pace.is_urgent = True
        self.wake()

    def wake(self) -> None:
        """Have the thread look for work; start it if there is none. Cheap while it is awake."""
        if self._thread is None:
            self._start()
        elif self._asleep:
            self._asleep = False
            os.eventfd_write(self._wake_fd, 1)

    def ensure(self) -> None:
        """Have a thread: one that died is replaced."""
        if self._thread is None:
            self._start()

    def ask(self, command: str, arguments: dict[str, Any], timeout_s: float = 5.0, *, repeat: bool = False) -> Any:
        """Return the broker's answer. `repeat`: ask again if the broker goes away meanwhile (harmless to ask twice).

        Raises:
            BrokerUnavailable: no answer within `timeout_s`, or the broker went away.
            ActorqError: it answered that it can't; the message is its own.
        """
        asked_at = time.monotonic()
        question = self.questions.file(command, arguments, repeat=repeat)
        try:
            self.hurry()
            went_away = question.lock.acquire(timeout=timeout_s)
        finally:
            self.questions.withdraw(question)
        if question.answer is None:
            raise self.unavailable(time.monotonic() - asked_at, went_away=went_away)
        if question.answer.error:
            raise ActorqError(question.answer.error)
        return question.answer.data

    def wait_confirmed(self, number: int, timeout_s: float) -> None:
        """Wait until the broker has committed `number` and all before it.

        Raises:
            BrokerUnavailable: nobody did within `timeout_s`; the task stays in the outbox.
            QueueFull, StoreFull: the broker refuses it for now; the task stays in the outbox.
        """
        if self.outbox.confirmed >= number:
            return
        refusal = self.refusal
        if refusal is not None and number >= refusal[0] and time.monotonic() < self._refused_until:
            raise refusal[1]
        self.hurry()
        if not self.confirmations.wait(number, timeout_s, lambda: self.outbox.confirmed >= number):
            raise self.unavailable(timeout_s)

    def wait_admitted(self, timeout_s: float) -> None:
        """Wait until the broker takes again what it refused.

        Raises:
            QueueFull, StoreFull, BrokerUnavailable: it doesn't within `timeout_s`.
        """
        until = time.monotonic() + timeout_s
        while (refusal := self.refusal) is not None:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise refusal[1]
            with contextlib.suppress(QueueFull):
                self.confirmations.wait(refusal[0], left_s, lambda: self.refusal is None)

    def unavailable(self, waited_s: float, *, went_away: bool = False) -> BrokerUnavailable:
        """Return the error that says whom we tried; `went_away`: somebody was there, and then wasn't."""
        hint = self.turned_away or f"start one with: {self.command}"
        return BrokerUnavailable(str(self.home.path), waited_s, hint, went_away=went_away)

    def stop(self, timeout_s: float) -> None:
        """Ship what is there within `timeout_s`, say goodbye, end the thread."""
        thread = self._thread
        if thread is None:
            return
        self._stop_at = time.monotonic() + timeout_s
        self.hurry()
        if thread is not threading.current_thread():
            thread.join(timeout_s + 1.0)
        if self._thread is None and self._wake_fd >= 0:
            os.close(self._wake_fd)
            self._wake_fd = -1

    def abandon(self) -> None:
        """In a forked child: the thread isn't here, and its sockets must not be touched."""
        _left_behind.append((self._connection, self._context))
        if self._wake_fd >= 0:
            os.close(self._wake_fd)
            self._wake_fd = -1

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is not None:
                return
            try:
                if self._wake_fd < 0:
                    self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                self._asleep = False
                self._stop_at = None
                self._thread = threading.Thread(target=self._run, name="actorq-link", daemon=True)
                self._thread.start()
            except (OSError, RuntimeError) as error:
                # No descriptor or no thread to be had: the task is in the outbox all the same, and the next send tries again.
                self._thread = None
                self.outbox.wake_at = 0
                log.warning("link_not_started", home=str(self.home.path), reason=str(error))

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._is_done():
                try:
                    self._turn()
                except Exception as error:
                    failures = self._failures.note(time.monotonic())
                    if failures:
                        log.exception("link_failed", home=str(self.home.path), reason=str(error), failures=failures)
                    self._disconnect()
            self._say_goodbye()
        finally:
            # Whoever appends next finds no thread and starts one.
            self._thread = None
            self.outbox.wake_at = 0

    def _is_done(self) -> bool:
        if self._stop_at is None:
            return False
        nothing_left = not self.outbox.unconfirmed
        return nothing_left or self.is_hopeless or time.monotonic() >= self._stop_at

    def _has_work(self) -> bool:
        return bool(self.outbox.unconfirmed or self.inbox.has_waiters or self.questions)

    def _turn(self) -> None:
        """Do what can be done, then wait for more."""
        now = time.monotonic()
        if self._connection is None and self._has_work() and now >= self._next_try_at:
            self._connect(now)
        if self._connection is None:
            self._wait_alone(now)
            return
        if self.is_connected:
            self._send_requests()
            self._ship(now)
        # First say that we sleep, then look again, then sleep.
        self._asleep = True
        timeout_s = self._plan_wait(time.monotonic())
        if self.pace.period_s and not (self.inbox.has_waiters or self.questions or self.confirmations):
            frames = self._connection.pause(timeout_s)
        else:
            frames = self._connection.wait(timeout_s)
        self._asleep = False
        for frame in frames:
            self._take(frame)
        self._check(time.monotonic())

    def _connect(self, now: float) -> None:
        found = read_rendezvous(self.home)
        from actorq.client import connection  # noqa: PLC0415  loads zmq, which whoever only defines tasks never needs

        if found is None or not connection.is_private(self.home):
            self.is_hopeless = True
            self._back_off(now)
            return
        import zmq  # noqa: PLC0415

        self.is_hopeless = False
        if self._context is None:
            self._context = zmq.Context()
        self._connection = connection.Connection(self._context, found.endpoint, self._wake_fd)
        # Who only asks doesn't need its outbox registered.
        self._hello_outbox = self.outbox.outbox_id if self.outbox.last else 0
        first = self.outbox.confirmed + 1
        hello = Hello(PROTOCOL, "client", os.getpid(), self._hello_outbox, carries=self.outbox.carries, first=first)
        self._connection.send(HELLO + encode(hello))
        self._heard_at = now
        self.outbox.disarm()

    def _back_off(self, now: float) -> None:
        self._next_try_at = now + self._backoff_s
        self._backoff_s = min(SEEK_S[1], self._backoff_s * 2)

    def _wait_alone(self, now: float) -> None:
        """Wait without a connection: for the next attempt, or for something to do."""
        from actorq.client import connection  # noqa: PLC0415

        self._asleep = True
        if self._has_work():
            self.outbox.disarm()
            self._warn_if_stalled(now)
            timeout_s = self._next_try_at - now
        else:
            self._backoff_s, self._next_try_at, self._progress_at = SEEK_S[0], 0.0, 0.0
            timeout_s = SLEEPS if self.outbox.arm(1) and not self._has_work() else 0.0
        if self._stop_at is not None:
            timeout_s = min(timeout_s, self._stop_at - now)
        connection.wait_readable(self._wake_fd, timeout_s)
        self._asleep = False

    def _disconnect(self) -> None:
        """Drop the connection; everything unconfirmed is unsent again."""
        connection, self._connection = self._connection, None
        self.is_connected = False
        now = time.monotonic()
        self._back_off(now)
        if connection is not None:
            connection.close()
        self.outbox.rewind()
        self.questions.restart()

    def _send_requests(self) -> None:
        """Send WATCHes and ASKs that callers filed."""
        connection, inbox = self._connection, self.inbox
        assert connection is not None
        while inbox.ranges and self._hello_outbox:
            connection.send(WATCH + encode(Watch(*inbox.ranges.popleft())))
        if inbox.ids:
            ids = [inbox.ids.popleft() for _ in range(len(inbox.ids))]
            connection.send(WATCH + encode(Watch(1, 0, ids)))
            ask_about(ids, self.outbox, self.inbox, self.questions)
        while self.questions.to_send:
            question = self.questions.to_send.popleft()
            if self.questions.is_open(question):
                connection.send(question.frame)

    def _ship(self, now: float) -> None:
        outbox, connection = self.outbox, self._connection
        assert connection is not None
        if outbox.last and not self._hello_outbox:
            # We said that we only ask; now there are tasks. Introduce ourselves again.
            self._next_try_at = now
            connection.is_lost = True
            return
        unsent = outbox.unsent
        # With nothing unsent, too: that is how the pace learns that a loop of sends is over.
        if now < self._refused_until or not self.pace.is_time(now, unsent, outbox.sent - outbox.confirmed):
            return
        # Only what is here now: a caller that goes on sending would otherwise get a frame for each few tasks.
        left = unsent
        while left > 0 and self._has_room():
            records = outbox.take(min(left, FRAME_TASKS, self._window), FRAME_BYTES)
            left -= len(records)
            connection.send(pack_put(records))
        self.pace.note_shipped(now, unsent)
        self._progress_at = self._progress_at or now

    def _has_room(self) -> bool:
        outbox = self.outbox
        return outbox.sent - outbox.confirmed < self._window and outbox.inflight_bytes < WINDOW_BYTES

    def _plan_wait(self, now: float) -> float:
        """Arm the outbox and return how long to sleep. Called after we said that we sleep."""
        connection, outbox = self._connection, self.outbox
        assert connection is not None
        if connection.is_lost or (self.is_connected and (self.inbox.ids or self.questions.to_send)):
            return 0.0
        if self.is_connected and self.inbox.ranges and self._hello_outbox:
            return 0.0
        if not self.is_connected:
            return max(0.0, min(self._welcome_s - (now - self._heard_at), self._until_stop(now)))
        timeout_s = min(self._until_stop(now), self._until_stalled(now))
        if now < self._refused_until:
            outbox.disarm()
            return min(timeout_s, self._refused_until - now)
        if not self._has_room():
            outbox.disarm()
            return timeout_s
        planned = self.pace.plan_wait(now)
        if planned is None:
            return timeout_s if outbox.arm(1) else 0.0
        return min(timeout_s, planned[0]) if outbox.arm(planned[1]) else 0.0

    def _until_stop(self, now: float) -> float:
        return SLEEPS if self._stop_at is None else max(0.0, self._stop_at - now)

    def _until_stalled(self, now: float) -> float:
        if self._has_work():
            return RECHECK_S
        return SLEEPS

    # -- what the broker says -----------------------------------------------------------------------------------------

    def _take(self, frame: bytes) -> None:
        self._heard_at = time.monotonic()
        decode = DECODERS.get(frame[:1])
        match decode(memoryview(frame)[1:]) if decode else None:
            case Confirm(number=number):
                self._on_confirm(number)
            case Results() as results:
                self._on_results(results, len(frame))
            case Welcome() as welcome:
                self._on_welcome(welcome)
            case Refused() as refused:
                self._on_refused(refused)
            case Answer() as answer:
                self.questions.settle(answer)
            case _:
                log.warning("frame_ignored", kind=repr(frame[:1]), home=str(self.home.path))

    def _on_welcome(self, welcome: Welcome) -> None:
        if welcome.error or welcome.protocol != PROTOCOL:
            self.turned_away = welcome.error or f"it speaks protocol {welcome.protocol}, this client {PROTOCOL}"
            log.warning("client_turned_away", home=str(self.home.path), reason=self.turned_away)
            assert self._connection is not None
            self._connection.is_lost = True
            return
        self.turned_away, self.epoch, self.is_connected = "", welcome.epoch, True
        self._backoff_s, self._refused_until, self._gap_at = SEEK_S[0], 0.0, 0
        self._welcome_s = WELCOME_S[0]
        self.pace.may_ship = True
        if self._hello_outbox:
            self._on_confirm(welcome.taken)
        self.inbox.ask_again()

    def _on_confirm(self, number: int) -> None:
        self.pace.may_ship = True
        if self.outbox.confirm(number):
            if (
                self.refusal is None or self.outbox.confirmed >= self.refusal[0]
            ):  # else these were taken before the rest wasn't
                self.refusal, self._refused_until = None, 0.0
            self._has_warned, self._gap_at = False, 0
            self._progress_at = time.monotonic() if self.outbox.unconfirmed else 0.0
            self.confirmations.confirm(self.outbox.confirmed)

    def _on_refused(self, refused: Refused) -> None:
        now = time.monotonic()
        if refused.error == GAP:
            # Each frame behind a gap is refused for it, but what is missing needs to be sent only once.
            if self._gap_at != refused.number:
                self._gap_at = refused.number
                self.outbox.rewind(refused.number)
            return
        self.outbox.rewind(refused.number)
        self._gap_at = 0
        if self.refusal is None or now >= self._refused_until or refused.number < self.refusal[0]:
            self.refusal = refused.number, make_refusal(refused, self.home)
        self._refused_until = now + max(refused.retry_in_s, SHORTEST_S)
        self.pace.may_ship = True
        self.confirmations.refuse(*self.refusal)

    def _on_results(self, results: Results, size_bytes: int) -> None:
        numbers = [record.key & NUMBER_MASK for record in results.records]
        found: dict[int | str, ResultRecord] = dict(zip(numbers, results.records, strict=True))
        if results.foreign:
            found.update(results.foreign)
        self.inbox.deliver(found, numbers, size_bytes)

    # -- when nothing happens -----------------------------------------------------------------------------------------

    def _check(self, now: float) -> None:
        """Notice a lost connection, a silent broker, a stalled outbox and waiters without news."""
        connection = self._connection
        if connection is None:
            return
        silent_s = now - self._heard_at
        if not connection.is_lost and silent_s > (RECHECK_S if self.is_connected else self._welcome_s):
            if not self.is_connected:
                self._welcome_s = min(WELCOME_S[1], self._welcome_s * 2)
            connection.is_lost = not self.is_connected or self._has_moved()
        if connection.is_lost:
            self._disconnect()
            return
        self._warn_if_stalled(now)
        if self.is_connected and self.inbox.has_waiters:
            stale = self.inbox.find_stale(now - STALL_S)
            if stale:
                self.inbox.ask_again(stale)
                ask_about(stale, self.outbox, self.inbox, self.questions)

    def _has_moved(self) -> bool:
        found = read_rendezvous(self.home)
        return found is not None and self._connection is not None and found.endpoint != self._connection.endpoint

    def _warn_if_stalled(self, now: float) -> None:
        if not self.outbox.unconfirmed:
            self._progress_at = 0.0
            return
        self._progress_at = self._progress_at or now
        if now - self._progress_at < STALL_S or self._has_warned:
            return
        self._has_warned = True
        log.warning(
            "outbox_not_confirmed",
            home=str(self.home.path),
            tasks=self.outbox.unconfirmed,
            waited_s=round(now - self._progress_at, 1),
            hint=str(self.unavailable(now - self._progress_at)),
        )

    def _say_goodbye(self) -> None:
        connection, self._connection = self._connection, None
        was_connected, self.is_connected = self.is_connected, False
        if connection is not None:
            if was_connected:
                connection.send(BYE)
            connection.close(linger_ms=100)
        context, self._context = self._context, None
        if context is not None:
            context.term()


_left_behind: Final[list[object]] = []  # a parent's sockets: collecting them in the child would touch them
