"""A broker for tests of the client: a ROUTER in a thread that keeps what it took in plain dictionaries.

It runs no task code; `answer` makes the result of each task from its message. What it took outlives a restart, as a store
would; `hold` makes it slow, silent or refusing at the points where a real one can be.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Self

import msgspec
import zmq

from actorq.codec import decode_body, encode_result
from actorq.messages import wire
from actorq.messages.ids import format_task_id, parse_task_id
from actorq.messages.states import NAMES, NUMBERS, SUCCESS
from actorq.messages.task import ResultRecord, TaskMessage
from actorq.transport.rendezvous import remove_rendezvous, write_rendezvous

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.transport.paths import Home

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.decode

AHEAD_OF_OTHERS = 20  # how far behind a task without a result it looks for those that have one


def add_up(message: TaskMessage) -> ResultRecord | None:
    """What the tests' task `add(x, y=1)` returns; anything else gets the sum of its arguments, too."""
    args, _ = decode_body(message.codec_id, message.body)
    codec_id, payload = encode_result(sum(args) + (len(args) == 1))
    return ResultRecord(message.number, NUMBERS[SUCCESS], payload, codec_id)


def never(_: TaskMessage) -> ResultRecord | None:
    """No result: the task runs for ever."""
    return None


class FakeStore:
    """What survives a restart of the fake broker."""

    def __init__(self) -> None:
        self.taken: dict[int, int] = {}  # outbox id → highest number
        self.tasks: dict[tuple[int, int], TaskMessage] = {}
        self.results: dict[tuple[int, int], ResultRecord] = {}
        self.duplicates = 0
        self.epoch = 0


