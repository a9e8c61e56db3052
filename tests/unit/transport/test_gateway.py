"""Two systems in one process, each with a gateway: everything but another process's death."""

from __future__ import annotations

import pickle
import time

import pytest

from actorq.actors import ActorDead, AskTimeout, NoGateway, RemoteRef, System, WouldBlock, open_ref
from actorq.errors import ConfigError, DecodeError, EncodeError, RemoteError
from actorq.messages.address import Address
from actorq.messages.reasons import KILL, KILLED, NOCONNECTION, NOPROC, NORMAL, SHUTDOWN, Crashed, Shutdown
from actorq.supervisor import ChildSpec, Supervisor
from actorq.testing.wait import wait_until
from actorq.transport.gateway import Gateway
from tests.unit.transport.players import Add, Note, Pinned, Player, Point, Stranger, Strict, Trusting, Watcher


@pytest.fixture(params=[Player, Pinned], ids=["light", "pinned"])
def counter(request, nodes):
    """A ref, on node a, of an actor on node b."""
    a, b = nodes
    b.spawn(request.param, name="counter")
    return a.ref_to("actorq://b/counter")


@pytest.fixture
def watcher(nodes):
    return nodes[0].spawn(Watcher, name="watcher")


def heard(watcher):
    return watcher.ask(lambda actor: list(actor.heard))


def wait_heard(watcher, count=1):
    wait_until(lambda: len(heard(watcher)) >= count)
    return heard(watcher)


def living(system, name):
    ref = system.whereis(name)
    assert ref is not None
    return ref


def bind_to(ref):
    def bind(actor):
        actor.monitor(ref)
        actor.link(ref)

    return bind


# -- tell and ask ----------------------------------------------------------------------------------------------------------


def test_a_remote_actor_is_asked_as_a_local_one(counter):
    assert [counter.ask(Add(n)) for n in (1, 2, 3)] == [1, 3, 6]


def test_tells_of_one_sender_and_the_ask_after_them_keep_their_order(counter):
    for number in range(2_000):
        counter.tell(number)
    assert counter.ask(["seen"]) == list(range(2_000))


def test_an_ask_without_waiting_gives_a_future(counter):
    futures = [counter.ask(Add(1), block=False) for _ in range(50)]
    assert [future.get() for future in futures] == list(range(1, 51))


def test_an_actor_asks_a_remote_one_without_waiting(counter, watcher):
    watcher.ask(lambda actor: actor.ask_then(counter, Add(5), 2.0, lambda outcome: actor.heard.append(outcome.get())))
    assert wait_heard(watcher) == [5]


def test_an_ask_that_nobody_answers_ends_at_its_deadline(counter, watcher):
    with pytest.raises(AskTimeout):
        counter.ask(["hang"], timeout=0.1)
    watcher.ask(lambda actor: actor.ask_then(counter, ["hang"], 0.1, lambda outcome: actor.heard.append(outcome.error)))
    assert isinstance(wait_heard(watcher)[0], AskTimeout)


def test_waiting_for_a_remote_actor_in_a_shared_loop_is_refused(counter, watcher):
    def look(actor):
        refused = []
        for wait in (lambda: counter.ask(Add(1)), counter.is_alive):
            with pytest.raises(WouldBlock):
                wait()
            refused.append(wait)
        return len(refused)

    assert watcher.ask(look) == 2


@pytest.mark.parametrize(
    "value",
    [None, 1, -(2**63), 2**64 - 1, 1.5, "ü", b"\0", [1, [2]], {"a": {1: None}}, (1, (2, ())), {1, 2}, frozenset({"x"})],
    ids=repr,
)
def test_plain_values_arrive_unchanged(counter, value):
    back = counter.ask(["echo", value])
    assert back == value
    assert type(back) is type(value)


def test_registered_messages_arrive_as_their_class_also_inside_others(counter):
    value = [Point(1, 2), {"add": Add(3)}, (Note("x", Point(4)),), Shutdown("why"), KILLED]
    assert counter.ask(["echo", value]) == value


