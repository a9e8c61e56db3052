"""Nodes in processes of their own, which are killed, stopped and started again."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actorq.actors import ActorDead, RemoteRef, System
from actorq.messages.reasons import NOCONNECTION
from actorq.testing.wait import wait_until
from actorq.transport.gateway import Gateway
from tests.integration.transport.remote_node import POLICY
from tests.unit.transport.players import MESSAGES, Add, Note, Player, Trusting, Watcher

ROOT = Path(__file__).resolve().parents[3]


class Node:
    """One process; `name` is its node's."""

    def __init__(self, name, folder):
        command = [sys.executable, "-m", "tests.integration.transport.remote_node", name, str(folder)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        assert self.stdout.readline() == "ready\n"

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        self.stdin.close()
        self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        self.stdin.close()
        self.stdout.close()


@pytest.fixture
def start(tmp_path):
    nodes = []

    def start(name):
        nodes.append(Node(name, tmp_path / "n"))
        return nodes[-1]

    yield start
    for node in nodes:
        node.close()


@pytest.fixture
def here(tmp_path):
    system = System("here")
    system.spawn(Gateway, folder=tmp_path / "n", messages=MESSAGES, heartbeat=POLICY, name="gateway")
    yield system
    system.shutdown()


@pytest.fixture
def watcher(here):
    return here.spawn(Watcher, name="watcher")


def heard(watcher):
    return watcher.ask(lambda actor: list(actor.heard))


def wait_heard(watcher, count=1, timeout_s=10.0):
    wait_until(lambda: len(heard(watcher)) >= count, timeout_s)
    return heard(watcher)


def bind_to(ref):
    def bind(actor):
        actor.monitor(ref)
        actor.link(ref)

    return bind


def facts(system):
    return system.whereis("gateway").cell.actor.describe()


def test_asks_and_tells_cross_processes(here, start):
    node = start("there")
    assert here.ref_to("actorq://there/butler").ask(["pid"]) == node.process.pid
    counter = here.ref_to("actorq://there/counter")
    for number in range(500):
        counter.tell(number)
    assert counter.ask(["seen"]) == list(range(500))


def test_refs_go_through_three_processes_and_lead_home(here, start):
    start("one"), start("two")
    listener = here.spawn(Player, name="listener")
    relay = here.ref_to("actorq://one/counter").ask(["echo", here.ref_to("actorq://two/counter")])
    assert relay == RemoteRef(relay.address)
    relay.ask(Note("hello", here.ref("listener")))
    wait_until(lambda: listener.ask(["seen"]) == ["got hello"])


def test_a_pickled_ref_is_remote_where_its_node_does_not_live(here, start):
    start("there")
    ref = here.ref_to("actorq://there/counter").ask(Note("x"))
    assert not ref.address.is_name
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert pickle.loads(pickle.dumps(ref)).ask(Add(2)) == 2


def test_the_kill_of_a_process_is_told_to_all_who_counted_on_it(here, start, watcher):
    node = start("there")
    counter = here.ref_to("actorq://there/counter")
    watcher.ask(bind_to(counter))
    waiting = counter.ask(["hang"], block=False, timeout=60)
    assert counter.ask(Add(1)) == 1
    node.kill()
    with pytest.raises(ActorDead) as caught:
        waiting.get()
    assert caught.value.reason == NOCONNECTION
    assert {kind: reason for kind, _, reason in wait_heard(watcher, 2)} == {"down": NOCONNECTION, "exit": NOCONNECTION}
    with pytest.raises(ActorDead):
        counter.ask(Add(1))


def test_a_node_that_ends_in_good_order_says_so(here, start, watcher):
    node = start("there")
    counter = here.ref_to("actorq://there/counter")
    watcher.ask(lambda actor: actor.monitor(counter))
    assert counter.ask(Add(1)) == 1
    node.end()
    ((kind, ref, _),) = wait_heard(watcher)
    assert (kind, ref) == ("down", counter)


def test_a_process_that_is_started_again_serves_its_names_but_not_its_former_actors(here, start):
    first = start("there")
    counter = here.ref_to("actorq://there/counter")
    incarnation = counter.ask(Note("x"))
    assert incarnation.ask(Add(4)) == 4
    for _ in range(2):
        first.kill()
        first = start("there")
        wait_until(counter.is_alive, 10)
        assert counter.ask(Add(1)) == 1
        assert not incarnation.is_alive()
        with pytest.raises(ActorDead):
            incarnation.ask(Add(1))


def test_a_stopped_process_is_declared_dead_and_fenced_when_it_goes_on(here, start, watcher):
    node = start("there")
    counter, butler = here.ref_to("actorq://there/counter"), here.ref_to("actorq://there/butler")
    local = here.spawn(Trusting, name="local")
    butler.ask(["link", "linked", local])  # an actor there links to one of ours
    wait_until(lambda: local.cell.links)
    watcher.ask(lambda actor: actor.monitor(counter))
    assert counter.ask(Add(1)) == 1
    node.signal(signal.SIGSTOP)
    started = time.monotonic()
    assert [reason for *_, reason in wait_heard(watcher)] == [NOCONNECTION]
    assert time.monotonic() - started > POLICY.dead_s / 2
    assert here.wait_down(local) == NOCONNECTION
    node.signal(signal.SIGCONT)
    wait_until(counter.is_alive, 10)
    assert counter.ask(Add(1)) == 2  # the same actor, in a new conversation
    wait_until(lambda: not butler.ask(["alive", "linked"]), 10)  # it has heard that the conversation was lost, too
    assert len(heard(watcher)) == 1


def test_nothing_is_sent_while_nobody_is_interested(here, start, watcher):
    start("there")
    counter = here.ref_to("actorq://there/counter")
    watcher.ask(lambda actor: actor.ids.append(actor.monitor(counter)))
    gateway = here.whereis("gateway").cell.actor
    wait_until(lambda: gateway._timer is not None)
    watcher.ask(lambda actor: actor.demonitor(actor.ids.pop()))
    wait_until(lambda: gateway._timer is None)
    assert counter.ask(Add(1)) == 1


def test_a_gateway_that_is_killed_over_there_in_the_middle_of_asks_comes_back(here, start):
    start("there")
    counter, butler = here.ref_to("actorq://there/counter"), here.ref_to("actorq://there/butler")
    for _ in range(5):
        wait_until(butler.is_alive, 10)
        waiting = counter.ask(["hang"], block=False, timeout=60)
        butler.tell(["kill", "gateway"])
        with pytest.raises(ActorDead) as caught:
            waiting.get()
        assert caught.value.reason == NOCONNECTION
    wait_until(butler.is_alive, 10)
    assert butler.ask(["alive", "gateway"])


def test_a_flood_to_a_process_that_is_stopped_stays_bounded(here, start):
    from actorq.errors import MailboxFull

    node = start("there")
    counter = here.ref_to("actorq://there/counter")
    assert counter.ask(Add(1)) == 1
    node.signal(signal.SIGSTOP)
    with pytest.raises(MailboxFull, match="the way to node there is full"):
        for _ in range(2_000_000):
            counter.tell("x" * 1_000)
    node.signal(signal.SIGCONT)
    wait_until(counter.is_alive, 20)
    assert counter.ask(Add(1), timeout=20) == 2
