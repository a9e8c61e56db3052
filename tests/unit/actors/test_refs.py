"""Refs: their addresses, what becomes of them in a pickle, and names that are waited for."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import threading
import time

import cloudpickle  # type: ignore[import-untyped]
import pytest

from actorq.actors import Actor, ActorDead, AskTimeout, MailboxFull, NameRef, RemoteRef, System, WouldBlock, open_ref
from actorq.actors.held import HELD_PER_NAME
from actorq.actors.places import find_systems
from actorq.messages.address import Address
from actorq.messages.reasons import NOPROC
from actorq.supervisor import ChildSpec, Supervisor
from actorq.testing.clock import FakeClock
from actorq.testing.wait import wait_until


class Ping:
    pass


class Echo(Actor):
    def init(self, slow_s=0.0, fail=False):
        self.seen = []
        if slow_s:
            time.sleep(slow_s)
        if fail:
            raise RuntimeError("not yet")

    def on_receive(self, message):
        if callable(message):
            return message(self)
        self.seen.append(message)
        return len(self.seen)


class Crash:
    pass


class Fragile(Echo):
    def on_receive(self, message):
        if isinstance(message, Crash):
            raise RuntimeError("crashed")  # noqa: TRY004  any exception ends it
        return super().on_receive(message)


def copies(ref):
    yield pickle.loads(pickle.dumps(ref))
    yield pickle.loads(cloudpickle.dumps(ref))
    yield copy.copy(ref)
    yield copy.deepcopy({"ref": ref})["ref"]


def test_a_ref_s_address_names_its_node_and_incarnation(system):
    named, unnamed = system.spawn(Echo, name="shop/cart"), system.spawn(Echo)
    assert str(named.address) == f"actorq://test/shop/cart#{system.boot}.{named.id}"
    assert str(unnamed.address) == f"actorq://test/#{system.boot}.{unnamed.id}"
    assert str(system.ref("shop/cart").address) == "actorq://test/shop/cart"


def test_refs_come_back_from_a_pickle_and_a_copy_as_they_were(system):
    for ref in (system.spawn(Echo, name="echo"), system.spawn(Echo), system.ref("echo"), system.ref("later")):
        for again in copies(ref):
            assert again == ref
            assert type(again) is type(ref)


def test_a_pickled_ref_works(system):
    ref = pickle.loads(pickle.dumps(system.spawn(Echo)))
    ref.tell("one")
    assert ref.ask("two") == 2
    assert pickle.loads(pickle.dumps(system.ref("x", wait_s=3))).wait_s == 3


def test_a_pickled_ref_of_an_incarnation_is_never_of_a_later_one(system):
    first = system.spawn(Echo, name="echo")
    packed, name = pickle.dumps(first), pickle.dumps(system.ref("echo"))
    system.kill(first)
    second = system.spawn(Echo, name="echo")
    dead = pickle.loads(packed)
    assert dead == first
    assert dead != second
    assert not dead.is_alive()
    with pytest.raises(ActorDead):
        dead.ask(Ping())
    assert pickle.loads(name).ask(Ping()) == 1
    downs = []
    watcher = system.spawn(Echo)
    watcher.cell.actor.on_down = lambda *facts: downs.append(facts)
    watcher.ask(lambda actor: actor.monitor(dead))
    wait_until(lambda: downs)
    assert downs[0][1:] == (dead, NOPROC)


def test_a_ref_of_an_earlier_life_of_the_node_is_of_nobody():
    with System("home") as first:
        ref = first.spawn(Echo, name="echo")
        packed = pickle.dumps(ref)
    with System("home") as second:
        alive = second.spawn(Echo, name="echo")
        dead = pickle.loads(packed)
        assert dead not in (alive, ref)
        assert not dead.is_alive()


def test_of_two_systems_of_one_name_the_incarnation_s_own_is_found():
    with System("twin") as old, System("twin") as new:
        refs = old.spawn(Echo, name="echo"), new.spawn(Echo, name="echo")
        assert tuple(pickle.loads(pickle.dumps(ref)) for ref in refs) == refs
        assert open_ref("actorq://twin/echo") == new.ref("echo")


def test_an_address_of_a_node_that_does_not_live_here_opens_as_a_remote_ref(system):
    ref = open_ref("actorq://elsewhere/x")
    assert ref == system.ref_to("actorq://elsewhere/x") == RemoteRef(Address("elsewhere", "x"))
    assert isinstance(system.ref_to("actorq://test/x"), NameRef)
    with pytest.raises(ValueError, match="expected an address"):
        system.ref_to("elsewhere/x")


def test_systems_are_found_while_they_live_and_are_not_kept_alive():
    with System("found") as system:
        assert find_systems("found") == [system]
    assert find_systems("found") == []
    forgotten = System("forgotten")
    assert find_systems("forgotten") == [forgotten]
    del forgotten
    gc.collect()
    assert find_systems("forgotten") == []


def test_after_a_fork_no_system_of_the_parent_is_found():
    with System("parent"):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, b"%d" % len(find_systems()))
            os._exit(0)
        assert os.read(reader, 10) == b"0"
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_a_name_that_cannot_be_an_address_is_told_at_its_first_use():
    with System("bad\nname") as system, pytest.raises(ValueError, match="control characters"):
        pickle.dumps(system.spawn(Echo))


# -- names that are waited for (R37) -----------------------------------------------------------------------------------------


def test_an_ask_waits_for_the_name_and_is_answered_when_it_is_taken(system):
    future = system.ref("late", wait_s=10).ask(Ping(), block=False)
    wait_until(lambda: len(system.held) == 1)
    system.spawn(Echo, name="late")
    assert future.get() == 1
    assert len(system.held) == 0


def test_a_plain_thread_waits_for_the_name_too(system):
    timer = threading.Timer(0.05, lambda: system.spawn(Echo, name="late"))
    timer.start()
    assert system.ref("late", wait_s=10).ask(Ping()) == 1
    timer.join()


def test_an_ask_to_a_name_that_nobody_takes_ends_with_actor_dead_after_its_wait(system):
    started = time.monotonic()
    with pytest.raises(ActorDead) as caught:
        system.ref("never", wait_s=0.1).ask(Ping())
    assert caught.value.reason == NOPROC
    assert time.monotonic() - started >= 0.1
    with pytest.raises(AskTimeout):
        system.ref("never", wait_s=5).ask(Ping(), timeout=0.05)


def test_the_wait_follows_the_system_s_clock():
    clock = FakeClock()
    with System("clock", clock=clock) as system:
        future = system.ref("never", wait_s=1_000).ask(Ping(), block=False, timeout=60)
        clock.advance(1_001)
        with pytest.raises(ActorDead):
            future.get()


def test_tells_are_held_in_order_and_come_before_later_ones(system):
    late = system.ref("late", wait_s=10)
    for number in range(100):
        late.tell(number)
    ref = system.spawn(Echo, name="late")
    late.tell(100)
    assert ref.ask(lambda actor: list(actor.seen)) == list(range(101))


def test_a_sender_keeps_its_order_while_the_name_comes_and_goes(system):
    late, done = system.ref("late", wait_s=10), threading.Event()
    received = []

    class Keep(Actor):
        def on_receive(self, message):
            received.append(message)

    def send():
        for number in range(3_000):
            late.tell(number)
            if not number % 300:
                time.sleep(0.002)
        done.set()

    thread = threading.Thread(target=send)
    thread.start()
    while not done.is_set():
        ref = system.spawn(Keep, name="late")
        time.sleep(0.002)
        system.kill(ref)
    thread.join()
    assert received == sorted(received)


def test_a_held_tell_that_nobody_takes_is_a_dead_letter(system):
    system.ref("never", wait_s=0.05).tell(Ping())
    wait_until(lambda: system.dead_letters.count == 1)
    assert system.dead_letters.by_reason == {"noproc": 1}


def test_what_may_wait_for_a_name_is_bounded(system):
    never = system.ref("never", wait_s=60)
    for _ in range(HELD_PER_NAME):
        never.tell(Ping())
    with pytest.raises(MailboxFull):
        never.tell(Ping())
    with pytest.raises(MailboxFull):
        never.ask(Ping())
    with pytest.raises(MailboxFull):
        never.ask(Ping(), block=False).get()
    system.shutdown()
    assert system.dead_letters.count == HELD_PER_NAME


def test_an_actor_waits_for_a_name_without_blocking_its_loop(system):
    heard = []
    asker = system.spawn(Echo)
    late, never = system.ref("late", wait_s=10), system.ref("never", wait_s=0.05)
    asker.ask(lambda actor: actor.ask_then(late, Ping(), 10, lambda outcome: heard.append(outcome.get())))
    asker.ask(lambda actor: actor.ask_then(never, Ping(), 10, lambda outcome: heard.append(outcome.error)))
    wait_until(lambda: heard)
    assert isinstance(heard.pop(), ActorDead)
    system.spawn(Echo, name="late")
    wait_until(lambda: heard == [1])

    def block(actor):
        with pytest.raises(WouldBlock):
            late.ask(Ping())

    asker.ask(block)


def test_a_name_survives_restarts_for_those_who_wait(system):
    specs = [ChildSpec("echo", Fragile, kwargs={"slow_s": 0.02}, name="echo")]
    system.spawn(Supervisor, specs, strategy="one_for_one", intensity=100, period_s=10.0)
    patient = system.ref("echo", wait_s=5)
    for _ in range(5):
        with pytest.raises(RuntimeError):
            patient.ask(Crash())
        assert patient.ask(Ping()) == 1


def test_an_actor_that_fails_to_start_does_not_take_what_waits_for_its_name(system):
    future = system.ref("late", wait_s=10).ask(Ping(), block=False)
    with pytest.raises(RuntimeError):
        system.spawn(Echo, name="late", fail=True)
    system.spawn(Echo, name="late")
    assert future.get() == 1


def test_the_end_of_the_system_answers_what_waits():
    system = System("ending")
    future = system.ref("never", wait_s=60).ask(Ping(), block=False, timeout=60)
    wait_until(lambda: len(system.held) == 1)
    system.shutdown()
    with pytest.raises(ActorDead):
        future.get()
    with pytest.raises(ActorDead):
        system.ref("never", wait_s=60).ask(Ping())


def test_a_negative_wait_is_refused(system):
    with pytest.raises(ValueError, match="wait_s to be 0 or more"):
        system.ref("x", wait_s=-1)


def test_dead_letters_are_counted_by_reason(system):
    ref = system.spawn(Echo)
    system.kill(ref)
    with pytest.raises(ActorDead):
        ref.tell(Ping())
    system.ref("nobody").tell(Ping())
    assert system.dead_letters.by_reason == {"killed": 1, "noproc": 1}
