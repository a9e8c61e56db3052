"""Exit signals: the table, and what of it shows from outside (R27 to R37)."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from actorq.actors import Actor, ActorDead, Exit
from actorq.actors.exits import plan_exit
from actorq.messages.reasons import (
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Crashed,
    ExitReason,
    Shutdown,
    as_reason,
    is_clean,
)
from actorq.supervisor import ChildSpec, Supervisor
from actorq.testing.wait import wait_until

REASONS: list[ExitReason] = [NORMAL, SHUTDOWN, Shutdown("x"), KILLED, NOPROC, NOCONNECTION, Crashed("E", "m", "t")]


class Plain(Actor):
    def init(self):
        self.log = []

    def on_exit(self, ref, reason):
        self.log.append(("exit", ref, reason))

    def on_down(self, monitor_id, ref, reason):
        self.log.append(("down", ref, reason))

    def on_str(self, message):
        self.log.append(message)

    def do(self, function):
        return function(self)

    def peek(self):
        return [*self.log]


class Trapper(Plain):
    trap_exit = True


class PinnedPlain(Plain):
    pinned = True


def do(ref, function):
    return ref.proxy().do(function).get()


def log_of(ref):
    return ref.proxy().peek().get()


@pytest.mark.parametrize("reason", REASONS)
def test_the_table_of_exit_signals_is_erlangs_with_the_parent_before_it(reason):
    for from_parent, from_itself, traps in itertools.product([False, True], repeat=3):
        if from_parent and reason != NORMAL:
            expected = "stop"
        elif traps:
            expected = "hear"
        elif reason == NORMAL and not from_itself:
            expected = "ignore"
        else:
            expected = "end"
        assert plan_exit(reason, from_parent=from_parent, from_itself=from_itself, traps=traps) == expected


def test_only_normal_and_shutdown_are_ends_in_good_order():
    assert [reason for reason in REASONS if is_clean(reason)] == [NORMAL, SHUTDOWN, Shutdown("x")]
    assert [as_reason(reason) for reason in REASONS] == REASONS


def test_normal_from_another_is_ignored_unless_it_traps(system):
    sender, plain, trapper = system.spawn(Plain), system.spawn(Plain), system.spawn(Trapper)
    do(sender, lambda actor: (actor.exit(plain, NORMAL), actor.exit(trapper, NORMAL)))
    wait_until(lambda: log_of(trapper))
    assert log_of(trapper) == [("exit", sender, NORMAL)]
    assert log_of(plain) == []


def test_normal_to_oneself_is_an_end(system):
    ref = system.spawn(Plain)
    ref.proxy().do.defer(lambda actor: actor.exit(actor.self_ref, NORMAL))
    assert system.wait_down(ref) == NORMAL


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason not in (NORMAL, KILLED)])
def test_another_reason_from_another_ends_it_with_that_reason(system, reason):
    sender, plain = system.spawn(Plain), system.spawn(Plain)
    do(sender, lambda actor: actor.exit(plain, reason))
    assert system.wait_down(plain) == reason


def test_killed_as_a_reason_can_be_trapped_as_it_comes_from_a_peer_that_was_killed(system):
    sender, trapper = system.spawn(Plain), system.spawn(Trapper)
    do(sender, lambda actor: actor.exit(trapper, KILLED))
    wait_until(lambda: log_of(trapper))
    assert log_of(trapper) == [("exit", sender, KILLED)]


def test_the_systems_wish_stops_one_that_traps_too(system):
    trapper = system.spawn(Trapper)
    system.exit(trapper, SHUTDOWN)
    assert system.wait_down(trapper) == SHUTDOWN


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Crashed("E")])
def test_a_raised_exit_ends_with_its_reason(system, reason):
    def leave(_):
        raise Exit(reason)

    ref = system.spawn(Plain)
    ref.proxy().do.defer(leave)
    assert system.wait_down(ref) == reason


def test_a_crash_is_data_that_keeps_no_frame_of_the_dead_alive(system):
    import gc
    import weakref

    class Big:
        pass

    gone: list[Any] = []

    def crash(_):
        big = Big()
        gone.append(weakref.ref(big))
        raise ValueError("with locals")

    ref = system.spawn(Plain)
    ref.proxy().do.defer(crash)
    reason = system.wait_down(ref)
    assert isinstance(reason, Crashed)
    gc.collect()
    assert gone[0]() is None


def test_linking_to_oneself_is_nothing(system):
    ref = system.spawn(Plain)
    do(ref, lambda actor: actor.link(actor.self_ref))
    assert ref.cell.links == set()


def test_a_link_is_one_however_often_it_is_made_and_a_monitor_each_its_own(system):
    first, second = system.spawn(Trapper), system.spawn(Plain)
    ids = do(first, lambda a: [a.link(second), a.link(second), a.monitor(second), a.monitor(second)][2:])
    assert len(set(ids)) == 2
    system.kill(second)
    wait_until(lambda: len(log_of(first)) == 3)
    assert sorted(entry[0] for entry in log_of(first)) == ["down", "down", "exit"]


def test_monitors_are_one_way(system):
    watcher, target = system.spawn(Plain), system.spawn(Plain)
    do(watcher, lambda actor: actor.monitor(target))
    system.kill(watcher)
    assert target.ask is not None
    assert log_of(target) == []
    assert target.cell.monitors == {}


def test_nothing_arrives_after_demonitor_or_unlink_even_where_the_news_were_on_their_way(system):
    """The target dies in another thread while the watcher is busy, so its news wait in the signal lane."""
    for _ in range(30):
        watcher, target = system.spawn(type("T", (Trapper,), {"pinned": True})), system.spawn(Plain)

        def part(actor, target=target):
            actor.link(target)
            monitor_id = actor.monitor(target)
            thread = threading.Thread(target=system.kill, args=(target,))
            thread.start()
            thread.join()
            actor.unlink(target)
            actor.demonitor(monitor_id)

        do(watcher, part)
        assert log_of(watcher) == []
        assert watcher.cell.monitoring == {}
        assert watcher.cell.pending_exits == set()


def test_messages_of_one_sender_keep_their_order_and_its_exit_signal_overtakes_them(system):
    gate = threading.Event()
    ref = system.spawn(PinnedPlain)
    log = ref.cell.actor.log
    for number in range(1_000):
        ref.tell(str(number))
    wait_until(lambda: len(log) == 1_000)
    assert log == [str(number) for number in range(1_000)]
    ref.proxy().do.defer(lambda _: gate.wait(5))
    for _ in range(1_000):
        ref.tell("never")
    system.exit(ref, SHUTDOWN)
    gate.set()
    assert system.wait_down(ref) == SHUTDOWN
    assert "never" not in log


def test_a_restart_is_a_new_incarnation_with_an_empty_mailbox(system):
    gate, entered = threading.Event(), threading.Event()

    class Victim(PinnedPlain):
        def hold(self):
            entered.set()
            gate.wait(5)

    spec = ChildSpec("victim", Victim, name="victim")
    system.spawn(Supervisor, [spec], strategy="one_for_one", intensity=5, period_s=5.0)
    first = system.whereis("victim")
    held = first.proxy().hold()
    assert entered.wait(5)
    waiting = [first.ask("x", block=False, timeout=60) for _ in range(10)]
    for _ in range(5):
        first.tell("lost")
    system.kill(first)
    for future in (held, *waiting):
        with pytest.raises(ActorDead, match="killed"):
            future.get(timeout=1)
    assert system.dead_letters.count == 5
    wait_until(lambda: system.whereis("victim") not in {None, first}, what="the next incarnation")
    second = system.whereis("victim")
    assert second.proxy().peek().get() == []
    assert second != first
    assert not first.is_alive()
    with pytest.raises(ActorDead):
        first.ask("x")
    assert system.ref("victim").ask("to whoever is there") is None
    gate.set()


def test_a_name_is_taken_before_init_runs(system):
    seen = []

    class Named(Plain):
        def init(self):
            seen.append(self.system.whereis("named") == self.self_ref)

    system.spawn(Named, name="named")
    assert seen == [True]


def test_the_stopped_event_of_pykka_is_set_by_the_end_whoever_asks_for_it_and_when(system):
    ref = system.spawn(Plain)
    early = ref.actor_stopped
    assert not early.is_set()
    assert ref.actor_stopped is early
    system.kill(ref)
    assert early.wait(1)
    other = system.spawn(Plain)
    system.kill(other)
    assert other.actor_stopped.is_set()


def test_no_two_incarnations_have_the_same_urn(system):
    urns = {system.spawn(Plain).actor_urn for _ in range(50)}
    assert len(urns) == 50
    assert all(urn.startswith("urn:uuid:") for urn in urns)
