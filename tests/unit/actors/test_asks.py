from __future__ import annotations

import threading

import pykka
import pytest

from actorq.actors import Actor, ActorDead, AskTimeout, Exit, Future, MailboxFull, Refusal, WouldBlock
from actorq.messages.reasons import KILLED, Crashed
from actorq.testing.wait import wait_until


class Ping:
    pass


class Hang:
    def __init__(self, gate):
        self.gate = gate


class Echo(Actor):
    seen = 0

    def on_ping(self, _):
        self.seen += 1
        return self.seen

    def on_hang(self, message):
        message.gate.wait(10)

    def fail(self):
        raise ValueError("broken")

    def refuse(self):
        raise Refusal("not today")

    def leave(self):
        raise Exit(KILLED)

    def quit_process(self):
        raise SystemExit(3)

    def nest(self):
        return self.self_ref.ask(Ping())


class PinnedEcho(Echo):
    pinned = True


@pytest.fixture(params=[Echo, PinnedEcho], ids=["light", "pinned"])
def echo(request, system):
    return system.spawn(request.param, name="echo")


def test_an_ask_is_answered_with_what_the_handler_returns(echo):
    assert [echo.ask(Ping()) for _ in range(3)] == [1, 2, 3]


def test_a_proxy_reads_sets_and_calls_as_pykkas_users_know_it(echo):
    proxy = echo.proxy()
    proxy.seen = 41
    assert proxy.seen.get() == 41
    assert proxy.on_ping(Ping()).get() == 42
    proxy.on_ping.defer(Ping())
    assert proxy.seen.get() == 43


def test_futures_map_join_and_filter_as_pykkas_users_know_it(echo):
    one, two = echo.ask(Ping(), block=False), echo.ask(Ping(), block=False)
    assert isinstance(one, pykka.Future)
    assert one.map(lambda value: value * 10).get(timeout=1) == 10
    assert one.join(two).get(timeout=1) == [1, 2]


def test_a_future_takes_only_one_answer():
    import queue

    future = Future()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    with pytest.raises(queue.Full):
        future.set_exception((ValueError, ValueError(), None))
    assert future.get() == 1


def test_an_exception_in_an_ask_reaches_the_asker_and_ends_the_actor(echo, system):
    with pytest.raises(ValueError, match="broken"):
        echo.proxy().fail().get()
    reason = system.wait_down(echo)
    assert isinstance(reason, Crashed)
    assert reason.class_name == "ValueError"
    assert "in fail" in reason.traceback_text
    with pytest.raises(ActorDead):
        echo.ask(Ping())


def test_a_refusal_is_only_an_answer(echo):
    with pytest.raises(Refusal, match="not today"):
        echo.proxy().refuse().get()
    assert echo.ask(Ping()) == 1


def test_a_message_of_an_unknown_type_is_refused_and_the_actor_lives_on(echo):
    with pytest.raises(Refusal, match="doesn't know messages of type int"):
        echo.ask(7)
    echo.tell(7)
    assert echo.ask(Ping()) == 1


def test_raising_exit_in_an_ask_answers_that_the_actor_is_dead(echo, system):
    with pytest.raises(ActorDead):
        echo.proxy().leave().get()
    assert system.wait_down(echo) == KILLED


def test_system_exit_ends_that_actor_and_nobody_else(echo, system):
    other = system.spawn(Echo)
    with pytest.raises(SystemExit):
        echo.proxy().quit_process().get()
    assert isinstance(system.wait_down(echo), Crashed)
    assert other.ask(Ping()) == 1


def test_an_ask_has_a_deadline(echo):
    gate = threading.Event()
    echo.tell(Hang(gate))
    with pytest.raises(AskTimeout) as caught:
        echo.ask(Ping(), timeout=0.05)
    gate.set()
    assert isinstance(caught.value, (pykka.Timeout, TimeoutError))
    assert echo.ask(Ping()) == 2


def test_a_future_without_a_timeout_keeps_the_deadline_of_its_ask(echo):
    gate = threading.Event()
    echo.tell(Hang(gate))
    with pytest.raises(AskTimeout):
        echo.ask(Ping(), block=False, timeout=0.05).get()
    gate.set()


