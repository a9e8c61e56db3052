"""No ask hangs (K4): thousands of them race with every way an actor can end."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import deque
from typing import Any

import pytest
import structlog.testing

from actorq.actors import Actor, ActorDead, AskTimeout, Exit, MailboxFull, Refusal, System
from actorq.messages.reasons import NORMAL, SHUTDOWN
from actorq.supervisor import ChildSpec, Supervisor
from actorq.testing.wait import wait_until

DEADLINE_S = 5.0
SLACK_S = 2.0  # a loaded machine wakes a thread late


class Prone(Actor):
    """Answers in every way there is."""

    def init(self):
        self.held = []

    def on_str(self, message):
        return message

    def on_int(self, number):
        if number == 0:
            raise ValueError("crash")
        if number == 1:
            raise Exit(NORMAL)
        if number == 2:
            raise Refusal("no")
        if number == 3:
            self.held.append(self.defer())
        elif number == 4:
            while self.held:
                self.held.pop().set("late")
        elif number == 5:
            self.timers.after(0.001, "x")
        return number

    def terminate(self, reason):
        if random.random() < 0.1:
            raise KeyError("worse")


class PinnedProne(Prone):
    pinned = True


class SmallProne(PinnedProne):
    capacity = 3


class DroppingProne(PinnedProne):
    capacity = 3
    on_full = "drop_old"


def end_somehow(system, dice, ref):
    way = dice.randrange(6)
    if way == 0:
        system.kill(ref)
    elif way == 1:
        system.exit(ref, SHUTDOWN)
    elif way == 2:
        ref.stop(block=False)
    elif way == 3:
        ref.ask(0, block=False)
    elif way == 4:
        ref.ask(1, block=False)
    else:
        threading.Thread(target=system.kill, args=(ref,)).start()
        system.kill(ref)


def ask_around(names, system, over, seed, late, counts):  # noqa: PLR0917
    """Ask whoever bears a name until it is over; note every ask that took longer than it may."""
    dice = random.Random(seed)
    while not over.is_set():
        message = dice.choice(["hello", 2, 3, 4, 4, 5, 7])
        timeout_s = 0.05 if message == 3 else DEADLINE_S  # nobody may answer those
        started = time.monotonic()
        try:
            target = system.ref(dice.choice(names))
            if dice.random() < 0.5:
                target.ask(message, timeout=timeout_s)
            else:
                target.ask(message, block=False, timeout=timeout_s).get()
        except AskTimeout as error:
            if message != 3:
                late.append(error)
        except (ActorDead, Refusal, MailboxFull, ValueError, KeyError):
            pass
        took_s = time.monotonic() - started
        if took_s > timeout_s + SLACK_S:
            late.append(took_s)
        counts.append(1)


@pytest.mark.parametrize("seed", range(3))
def test_every_ask_ends_in_its_deadline_while_its_target_is_killed_stopped_crashed_and_restarted(seed):
    system, over = System("storm"), threading.Event()
    late: list[object] = []
    counts: list[int] = []
    classes = [Prone, PinnedProne, SmallProne, DroppingProne]
    specs = [ChildSpec(cls.__name__, cls, name=cls.__name__) for cls in classes]
    names = [cls.__name__ for cls in classes]
    with structlog.testing.capture_logs():
        system.spawn(Supervisor, specs, strategy="one_for_one", intensity=1_000_000, period_s=1.0)
        askers = [
            threading.Thread(target=ask_around, args=(names, system, over, seed * 10 + number, late, counts))
            for number in range(4)
        ]
        for asker in askers:
            asker.start()
        dice = random.Random(seed)
        ends = 0
        until = time.monotonic() + 1.0
        while time.monotonic() < until or (len(counts) < 1_000 and time.monotonic() < until + 20):
            ref = system.whereis(dice.choice(names))
            if ref is not None:
                end_somehow(system, dice, ref)
                ends += 1
            time.sleep(dice.random() * 0.003)
        over.set()
        for asker in askers:
            asker.join(DEADLINE_S + 2 * SLACK_S)
        assert not any(asker.is_alive() for asker in askers), "an ask hangs"
        system.shutdown()
    assert late == []
    assert len(counts) >= 1_000
    assert ends > 50


@pytest.mark.parametrize("cls", [Prone, PinnedProne])
def test_deferred_answers_race_with_kills_and_none_is_lost(system, cls):
    """The asker moves from the message in hand to the deferred ones while another thread kills."""
    for _ in range(200):
        ref = system.spawn(cls)
        futures = [ref.ask(3, block=False, timeout=60) for _ in range(3)]
        system.kill(ref)
        for future in futures:
            with pytest.raises(ActorDead):
                future.get(timeout=DEADLINE_S)


@pytest.mark.parametrize("cls", [Prone, PinnedProne])
def test_stop_races_with_kill_and_both_end(system, cls):
    for _ in range(100):
        ref = system.spawn(cls)
        stopped = ref.stop(block=False)
        system.kill(ref)
        assert stopped.get(timeout=DEADLINE_S) in (True, False)


def test_asks_end_with_the_system():
    system = System("closing")
    refs = [system.spawn(cls) for cls in (Prone, PinnedProne)]
    waiting = [ref.ask(3, block=False, timeout=60) for ref in refs for _ in range(20)]
    system.shutdown()
    for future in waiting:
        with pytest.raises(ActorDead):
            future.get(timeout=DEADLINE_S)
    with pytest.raises(ActorDead):
        refs[0].ask("x")


def test_asks_end_when_their_loop_fails(system, monkeypatch):
    ref = system.spawn(Prone)
    waiting = ref.ask(3, block=False, timeout=60)
    ref.ask("x")

    def fail():
        raise MemoryError

    with structlog.testing.capture_logs() as logs:
        monkeypatch.setattr(ref.cell.loop, "_turn", fail)
        ref.tell("wake up")
        with pytest.raises(ActorDead):
            waiting.get(timeout=DEADLINE_S)
    assert "loop_failed" in [entry["event"] for entry in logs]
    assert system.spawn(Prone).ask("again") == "again"


class Interrupt(BaseException):
    pass


def test_an_interrupt_in_the_main_thread_leaves_every_actor_answering(system):
    """What Ctrl-C does, at any instruction of an ask, again and again."""

    def interrupt(*_):
        raise Interrupt

    dice = random.Random(1)
    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        refs = [system.spawn(Prone), system.spawn(PinnedProne)]
        for _ in range(100):
            ref = dice.choice(refs)
            try:
                signal.setitimer(signal.ITIMER_REAL, dice.uniform(0.00001, 0.0006))
                while True:
                    ref.ask("x", timeout=DEADLINE_S)
                    ref.tell("y")
            except Interrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert ref.ask("well", timeout=DEADLINE_S) == "well"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted == 100


def test_an_interrupted_tell_is_delivered_or_was_never_sent(system):
    seen = []

    class Seer(Actor):
        pinned = True

        def on_int(self, number):
            seen.append(number)

    ref = system.spawn(Seer)

    class Queue(deque[Any]):
        def append(self, envelope):
            super().append(envelope)
            raise KeyboardInterrupt

    ref.actor_inbox.queue = Queue()
    with pytest.raises(KeyboardInterrupt):
        ref.tell(1)
    wait_until(lambda: seen == [1], what="the message that was in the mailbox")
