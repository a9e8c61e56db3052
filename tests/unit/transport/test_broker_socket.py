"""How a connection to the broker begins, how its loss shows, and how it ends."""

from __future__ import annotations

import pytest
import zmq

from actorq.testing.wait import wait_until
from actorq.transport.broker_socket import HEARTBEATS, BrokerSocket, is_readable


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def endpoint(tmp_path):
    return f"ipc://{tmp_path}/b1.sock"


@pytest.fixture
def router(context, endpoint):
    made = context.socket(zmq.ROUTER)
    made.bind(endpoint)
    return made


def hear(router):
    """Return the next message of any peer: its routing id, then its frames."""
    assert router.poll(5_000)
    return router.recv_multipart()


@pytest.fixture
def broker(context, endpoint, router):
    made = BrokerSocket(context, endpoint, b"t")
    made.socket.send(b"hello")
    assert hear(router)[1:] == [b"hello"]
    yield made
    made.close()


def test_frames_go_both_ways(broker, router):
    broker.socket.send(b"again")
    peer, frame = hear(router)
    assert frame == b"again"
    assert not is_readable(broker.socket)
    router.send_multipart([peer, b"answer"])
    wait_until(lambda: is_readable(broker.socket), 5, "the answer")
    assert broker.socket.recv(zmq.NOBLOCK) == b"answer"


def test_every_socket_has_a_new_routing_id_of_its_kind(context, endpoint, router):
    names = set()
    for _ in range(3):
        opened = BrokerSocket(context, endpoint, b"t")
        opened.socket.send(b"hello")
        names.add(hear(router)[0])
        opened.close()
    assert len(names) == 3
    assert {(name[:1], len(name)) for name in names} == {(b"t", 9)}


def test_a_broker_that_is_there_is_not_lost(broker):
    assert not broker.is_lost()
    assert not broker.monitor.poll(0)


def test_a_broker_that_ends_is_lost_for_good(broker, context, endpoint, router):
    router.close(linger=0)
    assert broker.monitor.poll(5_000)
    assert broker.is_lost()
    successor = context.socket(zmq.ROUTER)
    wait_until(lambda: _can_bind(successor, endpoint), 5, "the path to be free")
    assert not successor.poll(300)
    assert broker.is_lost()
    successor.close()


def _can_bind(socket, endpoint):
    try:
        socket.bind(endpoint)
    except zmq.ZMQError:
        return False
    return True


def test_a_broker_that_never_was_is_lost(context, endpoint):
    opened = BrokerSocket(context, endpoint, b"t")
    assert opened.monitor.poll(5_000)
    assert opened.is_lost()
    opened.close()


def test_what_was_read_before_a_loss_is_still_there(broker, router):
    broker.socket.send(b"hello")
    router.send_multipart([hear(router)[0], b"last words"])
    wait_until(lambda: is_readable(broker.socket), 5, "the last words")
    router.close(linger=0)
    wait_until(broker.is_lost, 5, "the loss")
    assert broker.socket.recv(zmq.NOBLOCK) == b"last words"


def test_an_endpoint_that_is_none_leaves_nothing_open(context):
    with pytest.raises(zmq.ZMQError):
        BrokerSocket(context, "nonsense", b"t")
    context.term()  # would wait for an open socket


def test_options_are_set(context, endpoint):
    opened = BrokerSocket(context, endpoint, b"t", {**HEARTBEATS, zmq.SNDHWM: 7})
    assert opened.socket.getsockopt(zmq.SNDHWM) == 7
    assert opened.socket.getsockopt(zmq.HEARTBEAT_TIMEOUT) == 5_000
    assert opened.socket.getsockopt(zmq.LINGER) == 0
    assert opened.socket.getsockopt(zmq.RECONNECT_IVL) == -1
    opened.close()


def test_what_was_sent_last_leaves_when_the_closing_lingers(context, endpoint, router):
    opened = BrokerSocket(context, endpoint, b"t")
    opened.socket.send(b"bye")
    opened.close(linger_ms=1_000)
    opened.close()
    assert hear(router)[1:] == [b"bye"]
    assert opened.socket.closed
    assert opened.monitor.closed


def test_many_may_be_opened_and_closed_in_one_context(context, endpoint, router):
    for _ in range(50):
        BrokerSocket(context, endpoint, b"t").close()