def test_a_blocking_ask_inside_a_shared_loop_would_block_and_sends_nothing(system):
    class Asker(Actor):
        def ask(self, ref):
            return ref.ask(Ping())

    target = system.spawn(PinnedEcho)
    asker = system.spawn(Asker)
    with pytest.raises(WouldBlock):
        asker.proxy().ask(target).get()
    assert target.ask(Ping()) == 1


def test_waiting_for_a_future_inside_a_shared_loop_would_block(system):
    class Asker(Actor):
        def ask(self, ref, gate):
            future = ref.ask(Hang(gate), block=False)
            return future.get()

    gate = threading.Event()
    asker = system.spawn(Asker)
    with pytest.raises(WouldBlock):
        asker.proxy().ask(system.spawn(PinnedEcho), gate).get()
    gate.set()


def test_asking_oneself_would_block_instead_of_waiting_for_oneself(echo):
    with pytest.raises(WouldBlock):
        echo.proxy().nest().get()


def test_a_pinned_actor_may_ask_another_loop(system):
    class Asker(Actor):
        pinned = True

        def ask(self, ref):
            return ref.ask(Ping())

    assert system.spawn(Asker).proxy().ask(system.spawn(Echo)).get() == 1


def test_asks_that_wait_in_the_mailbox_fail_when_the_actor_is_killed(echo, system):
    gate = threading.Event()
    running = echo.ask(Hang(gate), block=False)
    waiting = [echo.ask(Ping(), block=False) for _ in range(100)]
    system.kill(echo)
    for future in [running, *waiting]:
        with pytest.raises(ActorDead):
            future.get(timeout=1)
    gate.set()


def test_tells_that_wait_in_the_mailbox_become_counted_dead_letters(echo, system):
    gate = threading.Event()
    echo.tell(Hang(gate))
    wait_until(lambda: len(echo.actor_inbox) == 0, what="the actor to be busy")
    for _ in range(5):
        echo.tell(Ping())
    system.kill(echo)
    gate.set()
    assert system.dead_letters.count == 5
    assert {letter.message_type for letter in system.dead_letters.last()} == {"Ping"}


def test_telling_the_dead_raises_in_a_plain_thread_and_is_a_dead_letter_inside_an_actor(echo, system):
    class Teller(Actor):
        def tell(self, ref):
            ref.tell(Ping())

    teller = system.spawn(Teller)
    system.kill(echo)
    with pytest.raises(pykka.ActorDeadError):
        echo.tell(Ping())
    teller.proxy().tell(echo).get()
    assert system.dead_letters.count == 2


def test_no_ask_ever_hangs_while_its_target_dies(system):
    """Ask from four threads while the target is killed, again and again: each ask ends, none by its deadline."""
    late = []
    for cls in (Echo, PinnedEcho):
        for _ in range(50):
            target = system.spawn(cls)
            started = threading.Barrier(5)

            def ask(target=target, started=started):
                started.wait()
                try:
                    while True:
                        target.ask(Ping(), timeout=5)
                except ActorDead:
                    return
                except AskTimeout as error:
                    late.append(error)

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            started.wait()
            system.kill(target)
            for thread in threads:
                thread.join(10)
                assert not thread.is_alive()
    assert late == []


def test_stop_handles_what_came_before_and_tells_whether_it_was_alive(echo):
    futures = [echo.ask(Ping(), block=False) for _ in range(10)]
    assert echo.stop() is True
    assert [future.get() for future in futures] == list(range(1, 11))
    assert echo.stop() is False
    assert not echo.is_alive()


def test_an_answer_can_be_given_later_than_the_handler_returns(system):
    class Later(Actor):
        def init(self):
            self.replies = []

        def take(self):
            self.replies.append(self.defer())

        def release(self):
            for number, reply in enumerate(self.replies):
                reply.set(number)

    proxy = system.spawn(Later).proxy()
    waiting = [proxy.take() for _ in range(3)]
    proxy.release().get()
    assert [future.get() for future in waiting] == [0, 1, 2]


