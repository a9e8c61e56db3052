"""Starting, ending, links, monitors, names."""

from __future__ import annotations

import threading
from typing import Any

import pykka
import pytest
import structlog.testing

from actorq.actors import IGNORE, Actor, ActorDead, AlreadyStarted, Exit, System, WouldBlock
from actorq.messages.reasons import KILL, KILLED, NOPROC, NORMAL, SHUTDOWN, Crashed, Shutdown, as_reason, is_clean
from actorq.testing.wait import wait_until


class Plain(Actor):
    def init(self, log=None, **_):
        self.log = [] if log is None else log

    def terminate(self, reason):
        self.log.append(reason)

    def end(self, reason):
        raise Exit(reason)

    def crash(self):
        raise RuntimeError("oops")

    def do(self, function):
        return function(self)


class Pinned(Plain):
    pinned = True


class Trapper(Plain):
    trap_exit = True

    def on_exit(self, ref, reason):
        self.log.append(("exit", ref, reason))


class Watcher(Plain):
    def on_down(self, monitor_id, ref, reason):
        self.log.append((monitor_id, ref, reason))


def log_of(ref):
    return ref.proxy().log.get()


both = pytest.mark.parametrize("cls", [Plain, Pinned])


# -- start ---------------------------------------------------------------------------------------------------------------


@both
def test_init_runs_in_the_actors_own_context_not_in_the_callers(system, cls):
    threads = []

    class Where(cls):  # type: ignore[valid-type,misc]
        def init(self, **_):
            threads.append(threading.get_ident())

    system.spawn(Where)
    assert threads[0] != threading.get_ident()


@both
def test_spawn_raises_what_init_raised_and_leaves_nothing(system, cls):
    class Broken(cls):  # type: ignore[valid-type,misc]
        def init(self, **_):
            raise LookupError("no such thing")

    with structlog.testing.capture_logs() as logs, pytest.raises(LookupError, match="no such thing"):
        system.spawn(Broken, name="broken")
    assert system.whereis("broken") is None
    assert system.actors() == []
    assert logs == []  # whoever spawned it knows


@both
def test_an_ignored_start_comes_back_as_a_dead_ref(system, cls):
    class Idle(cls):  # type: ignore[valid-type,misc]
        def init(self, **_):
            return IGNORE

    ref = system.spawn(Idle, name="idle")
    assert not ref.is_alive()
    assert system.whereis("idle") is None


def test_messages_sent_before_init_returned_are_handled_after_it(system):
    gate = threading.Event()

    class Slow(Pinned):
        def init(self, **_):  # type: ignore[override]
            gate.wait(5)
            self.ready = True

        def on_str(self, message):
            return self.ready

    thread = threading.Thread(target=lambda: system.spawn(Slow, name="slow"))
    thread.start()
    wait_until(lambda: system.whereis("slow"))
    future = system.whereis("slow").ask("early", block=False)
    gate.set()
    assert future.get() is True
    thread.join()


@both
def test_an_actor_killed_during_init_never_confirms(system, cls):
    gate, entered = threading.Event(), threading.Event()
    errors = []

    class Slow(cls):  # type: ignore[valid-type,misc]
        def init(self, **_):
            entered.set()
            gate.wait(5)

    def spawn():
        try:
            system.spawn(Slow, name="slow")
        except ActorDead as error:
            errors.append(error)

    thread = threading.Thread(target=spawn)
    thread.start()
    entered.wait(5)
    system.kill(system.whereis("slow"))
    thread.join(5)
    assert len(errors) == 1
    assert system.whereis("slow") is None
    gate.set()


def test_pykkas_own_start_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"System\.spawn\(Plain"):
        Plain.start()


def test_spawning_a_light_actor_inside_a_shared_loop_would_block(system):
    ref = system.spawn(Plain)
    with pytest.raises(WouldBlock):
        ref.proxy().do(lambda actor: actor.system.spawn(Plain)).get()


def test_a_pykka_without_the_open_points_is_refused_by_name():
    from actorq.actors.pykka_points import check_pykka

    check_pykka(pykka.Actor)
    with pytest.raises(ImportError, match="_create_actor_inbox, _create_future"):
        check_pykka(type("Other", (), {"_start_actor_loop": print, "_handle_receive": print}))


# -- names ---------------------------------------------------------------------------------------------------------------


def test_a_taken_name_is_refused_and_names_its_bearer(system):
    ref = system.spawn(Plain, name="one")
    with pytest.raises(AlreadyStarted) as caught:
        system.spawn(Plain, name="one")
    assert caught.value.ref == ref