class FakeBroker:
    """Runs from `with` to its end, or to `stop`."""

    def __init__(
        self,
        home: Home,
        store: FakeStore | None = None,
        answer: Callable[[TaskMessage], ResultRecord | None] = add_up,
    ) -> None:
        self.home, self.store, self.answer = home.create(), store or FakeStore(), answer
        self.confirms = True  # False: takes tasks, but says nothing
        self.takes = True  # False: the tasks are lost on the way, as if the broker died with them
        self.refuses: tuple[str, str, float] | None = None
        self.deaf = 0  # so many HELLOs go unanswered
        self.pushes = True  # False: results are there, but aren't pushed
        self.mute = False  # True: takes questions, but doesn't answer them
        self.frames: list[tuple[bytes, Any]] = []  # (kind, value) of everything that came
        self.helloes: list[wire.Hello] = []
        self._peers: dict[bytes, int] = {}  # routing id → outbox id
        self._watches: list[tuple[bytes, int, int, int, set[int]]] = []
        self._foreign: list[tuple[bytes, str]] = []
        self._stopping = threading.Event()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-broker", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.store.epoch += 1
        self.epoch = self.store.epoch
        self._thread.start()
        assert self._ready.wait(5)

    def stop(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            os.eventfd_write(self._wake, 1)
            self._thread.join(5)
            os.close(self._wake)

    def poke(self) -> None:
        """Look again at what was held back."""
        os.eventfd_write(self._wake, 1)

    def count(self, kind: bytes) -> int:
        return sum(1 for found, _ in list(self.frames) if found == kind)

    def _run(self) -> None:
        context = zmq.Context()
        self._socket = socket = context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        endpoint = self.home.endpoint(self.epoch)
        socket.bind(endpoint)
        write_rendezvous(self.home, wire.Rendezvous(wire.PROTOCOL, self.epoch, endpoint, os.getpid(), "fake"))
        self._ready.set()
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll())
            if self._wake in ready:
                os.read(self._wake, 8)
                self._push_all()
            if socket in ready:
                self._take_frame(*socket.recv_multipart())
        remove_rendezvous(self.home, self.epoch)
        socket.close(0)
        context.term()

    def _send(self, peer: bytes, kind: bytes, value: Any) -> None:
        self._socket.send_multipart([peer, kind + encode(value)])

    def _take_frame(self, peer: bytes, frame: bytes) -> None:
        kind, body = frame[:1], frame[1:]
        if kind == wire.HELLO:
            hello = decode(body, type=wire.Hello)
            self.helloes.append(hello)
            if self.deaf:
                self.deaf -= 1
                return
            self._peers[peer] = hello.outbox_id
            taken = self.store.taken[hello.outbox_id] = max(self.store.taken.get(hello.outbox_id, 0), hello.first - 1)
            self._send(peer, wire.WELCOME, wire.Welcome(wire.PROTOCOL, self.epoch, taken, 1))
        elif kind == wire.PUT:
            put = decode(body, type=wire.Put)
            self.frames.append((kind, put))
            self._put(peer, put.messages)
        elif kind == wire.WATCH:
            watch = decode(body, type=wire.Watch)
            self.frames.append((kind, watch))
            if watch.low <= watch.high:
                self._watches.append((peer, self._peers[peer], watch.low, watch.high, set()))
            self._foreign.extend((peer, task_id) for task_id in watch.ids)
            self._push_all()
        elif kind == wire.ASK:
            ask = decode(body, type=wire.Ask)
            self.frames.append((kind, ask))
            if not self.mute:
                self._answer(peer, ask)
        else:
            self.frames.append((kind, None))

    def _put(self, peer: bytes, messages: list[TaskMessage]) -> None:
        outbox = self._peers[peer]
        taken = self.store.taken.get(outbox, 0)
        if not self.takes:
            return
        if self.refuses:
            self._send(peer, wire.REFUSED, wire.Refused(messages[0].number, *self.refuses))
            return
        if messages[0].number > taken + 1:
            self._send(peer, wire.REFUSED, wire.Refused(taken + 1, "Gap", "", 0.0))
            return
        for message in messages:
            if message.number <= taken:
                self.store.duplicates += 1
                continue
            assert message.number == taken + 1
            taken = message.number
            self.store.tasks[outbox, taken] = message
            record = self.answer(message)
            if record is not None:
                self.store.results[outbox, taken] = record
        self.store.taken[outbox] = taken
        if self.confirms:
            self._send(peer, wire.CONFIRM, wire.Confirm(taken))
        self._push_all()

    def _push_all(self) -> None:
        if not self.pushes:
            return
        results, rest = self.store.results, []
        for peer, outbox, first, high, ahead in self._watches:
            found, low = [], first
            while low <= high and (record := results.get((outbox, low))) is not None:
                if low not in ahead:
                    found.append(record)
                low += 1
            for number in range(low, min(high, low + AHEAD_OF_OTHERS) + 1):
                if number not in ahead and (record := results.get((outbox, number))) is not None:
                    ahead.add(number)
                    found.append(record)
            if found:
                self._send(peer, wire.RESULTS, wire.Results(found))
            if low <= high:
                rest.append((peer, outbox, low, high, ahead))
        self._watches = rest
        for peer, task_id in list(self._foreign):
            key = self._find(task_id)
            if key is not None and key in results:
                self._foreign.remove((peer, task_id))
                self._send(peer, wire.RESULTS, wire.Results([], [(task_id, results[key])]))

    def _find(self, task_id: str) -> tuple[int, int] | None:
        parsed = parse_task_id(task_id)
        if parsed in self.store.tasks:
            return parsed
        for key, message in self.store.tasks.items():
            if message.alias == task_id:
                return key
        return None

    def _answer(self, peer: bytes, ask: wire.Ask) -> None:
        if ask.command == "task_state":
            data: dict[str, Any] = {task_id: {"state": self._state(task_id)} for task_id in ask.arguments["ids"]}
        elif ask.command == "task_facts":
            queued = {"where": "window", "queue": "default", "priority": 0, "takers": 1, "free": 1, "ahead": 0}
            data = {"state": self._state(ask.arguments["id"]), **queued}
        elif ask.command == "forget":
            keys = [self._find(task_id) for task_id in ask.arguments["ids"]]
            for key in keys:
                if key is not None:
                    self.store.results.pop(key, None)
                    self.store.tasks.pop(key, None)
            data = {"forgotten": len(keys)}
        else:
            self._send(peer, wire.ANSWER, wire.Answer(ask.request, error=f"no command {ask.command}"))
            return
        self._send(peer, wire.ANSWER, wire.Answer(ask.request, data))

    def _state(self, task_id: str) -> str:
        key = self._find(task_id)
        if key is None:
            return "UNKNOWN"
        record = self.store.results.get(key)
        return "PENDING" if record is None else NAMES[record.state]


def ids_of(store: FakeStore) -> list[str]:
    """The ids of all tasks that were taken, in order."""
    return [format_task_id(*key) for key in sorted(store.tasks)]
