"""Whatever the bytes are: a gateway refuses them, drops who sent them, and goes on."""

from __future__ import annotations

import itertools
import os
import random
from typing import Any

import msgspec
import pytest
import zmq
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from actorq.actors import System
from actorq.errors import DecodeError, EncodeError
from actorq.messages.reasons import KILLED, Crashed, Shutdown
from actorq.testing.wait import wait_until
from actorq.transport import envelope
from actorq.transport.directory import Directory
from actorq.transport.vocabulary import Vocabulary
from tests.unit.transport.players import MESSAGES, Add, Note, Player, Point

SEED = 20_240_611
GOOD: list[envelope.Item] = [
    envelope.Tell("actorq://b/counter", b"\0\x01"),
    envelope.Ask(7, "actorq://b/counter", b"\0\x01", 0.5),
    envelope.Alive(8, "actorq://b/counter"),
    envelope.Answer(9, b"\0\x01"),
    envelope.Failure(9, b"nonsense"),
    envelope.Dead(9, KILLED),
    envelope.Watch(3, "actorq://b/counter"),
    envelope.Watched(3, "actorq://b/counter"),
    envelope.Unwatch(3),
    envelope.Down(3, Crashed("E", "m", "t")),
    envelope.Link(3, "actorq://evil/x#0123456789abcdef.1", -4),
    envelope.Unlink(3, "actorq://evil/x#0123456789abcdef.1"),
    envelope.Exit("actorq://evil/x", "actorq://b/nobody", Shutdown("x")),
]


def mutate(frame, random_):
    changed = bytearray(frame)
    for _ in range(random_.randint(1, 6)):
        where = random_.randrange(len(changed))
        match random_.randrange(3):
            case 0:
                changed[where] = random_.randrange(256)
            case 1:
                del changed[where:]
                changed += b"\x00"
            case _:
                changed[where:where] = random_.randbytes(random_.randint(1, 8))
    return bytes(changed)


class Evil:
    """Behaves like a gateway named `evil` as far as the handshake goes, and then doesn't."""

    def __init__(self, folder):
        self.context = zmq.Context()
        self.directory = Directory(folder)
        self.entry = self.directory.claim("evil", os.urandom(8).hex(), os.urandom(8).hex())
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(self.entry.endpoint)
        self.directory.publish(self.entry)
        self.dealer: Any = None
        self.serials = itertools.count(1)

    def connect(self, target):
        """Shake hands with `target`, and return when it is up."""
        if self.dealer is not None:
            self.dealer.close(linger=0)
        self.dealer = self.context.socket(zmq.DEALER)
        self.dealer.connect(self.endpoint_of(target))
        serial, echo = next(self.serials), 0
        self.hello(serial, echo)
        while True:
            assert self.router.poll(5_000), "no hello came back"
            _, frame = self.router.recv_multipart()
            if frame[:1] == envelope.HELLO and envelope.decode_hello(frame).echo == serial:
                self.hello(serial, envelope.decode_hello(frame).serial)
                return

    def endpoint_of(self, node):
        entry = self.directory.find(node)
        assert entry is not None
        return entry.endpoint

    def hello(self, serial, echo):
        hello = envelope.Hello(envelope.PROTOCOL, "evil", self.entry.boot, serial, echo, 1_000_000)
        self.dealer.send(envelope.encode_hello(hello))

    def is_fenced(self):
        return bool(self.dealer.poll(0)) and self.dealer.recv() == envelope.FENCED

    def close(self):
        self.directory.withdraw(self.entry)
        if self.dealer is not None:
            self.dealer.close(linger=0)
        self.router.close(linger=0)
        self.context.term()


@pytest.fixture
def target(make_node):
    system = make_node("b")
    system.spawn(Player, name="counter")
    return system


@pytest.fixture
def evil(target, tmp_path):
    evil = Evil(tmp_path / "nodes")
    yield evil
    evil.close()


def test_frames_of_strangers_are_dropped_and_answered_as_fenced(target, evil):
    gateway = target.whereis("gateway")
    random_ = random.Random(SEED)
    evil.dealer = evil.context.socket(zmq.DEALER)
    evil.dealer.connect(evil.endpoint_of("b"))
    for _ in range(500):
        evil.dealer.send_multipart([random_.randbytes(random_.randint(0, 80)) for _ in range(random_.randint(1, 3))])
    evil.dealer.send(envelope.encode_items([envelope.Tell("actorq://b/counter", b"\0\x07")]))
    wait_until(evil.is_fenced)
    assert target.ref("counter").ask(["seen"]) == []
    assert target.whereis("gateway") == gateway