def test_refs_travel_as_addresses_and_lead_back_home(nodes, counter, watcher):
    a, _b = nodes
    back = counter.ask(["echo", [watcher, a.ref("watcher"), a.ref_to("actorq://c/x"), counter]])
    assert back == [watcher, a.ref("watcher"), RemoteRef(Address("c", "x")), counter]
    assert back[0] is watcher or back[0].id == watcher.id


def test_an_actor_answers_through_the_ref_in_a_message(nodes, counter):
    a, _ = nodes
    listener = a.spawn(Player, name="listener")
    ref = counter.ask(Note("hello", a.ref("listener")))
    wait_until(lambda: listener.ask(["seen"]) == ["got hello"])
    assert isinstance(ref, RemoteRef)
    assert ref.ask(["seen"]) == ["hello"]


def test_python_s_errors_come_back_as_they_are_and_end_the_actor(counter):
    with pytest.raises(ValueError, match="broken") as caught:
        counter.ask(["raise", "value"])
    assert "on node b" in caught.value.__notes__[0]
    with pytest.raises(ActorDead) as dead:
        counter.ask(Add(1))
    assert dead.value.reason == NOPROC


def test_errors_of_unknown_classes_come_back_as_a_remote_error(counter):
    with pytest.raises(RemoteError) as caught:
        counter.ask(["raise", "own"])
    assert caught.value.class_name.endswith("OwnError")
    assert "OwnError: mine" in caught.value.traceback


def test_a_refusal_is_told_and_the_actor_lives(counter):
    with pytest.raises(RemoteError, match="not today"):
        counter.ask(["refuse"])
    assert counter.ask(Add(1)) == 1


def test_an_exit_during_an_ask_tells_its_reason(counter):
    with pytest.raises(ActorDead) as caught:
        counter.ask(["exit", Shutdown("done")])
    assert caught.value.reason == Shutdown("done")


@pytest.mark.parametrize("info", ["\ud800", 2**80, object(), b"x", ["a"]], ids=lambda each: type(each).__name__)
def test_a_reason_that_cannot_travel_arrives_as_its_text(nodes, watcher, info):
    a, b = nodes
    actor = b.spawn(Watcher, name="actor")
    watcher.ask(lambda one: one.monitor(a.ref_to("actorq://b/actor")))
    wait_until(lambda: served(b))
    future = a.ref_to("actorq://b/actor").ask("not to be called", block=False)
    b.exit(actor, Shutdown(info))
    ((_, _, reason),) = wait_heard(watcher)
    assert isinstance(reason, (Shutdown, Crashed))
    with pytest.raises((ActorDead, TypeError)):
        future.get()
    assert a.whereis("gateway").is_alive()
    assert b.whereis("gateway").is_alive()


def test_an_ask_fails_at_once_when_its_actor_ends(nodes, counter):
    future = counter.ask(["hang"], block=False, timeout=30)
    wait_until(nodes[1].actors)
    assert counter.is_alive()
    nodes[1].kill(nodes[1].whereis("counter"))
    with pytest.raises(ActorDead) as caught:
        future.get()
    assert caught.value.reason == KILLED


# -- who and where ---------------------------------------------------------------------------------------------------------


def test_nobody_at_the_address_is_told_from_a_node_that_is_not_there(nodes):
    a, _b = nodes
    with pytest.raises(ActorDead) as nobody:
        a.ref_to("actorq://b/nobody").ask(1)
    with pytest.raises(ActorDead) as nowhere:
        a.ref_to("actorq://nowhere/x").ask(1, timeout=30)
    assert (nobody.value.reason, nowhere.value.reason) == (NOPROC, NOCONNECTION)
    assert not a.ref_to("actorq://b/nobody").is_alive()
    assert not a.ref_to("actorq://nowhere/x").is_alive()