WAYS_TO_DIE: dict[str, Any] = {
    "normal": lambda _, ref: ref.proxy().end(NORMAL),
    "crash": lambda _, ref: ref.proxy().crash(),
    "stop": lambda _, ref: ref.stop(),
    "exit signal": lambda system, ref: system.exit(ref, SHUTDOWN),
    "kill": lambda system, ref: system.kill(ref),
}


@both
@pytest.mark.parametrize("way", WAYS_TO_DIE)
def test_a_name_is_free_before_anybody_hears_of_the_end(system, cls, way):
    for _ in range(5):
        ref = system.spawn(cls, name="one")
        free: list[bool] = []

        def note(*_, free=free):
            free.append(system.whereis("one") is None)

        ref.watch(note)
        WAYS_TO_DIE[way](system, ref)
        wait_until(free.__len__)
        assert free == [True]


# -- ends ----------------------------------------------------------------------------------------------------------------


@both
def test_terminate_gets_the_reason(system, cls):
    log: list[Any] = []
    system.exit(system.spawn(cls, log), Shutdown("tidy"))
    wait_until(lambda: log)
    assert log == [Shutdown("tidy")]


def test_a_crash_without_a_supervisor_is_logged_once_with_its_traceback(system):
    ref = system.spawn(Plain, name="lonely")
    with structlog.testing.capture_logs() as logs:
        ref.proxy().do.defer(lambda actor: actor.crash())
        system.wait_down(ref)
    (event,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert event["event"] == "actor_crashed"
    assert event["actor"].startswith("lonely")
    assert "RuntimeError: oops" in event["traceback"]


def test_a_crash_in_terminate_does_not_hide_the_first_cause(system):
    class Worse(Plain):
        def terminate(self, reason):
            raise KeyError("second")

    ref = system.spawn(Worse)
    with structlog.testing.capture_logs() as logs:
        ref.proxy().crash.defer()
        reason = system.wait_down(ref)
    assert reason.class_name == "RuntimeError"
    assert [entry["event"] for entry in logs] == ["terminate_failed", "actor_crashed"]


def test_a_crash_while_stopping_becomes_the_reason(system):
    class Worse(Plain):
        def terminate(self, reason):
            raise KeyError("second")

    ref = system.spawn(Worse)
    system.exit(ref, SHUTDOWN)
    assert system.wait_down(ref).class_name == "KeyError"


def test_a_killed_actor_is_dead_at_once_and_its_code_is_fenced(system):
    gate, entered = threading.Event(), threading.Event()
    after = []

    class Stuck(Pinned):
        def hang(self):
            entered.set()
            gate.wait(5)
            try:
                self.timers.after(0, "late")
            except Exit as error:
                after.append(error.reason)
                raise

    ref = system.spawn(Stuck, name="stuck")
    ref.proxy().hang.defer()
    entered.wait(5)
    system.kill(ref)
    assert not ref.is_alive()
    assert system.whereis("stuck") is None
    assert [zombie.label for zombie in system.zombies()] == [str(ref)]
    gate.set()
    wait_until(lambda: not system.zombies(), what="the thread to come back")
    assert after == [KILLED]


def test_exit_reasons_are_clean_or_not():
    assert [is_clean(reason) for reason in (NORMAL, SHUTDOWN, Shutdown(1), KILLED, NOPROC, Crashed("X"))] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert as_reason("odd") == Crashed("Exit", "odd")


# -- links ---------------------------------------------------------------------------------------------------------------


@both
def test_a_linked_actor_shares_a_crash(system, cls):
    first, second = system.spawn(cls), system.spawn(Plain)
    first.proxy().do(lambda actor: actor.link(second)).get()
    first.proxy().crash.defer()
    assert isinstance(system.wait_down(second), Crashed)


def test_a_normal_end_leaves_linked_actors_alone(system):
    first, second = system.spawn(Plain), system.spawn(Plain)
    first.proxy().do(lambda actor: actor.link(second)).get()
    first.proxy().end.defer(NORMAL)
    system.wait_down(first)
    assert second.proxy().do(lambda actor: actor.log).get() == []


def test_trapping_turns_the_end_of_a_linked_actor_into_a_message(system):
    first, second = system.spawn(Trapper), system.spawn(Plain)
    first.proxy().do(lambda actor: actor.link(second)).get()
    second.proxy().end.defer(NORMAL)
    wait_until(lambda: log_of(first))
    assert first.proxy().log.get() == [("exit", second, NORMAL)]


def test_kill_cannot_be_trapped_and_peers_see_killed(system):
    first, second = system.spawn(Trapper), system.spawn(Trapper)
    first.proxy().do(lambda actor: actor.link(second)).get()
    first.proxy().do(lambda actor: actor.exit(second, KILL)).get()
    assert not second.is_alive()
    wait_until(lambda: log_of(first))
    assert first.proxy().log.get() == [("exit", second, KILLED)]


def test_linking_to_the_dead_is_an_exit_with_noproc(system):
    first, second = system.spawn(Trapper), system.spawn(Plain)
    system.kill(second)
    first.proxy().do(lambda actor: actor.link(second)).get()
    wait_until(lambda: log_of(first))
    assert first.proxy().log.get() == [("exit", second, NOPROC)]


def test_nothing_of_the_others_end_arrives_after_unlink(system):
    def part(actor):
        actor.link(second)
        actor.exit(second, KILL)
        actor.unlink(second)

    first, second = system.spawn(Trapper), system.spawn(Plain)
    first.proxy().do(part).get()
    assert first.proxy().do(lambda actor: [*actor.log]).get() == []


def test_an_actor_spawned_with_a_link_dies_with_its_parent(system):
    parent = system.spawn(Pinned)
    child = parent.proxy().do(lambda actor: actor.system.spawn(Plain, link=True)).get()
    system.kill(parent)
    assert system.wait_down(child) == KILLED


# -- monitors ------------------------------------------------------------------------------------------------------------


def test_monitors_are_one_way_and_stackable(system):
    watcher, target = system.spawn(Watcher), system.spawn(Pinned)
    ids = watcher.proxy().do(lambda actor: [actor.monitor(target), actor.monitor(target)]).get()
    system.exit(target, SHUTDOWN)
    wait_until(lambda: len(watcher.proxy().log.get()) == 2)
    assert watcher.proxy().log.get() == [(id, target, SHUTDOWN) for id in ids]


def test_monitoring_the_dead_or_nobody_is_a_down_with_noproc_at_once(system):
    watcher, target = system.spawn(Watcher), system.spawn(Plain)
    system.kill(target)
    watcher.proxy().do(lambda actor: (actor.monitor(target), actor.monitor(actor.system.ref("nobody")))).get()
    wait_until(lambda: len(watcher.proxy().log.get()) == 2)
    assert [entry[2] for entry in watcher.proxy().log.get()] == [NOPROC, NOPROC]


def test_no_down_arrives_after_demonitor(system):
    def part(actor):
        monitor_id = actor.monitor(target)
        actor.exit(target, KILL)
        actor.demonitor(monitor_id)

    watcher, target = system.spawn(Watcher), system.spawn(Plain)
    watcher.proxy().do(part).get()
    assert watcher.proxy().do(lambda actor: [*actor.log]).get() == []


def test_a_dead_watcher_leaves_nothing_in_the_watched(system):
    target = system.spawn(Plain)
    for _ in range(10):
        watcher = system.spawn(Watcher)
        watcher.proxy().do(lambda actor: (actor.monitor(target), actor.link(target), actor.unlink(target))).get()
        system.kill(watcher)
    assert target.cell.monitors == {}
    assert target.cell.links == set()


# -- the system ----------------------------------------------------------------------------------------------------------


def test_shutdown_ends_roots_in_reverse_order_and_joins_every_thread():
    before = threading.active_count()
    system = System("short")
    log = []

    class Noted(Pinned):
        def terminate(self, reason):
            log.append(self.name)

    for name in ("zeta", "alpha", "mid"):
        system.spawn(Noted, name=name)
    system.shutdown()
    assert log == ["mid", "alpha", "zeta"]
    assert threading.active_count() == before
    system.shutdown()
    with pytest.raises(ActorDead):
        system.spawn(Plain)


def test_shutdown_kills_and_reports_what_does_not_end():
    system = System("stubborn")
    gate = threading.Event()

    class Stubborn(Pinned):
        def terminate(self, reason):
            gate.wait(10)

    ref = system.spawn(Stubborn)
    thread = next(iter(system.loops())).thread
    assert thread is not None
    with structlog.testing.capture_logs() as logs:
        system.shutdown(timeout_s=0.05)
    assert not ref.is_alive()
    assert [entry["event"] for entry in logs] == ["actor_ignored_stop", "loop_abandoned"]
    gate.set()
    thread.join(5)
    assert not thread.is_alive()