def test_a_gateway_outlives_mutated_frames_of_a_peer_and_says_so_seldom(make_node, target, evil):
    gateway = target.whereis("gateway")
    friend = make_node("a").ref_to("actorq://b/counter")
    assert friend.ask(Add(1)) == 1
    random_ = random.Random(SEED)
    frames = [envelope.encode_items([item]) for item in GOOD] + [envelope.encode_items(GOOD)]
    with capture_logs() as logs:
        for _ in range(60):
            evil.connect("b")
            for _ in range(20):
                evil.dealer.send(mutate(random_.choice(frames), random_))
        evil.dealer.send(envelope.DATA + b"\xc1")  # never valid
        wait_until(evil.is_fenced)
        assert friend.ask(Add(1)) == 2
    assert target.whereis("gateway") == gateway
    assert len([log for log in logs if log["event"] == "frame_refused"]) <= 4
    assert gateway.cell.actor.describe()["malformed"] > 0


@pytest.mark.parametrize(
    "bad", [b"", b"?", envelope.DATA, envelope.DATA + b"\xdd\xff\xff\xff\xff", envelope.HELLO + b"\x90"]
)
def test_one_malformed_frame_ends_the_conversation_of_who_sent_it(target, evil, bad):
    evil.connect("b")
    wait_until(lambda: target.whereis("gateway").cell.actor._peers["evil"].is_up)
    evil.dealer.send(bad)
    wait_until(evil.is_fenced)
    wait_until(lambda: not target.whereis("gateway").cell.actor._peers["evil"].is_up)
    evil.connect("b")  # and may begin anew


def test_an_actor_of_a_third_node_is_no_source(target, evil):
    evil.connect("b")
    item = envelope.Exit("actorq://a/x#0123456789abcdef.1", "actorq://b/counter", KILLED)
    evil.dealer.send(envelope.encode_items([item]))
    wait_until(evil.is_fenced)
    assert target.ref("counter").is_alive()


def test_a_frame_beyond_the_limit_costs_its_sender_the_connection(make_node, tmp_path):
    system = make_node("small", max_message_bytes=1_000)
    evil = Evil(tmp_path / "nodes")
    evil.connect("small")
    evil.dealer.send(envelope.DATA + b"x" * 2_000_000)
    evil.dealer.send(envelope.DATA + b"\xc1")
    assert not evil.router.poll(100)
    assert system.whereis("gateway").is_alive()
    evil.connect("small")
    evil.close()


@given(st.binary(max_size=200))
@settings(max_examples=300)
@example(b"\x91" * 2_000)
@example(b"\xdf\xff\xff\xff\xff")
def test_any_bytes_are_items_or_a_decode_error(data):
    for read in (envelope.decode_items, envelope.decode_hello):
        try:
            read(b"D" + data)
        except DecodeError:
            continue


# -- bodies ----------------------------------------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers(-5, 5), inner, max_size=3)
        | st.builds(Note, st.text(), inner)
        | st.builds(Point, st.integers(0, 9))
        | st.frozensets(st.integers(0, 9))
    ),
    max_leaves=12,
)
_system = System("vocabulary")
VOCABULARY = Vocabulary(_system, MESSAGES)


@given(plain)
def test_whatever_is_in_the_vocabulary_arrives_as_it_was(value):
    body = VOCABULARY.encode(value)
    if body[0] == 0:  # what has no UTF-8, e.g. a lone surrogate, goes as a pickle
        back = VOCABULARY.decode(body)
        assert back == value
        assert type(back) is type(value)


@given(st.binary(max_size=100))
@example(b"\0" + b"\x91" * 5_000)
@example(b"\0\xc9\x00\x00\x00\x04\x02\x91\x91\x91\x91")
@example(b"")
def test_any_body_is_a_value_or_a_decode_error(data):
    for body in (data, b"\0" + data, b"\0\xc7" + bytes([len(data) % 256, 2]) + data):
        try:
            VOCABULARY.decode(body)
        except DecodeError:
            continue


def test_a_bomb_of_nested_messages_is_refused():
    body = b"\x01"
    for _ in range(3_000):
        body = msgspec.msgpack.encode(msgspec.msgpack.Ext(3, body))
    with pytest.raises(DecodeError):
        VOCABULARY.decode(b"\0" + body)


def test_a_pickle_is_never_read_without_leave():
    class Bomb:
        def __reduce__(self):
            return os.abort, ()

    with pytest.raises(DecodeError, match="got a pickle"):
        VOCABULARY.decode(VOCABULARY.encode(Bomb()))


def test_a_name_in_bytes_is_never_called():
    body = b"\0" + msgspec.msgpack.encode(msgspec.msgpack.Ext(2, msgspec.msgpack.encode(("os.abort", {}))))
    with pytest.raises(DecodeError, match=r"got os\.abort"):
        VOCABULARY.decode(body)


def test_two_classes_of_one_name_are_refused():
    def make():
        class Same(msgspec.Struct):
            pass

        return Same

    with pytest.raises(TypeError, match="different names"):
        Vocabulary(_system, [make(), make()])


def test_what_nothing_carries_is_an_encode_error():
    with pytest.raises(EncodeError):
        VOCABULARY.encode(_ for _ in ())