def test_tells_that_reach_nobody_are_dead_letters_where_they_were_lost(nodes):
    a, b = nodes
    a.ref_to("actorq://nowhere/x").tell(Add(1))
    a.ref_to("actorq://b/nobody").tell(Add(1))
    wait_until(lambda: a.dead_letters.count and b.dead_letters.count)
    (here,), (there,) = a.dead_letters.last(), b.dead_letters.last()
    assert (here.message_type, here.reason) == ("Add", "noconnection")
    assert (there.message_type, there.reason) == ("Add", "noproc")
    assert a.dead_letters.by_reason == {"noconnection": 1}


def test_a_ref_of_an_incarnation_never_means_a_later_one(nodes, counter):
    _a, b = nodes
    first = counter.ask(Note("x"))
    assert first.is_alive()
    b.kill(b.whereis("counter"))
    b.spawn(Player, name="counter")
    assert counter.ask(Add(1)) == 1
    assert not first.is_alive()
    with pytest.raises(ActorDead):
        first.ask(Add(1))


def test_a_message_may_wait_for_a_name_on_the_other_node(nodes):
    a, b = nodes
    late = a.ref_to("actorq://b/late", wait_s=10)
    future = late.ask(Add(7), block=False)
    wait_until(lambda: len(b.held) == 1)
    b.spawn(Player, name="late")
    assert future.get() == 7


def test_a_remote_ref_through_no_gateway_says_how_to_make_one():
    system = System("alone")
    ref = system.ref_to("actorq://elsewhere/x")
    for use in (lambda: ref.tell(1), lambda: ref.ask(1), ref.target, ref.is_alive):
        with pytest.raises(NoGateway, match=r"ChildSpec\('gateway', Gateway"):
            use()
    system.shutdown()


def test_a_remote_ref_is_opened_from_a_pickle(nodes, counter):
    packed = pickle.dumps(counter)
    local = open_ref("actorq://b/counter")
    assert pickle.loads(packed) == local  # node b lives in this process
    assert pickle.loads(pickle.dumps(RemoteRef(Address("c", "x"), wait_s=2))).wait_s == 2


def test_a_remote_ref_has_no_proxy(counter):
    with pytest.raises(TypeError, match="expected a local actor"):
        counter.proxy()


def test_a_name_that_lives_is_not_given_to_another_system(nodes, tmp_path):
    other = System("a")
    with pytest.raises(ConfigError, match="the node name 'a' to be free"):
        other.spawn(Gateway, folder=tmp_path / "nodes")
    other.shutdown()


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    system = System("x")
    with pytest.raises(ConfigError, match="expected a private folder"):
        system.spawn(Gateway, folder=tmp_path / "link")
    system.shutdown()


def test_folder_socket_and_entry_are_private_and_gone_at_the_end(make_node, tmp_path):
    system = make_node("short")
    folder = tmp_path / "nodes"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in folder.glob("*.node")] == [0o600]
    system.shutdown()
    assert list(folder.glob("*.node")) == []
    assert list(folder.glob("*.sock")) == []


# -- what may be said ------------------------------------------------------------------------------------------------------


def test_a_class_that_is_not_registered_is_refused_to_the_asker_and_harms_nobody(nodes, counter):
    with pytest.raises(DecodeError, match=r"pickle=True to the one that receives it"):
        counter.ask(Stranger("x"))
    counter.tell(Stranger("y"))
    assert counter.ask(Add(1)) == 1
    assert nodes[1].dead_letters.by_reason == {"refused": 1}


def test_a_class_that_only_the_sender_knows_is_refused_by_its_name(make_node):
    a, b = make_node("a", messages=[Add, Stranger]), make_node("b")
    b.spawn(Player, name="counter")
    with pytest.raises(DecodeError, match=r"registered on node 'b', got tests\.unit\.transport\.players\.Stranger"):
        a.ref_to("actorq://b/counter").ask(Stranger("x"))


