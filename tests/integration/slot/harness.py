"""A node and a broker in a few lines, around real zygotes and real slots."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import msgspec
import zmq

from actorq.codec import encode_body
from actorq.messages.task import Delivery, TaskMessage
from actorq.messages.wire import DONE, HELLO, PROTOCOL, RETIRE, TASKS, WELCOME, Done, Hello, Rendezvous, Tasks, Welcome
from actorq.slot.line_view import LineView
from actorq.slot.orders import SlotOptions
from actorq.slot.process import kill_group, reap
from actorq.slot.zygote_process import SlotStarted, ZygoteProcess
from actorq.testing.wait import wait_until
from actorq.transport.rendezvous import write_rendezvous

APP = "slot_tasks:app"
HERE = str(Path(__file__).parent)
ENVIRON = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH"))))}

_names = (f"s{number}" for number in itertools.count(1))
_tokens = itertools.count(1)


class FakeBroker:
    """A ROUTER that remembers what it heard. `pump` handles what has come, and never waits."""

    def __init__(self, home, epoch=1):
        self.home, self.epoch = home, epoch
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        endpoint = home.endpoint(epoch)
        self.router.bind(endpoint)
        self.peers, self.hellos, self.frames, self.reports = {}, [], [], {}
        self.committed = {}
        self.turn_away = ""
        write_rendezvous(home, Rendezvous(PROTOCOL, epoch, endpoint, os.getpid(), "n"))

    def pump(self):
        while self.router.poll(0):
            peer, frame = self.router.recv_multipart()
            self.frames.append(frame)
            if frame[:1] == HELLO:
                hello = msgspec.msgpack.decode(frame[1:], type=Hello)
                self.hellos.append(hello)
                self.peers[hello.name] = peer
                self.router.send_multipart(
                    [peer, WELCOME + _encode(Welcome(PROTOCOL, self.epoch, error=self.turn_away))]
                )
            elif frame[:1] == DONE:
                done = msgspec.msgpack.decode(frame[1:], type=Done)
                name = next(name for name, each in self.peers.items() if each == peer)
                self.reports.setdefault(name, {}).update(enumerate(done.reports, done.first))

    def knows(self, name):
        self.pump()
        return name in self.peers

    def send(self, name, deliveries=(), settled=0):
        self.router.send_multipart([self.peers[name], TASKS + _encode(Tasks(settled, list(deliveries)))])

    def retire(self, name):
        self.router.send_multipart([self.peers[name], RETIRE])

    def heard(self, name):
        """Return the reports of a slot by sequence number."""
        self.pump()
        return self.reports.get(name, {})

    def wait_for(self, name, count):
        wait_until(lambda: len(self.heard(name)) >= count, 20, f"{count} reports of {name}")
        return [report for _, report in sorted(self.heard(name).items())]

    def close(self):
        self.router.close()
        self.context.term()


def make(task, *args, key=None, codec_id=0, flags=0, **fields):
    """Return a delivery with the next token; its key is the same number unless given."""
    token = next(_tokens)
    message = TaskMessage(token, task, encode_body(args, {}, codec_id), codec_id, flags=flags, **fields)
    return Delivery(token if key is None else key, token, 0, 7, message)


def new_name():
    return next(_names)


def _encode(value):
    return msgspec.msgpack.encode(value)


class Node:
    """Starts slots through one zygote and reaps what it started."""

    def __init__(self, home, app=APP, *, fresh=False):
        self.home = home
        self.slots = {}
        self.replies = []
        self.zygote = ZygoteProcess(app, fresh=fresh, environ=ENVIRON)
        self.zygote.start()

    def pump(self):
        for reply in self.zygote.read_replies():
            self.replies.append(reply)
            if isinstance(reply, SlotStarted):
                self.slots[reply.name] = reply

    def first(self, kind):
        """Wait for a reply of that kind and return it."""

        def found():
            self.pump()
            return [reply for reply in self.replies if isinstance(reply, kind)]

        wait_until(found, 20, f"a reply of {kind}, got {self.replies}")
        return found()[0]

    def order(self, name=None):
        name = name or new_name()
        self.zygote.request_slot(SlotOptions(name, str(self.home.path), str(self.home.runtime), "n"))
        return name

    def start_slot(self, broker, name=None):
        """Start a slot and wait until it has said hello."""
        name = self.order(name)

        def ready():
            self.pump()
            return name in self.slots and broker.knows(name)

        wait_until(ready, 20, f"the hello of {name}, got {self.replies}")
        return name

    def line(self, name):
        view = LineView.attach(self.home.lines / f"{name}.line")
        assert view is not None
        return view

    def wait_dead(self, name):
        """Wait for the end of a slot and return its cause."""
        cause, pidfd = None, self.slots[name].pidfd

        def is_dead():
            nonlocal cause
            cause = reap(pidfd)
            return cause is not None

        wait_until(is_dead, 10, f"the end of {name}")
        os.close(pidfd)
        kill_group(self.slots.pop(name).pid)
        return cause

    def kill(self, name, number=signal.SIGKILL):
        os.kill(self.slots[name].pid, number)

    def close(self):
        self.zygote.close()
        for name in list(self.slots):
            self.kill(name)
            self.wait_dead(name)