def test_a_deferred_answer_fails_when_its_actor_ends(system):
    class Later(Actor):
        def take(self):
            self.defer()

    ref = system.spawn(Later)
    waiting = ref.proxy().take()
    ref.stop()
    with pytest.raises(ActorDead):
        waiting.get()


class Asker(Actor):
    def init(self):
        self.outcomes = []

    def begin(self, ref, message, timeout_s):
        self.ask_then(ref, message, timeout_s, self.outcomes.append)

    def peek(self):
        return list(self.outcomes)


@pytest.fixture
def asker(system):
    return system.spawn(Asker).proxy()


def _outcome(asker):
    wait_until(lambda: asker.peek().get(), what="an outcome")
    (outcome,) = asker.peek().get()
    return outcome


def test_ask_then_brings_the_answer_as_a_message(echo, asker):
    asker.begin(echo, Ping(), 5).get()
    assert _outcome(asker).get() == 1


def test_ask_then_brings_what_the_other_raised(echo, asker):
    asker.begin(echo, 7, 5).get()
    assert isinstance(_outcome(asker).error, Refusal)


def test_ask_then_brings_a_timeout_and_no_second_outcome(system, asker):
    gate = threading.Event()
    other = system.spawn(PinnedEcho)
    asker.begin(other, Hang(gate), 0.02).get()
    assert isinstance(_outcome(asker).error, AskTimeout)
    gate.set()
    assert other.ask(Ping()) == 1
    assert len(asker.peek().get()) == 1


def test_ask_then_to_the_dead_and_to_nobody_fails_at_once(echo, asker, system):
    system.kill(echo)
    asker.begin(echo, Ping(), 60).get()
    assert isinstance(_outcome(asker).error, ActorDead)
    asker.begin(system.ref("nobody here"), Ping(), 60).get()
    wait_until(lambda: len(asker.peek().get()) == 2)


def test_a_name_ref_finds_whoever_bears_the_name_now(system):
    ref = system.ref("echo")
    with pytest.raises(ActorDead, match="echo is not alive: noproc"):
        ref.ask(Ping())
    ref.tell(Ping())
    assert system.dead_letters.count == 1
    first = system.spawn(Echo, name="echo")
    assert ref.ask(Ping()) == 1
    system.kill(first)
    system.spawn(Echo, name="echo")
    assert ref.ask(Ping()) == 1


class Small(Actor):
    pinned = True
    capacity = 3

    def on_hang(self, message):
        message.gate.wait(10)

    def on_int(self, number):
        return number


class SmallDropNew(Small):
    on_full = "drop_new"


class SmallDropOld(Small):
    on_full = "drop_old"


def _busy(system, cls):
    gate = threading.Event()
    ref = system.spawn(cls)
    ref.tell(Hang(gate))
    wait_until(lambda: len(ref.actor_inbox) == 0, what="the actor to be busy")
    return ref, gate


def test_a_full_mailbox_rejects_and_says_so(system):
    ref, gate = _busy(system, Small)
    waiting = [ref.ask(number, block=False) for number in range(3)]
    with pytest.raises(MailboxFull, match="its capacity of 3"):
        ref.tell(3)
    with pytest.raises(MailboxFull):
        ref.ask(3, block=False).get()
    gate.set()
    assert [future.get() for future in waiting] == [0, 1, 2]
    assert ref.actor_inbox.rejected == 2


def test_a_full_mailbox_can_drop_what_is_new(system):
    ref, gate = _busy(system, SmallDropNew)
    waiting = [ref.ask(number, block=False) for number in range(5)]
    gate.set()
    assert [future.get() for future in waiting[:3]] == [0, 1, 2]
    for future in waiting[3:]:
        with pytest.raises(MailboxFull):
            future.get()
    assert ref.actor_inbox.dropped == 2


def test_a_full_mailbox_can_drop_what_is_old(system):
    ref, gate = _busy(system, SmallDropOld)
    waiting = [ref.ask(number, block=False) for number in range(5)]
    gate.set()
    for future in waiting[:2]:
        with pytest.raises(MailboxFull):
            future.get()
    assert [future.get() for future in waiting[2:]] == [2, 3, 4]