def test_a_receiver_that_allows_pickle_takes_any_class(make_node):
    a, b = make_node("a", pickle=True), make_node("b", pickle=True)
    b.spawn(Player, name="counter")
    assert a.ref_to("actorq://b/counter").ask(["echo", Stranger("x")]) == Stranger("x")


def test_what_the_message_class_itself_refuses_is_refused(make_node):
    a, b = make_node("a"), make_node("b")
    b.spawn(Player, name="counter")
    bad = object.__new__(Strict)
    object.__setattr__(bad, "amount", -1)
    with pytest.raises(DecodeError, match="0 or more"):
        a.ref_to("actorq://b/counter").ask(bad)


def test_what_cannot_travel_is_the_sender_s_error_at_once(counter):
    with pytest.raises(EncodeError):
        counter.tell(_ for _ in ())
    with pytest.raises(EncodeError):
        counter.ask({"lock": __import__("threading").Lock()})


def test_a_message_beyond_the_limit_is_the_sender_s_error(make_node):
    a, b = make_node("a", max_message_bytes=10_000), make_node("b", max_message_bytes=1_000)
    b.spawn(Player, name="counter")
    ref = a.ref_to("actorq://b/counter")
    with pytest.raises(EncodeError, match="at most 10000 bytes"):
        ref.ask(b"x" * 20_000)
    with pytest.raises(EncodeError, match="at most 1000 bytes, as b takes them"):
        ref.ask(b"x" * 5_000)
    assert ref.ask(Add(1)) == 1


def test_an_answer_beyond_the_asker_s_limit_is_an_error(make_node):
    a, b = make_node("a", max_message_bytes=1_000), make_node("b")
    b.spawn(Player, name="counter")
    ref = a.ref_to("actorq://b/counter")
    ref.tell("x" * 900)
    ref.tell("x" * 900)
    with pytest.raises(EncodeError, match="an answer of at most 1000 bytes"):
        ref.ask(["seen"])


@pytest.mark.parametrize("bad", [str, object, Player])
def test_only_frozen_dataclasses_and_structs_are_messages(tmp_path, bad):
    system = System("x")
    with pytest.raises(TypeError, match="frozen dataclasses or msgspec Structs"):
        system.spawn(Gateway, folder=tmp_path / "n", messages=[bad])
    system.shutdown()


# -- monitors and links ----------------------------------------------------------------------------------------------------


def test_a_monitor_tells_the_real_reason_and_the_ref_it_was_given(nodes, counter, watcher):
    watcher.ask(lambda actor: actor.monitor(counter))
    watcher.ask(lambda actor: actor.monitor(counter))
    with pytest.raises(ValueError, match="broken"):
        counter.ask(["raise", "value"])
    (kind, ref, reason), again = wait_heard(watcher, 2)
    assert (kind, ref, type(reason), reason.class_name) == ("down", counter, Crashed, "ValueError")
    assert again == (kind, ref, reason)


@pytest.mark.parametrize(("text", "reason"), [("actorq://b/nobody", NOPROC), ("actorq://nowhere/x", NOCONNECTION)])
def test_monitoring_and_linking_to_who_is_not_there_is_told(nodes, watcher, text, reason):
    ref = nodes[0].ref_to(text)
    watcher.ask(bind_to(ref))
    assert sorted(wait_heard(watcher, 2), key=str) == [("down", ref, reason), ("exit", ref, reason)]


def test_nothing_arrives_after_demonitor_returned(nodes, counter, watcher):
    def swap(actor):
        actor.demonitor(actor.monitor(counter))

    for _ in range(50):
        watcher.ask(swap)
    monitored = watcher.ask(lambda actor: actor.monitor(counter))
    nodes[1].kill(nodes[1].whereis("counter"))
    wait_until(lambda: not counter.is_alive())
    watcher.ask(lambda actor: actor.demonitor(monitored))
    count = len(heard(watcher))
    assert count <= 1
    assert len(heard(watcher)) == count


def test_a_name_can_be_monitored_again_after_its_bearer_ended(nodes, counter, watcher):
    for round_ in (1, 2, 3):
        watcher.ask(lambda actor: actor.monitor(counter))
        wait_until(lambda: served(nodes[1]) == 1)
        nodes[1].kill(nodes[1].whereis("counter"))
        assert len(wait_heard(watcher, round_)) == round_
        nodes[1].spawn(Player, name="counter")


def served(system):
    return sum(len(peer.served) for peer in system.whereis("gateway").cell.actor._peers.values())


def watching(system):
    return sum(len(peer.keys) for peer in system.whereis("gateway").cell.actor._peers.values())


def test_a_link_brings_the_end_of_the_remote_actor(nodes, counter, watcher):
    watcher.ask(lambda actor: actor.link(counter))
    wait_until(lambda: served(nodes[1]))
    nodes[1].kill(nodes[1].whereis("counter"))
    assert wait_heard(watcher) == [("exit", counter, KILLED)]


def test_a_link_takes_the_end_of_the_local_actor_to_the_remote_one(nodes, counter):
    a, b = nodes
    linked = a.spawn(Watcher)
    linked.ask(lambda actor: actor.link(counter))
    remote = b.whereis("counter")
    a.kill(linked)
    assert b.wait_down(remote) == KILLED


def test_the_end_that_follows_the_link_at_once_keeps_its_reason(nodes):
    a, b = nodes
    remote = b.spawn(Watcher, name="remote")
    for reason in (SHUTDOWN, NORMAL, Shutdown("x")):
        local = a.spawn(Trusting)

        def link_and_leave(actor, reason=reason):
            actor.link(a.ref_to("actorq://b/remote"))
            actor._cell.end(reason)

        local.tell(link_and_leave)
        a.wait_down(local)
    assert [reason for _, _, reason in wait_heard(remote, 3)] == [SHUTDOWN, NORMAL, Shutdown("x")]
    assert [ref.address.node for _, ref, _ in heard(remote)] == ["a"] * 3


def test_a_normal_end_does_not_end_the_linked_actor_elsewhere(nodes, counter):
    a, b = nodes
    local = a.spawn(Trusting)
    local.ask(lambda actor: actor.link(counter))
    wait_until(lambda: b.whereis("counter").cell.links)
    local.tell(lambda actor: actor._cell.end(NORMAL))
    a.wait_down(local)
    wait_until(lambda: not b.whereis("counter").cell.links)
    assert counter.ask(Add(1)) == 1


def test_unlink_parts_both_sides_whoever_does_it(nodes):
    a, b = nodes
    local, remote = a.spawn(Watcher, name="local"), b.spawn(Watcher, name="remote")
    there, back = a.ref_to("actorq://b/remote"), b.ref_to(str(local.address))
    local.ask(lambda actor: actor.link(there))
    wait_until(lambda: remote.cell.links)
    remote.ask(lambda actor: actor.unlink(back))
    wait_until(lambda: not local.cell.links)
    local.ask(lambda actor: actor.link(there))
    wait_until(lambda: remote.cell.links)
    local.ask(lambda actor: actor.unlink(there))
    wait_until(lambda: not remote.cell.links)
    wait_until(lambda: not (served(a) or served(b) or watching(a) or watching(b)))
    a.kill(local)
    assert there.is_alive()
    assert heard(remote) == []


def test_nobody_is_watched_any_more_when_those_who_cared_have_ended(nodes, counter):
    a, b = nodes
    local = a.spawn(Watcher)
    local.ask(bind_to(counter))
    wait_until(lambda: served(b) == 1 and served(a) == 1)
    local.tell(lambda actor: actor._cell.end(NORMAL))
    wait_until(lambda: not (served(a) or served(b) or watching(a) or watching(b)))


def test_an_exit_signal_reaches_a_remote_actor(nodes, counter, watcher):
    remote = nodes[1].whereis("counter")
    watcher.ask(lambda actor: actor.exit(counter, Shutdown("please")))
    assert nodes[1].wait_down(remote) == Shutdown("please")
    other = nodes[1].spawn(Watcher, name="other")
    watcher.ask(lambda actor: actor.exit(nodes[0].ref_to("actorq://b/other"), KILL))
    assert nodes[1].wait_down(other) == KILLED


# -- gateways that end -----------------------------------------------------------------------------------------------------


def test_the_end_of_a_node_is_told_to_everybody_who_counted_on_it(make_node):
    a, b = make_node("a"), make_node("b")
    b.spawn(Player, name="counter")
    ref, watcher = a.ref_to("actorq://b/counter"), a.spawn(Watcher)
    watcher.ask(bind_to(ref))
    waiting = ref.ask(["hang"], block=False, timeout=30)
    assert ref.ask(Add(1)) == 1
    b.kill(b.whereis("gateway"))
    with pytest.raises(ActorDead) as caught:
        waiting.get()
    assert caught.value.reason == NOCONNECTION
    assert sorted(wait_heard(watcher, 2), key=str) == [("down", ref, NOCONNECTION), ("exit", ref, NOCONNECTION)]


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_gateway_that_comes_back_serves_again_and_lets_nobody_wait(nodes, tmp_path, how):
    a, b = nodes
    system = System("c")
    specs = [
        ChildSpec("gateway", Gateway, kwargs={"folder": tmp_path / "nodes", "messages": [Add]}, name="gateway"),
        ChildSpec("counter", Player, name="counter"),
    ]
    system.spawn(Supervisor, specs, strategy="one_for_one", intensity=100, period_s=10.0)
    b.spawn(Player, name="counter")
    outward, inward = system.ref_to("actorq://b/counter"), a.ref_to("actorq://c/counter")
    for _ in range(5):
        wait_until(lambda: (ref := system.whereis("gateway")) is not None and ref.cell.booted)
        assert outward.ask(Add(0), timeout=10) == 0
        assert inward.ask(Add(0), timeout=10) == 0
        asks = [ref.ask(["hang"], block=False, timeout=30) for ref in (outward, inward)]
        end = system.kill if how == "kill" else system.exit
        end(living(system, "gateway"))
        for ask in asks:
            with pytest.raises(ActorDead) as caught:
                ask.get()
            assert caught.value.reason == NOCONNECTION
    system.shutdown()


def test_a_gateway_leaves_no_thread_and_no_descriptor_behind(make_node, tmp_path):
    import os
    import threading

    other = make_node("b")
    other.spawn(Player, name="counter")

    def round_trip():
        system = System("a")
        system.spawn(Gateway, folder=tmp_path / "nodes", messages=[Add], name="gateway")
        assert system.ref_to("actorq://b/counter").ask(Add(0), timeout=10) == 0
        system.kill(living(system, "gateway"))
        system.shutdown()

    def counted():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    round_trip()
    wait_until(lambda: len(other.whereis("gateway").cell.actor._by_route) == 0)
    threads, fds = counted()
    for _ in range(20):
        round_trip()
    wait_until(lambda: counted()[0] <= threads and counted()[1] <= fds + 3, what=f"{counted()} to be {threads}, {fds}")


def test_a_flood_of_tells_is_bounded_and_the_asks_go_on(nodes):
    from actorq.actors import MailboxFull

    a, b = nodes
    b.spawn(Player, name="counter")
    ref = a.ref_to("actorq://b/counter")
    full = 0
    started = time.monotonic()
    for number in range(60_000):
        try:
            ref.tell(number)
        except MailboxFull:
            full += 1
            if full > 1_000:
                break
            time.sleep(0.0005)
    assert time.monotonic() - started < 60
    assert ref.ask(Add(1), timeout=30) == 1
