"""The node's own line to the broker of its home, whichever node that is.

Light; permanent. Over it a node reports how its slots ended and is asked things. The hub's node uses it, too, to its own
broker: so nothing above knows whether it is on the hub, and a take-over changes nothing here but the address.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import zmq

from actorq.actors import Actor
from actorq.log import get_logger
from actorq.messages import wire
from actorq.node.messages import (
    NodeQuestion,
    NodeReply,
    RetireSlot,
    RunSpared,
    SlotGone,
    SteerSlots,
    TerminateRun,
)
from actorq.node.roster import place_of
from actorq.transport.broker_socket import BrokerSocket
from actorq.transport.rendezvous import SEEK_S, read_rendezvous

if TYPE_CHECKING:
    from actorq.node.live import LiveSettings
    from actorq.transport.paths import Home

__all__ = ["Link"]

log = get_logger(__name__)

WELCOME_S: Final = 2.0  # a broker that is there answers within milliseconds
REMEMBERED_DEATHS: Final = 256  # told again to a new broker, which may not have heard


@dataclass(frozen=True, slots=True)
class _Connect:
    """Timer: look for a broker."""


@dataclass(frozen=True, slots=True)
class _Unwelcome:
    """Timer: this try's HELLO should have been answered by now."""

    tries: int


class Link(Actor):
    """Connects, says hello, and connects again when the broker is replaced."""

    def init(self, *, home: Home, node: str, live: LiveSettings) -> None:
        """Look for a broker."""
        self.home, self.node, self.live = home, node, live
        self.epoch = 0
        self.is_connected = False
        self._tries = 0
        self._deaths: deque[SlotGone] = deque(maxlen=REMEMBERED_DEATHS)
        self._broker: BrokerSocket | None = None
        self._delay_s = SEEK_S[0]
        self._encoder = msgspec.msgpack.Encoder()
        self._welcomes = msgspec.msgpack.Decoder(wire.Welcome)
        self._asks = msgspec.msgpack.Decoder(wire.Ask)
        self._terminates = msgspec.msgpack.Decoder(wire.Terminate)
        self._context = zmq.Context()
        self._connect()

    def terminate(self, reason: object) -> None:
        """Leave; the broker sees by the node's pidfd if the process ends."""
        self._disconnect()
        self._context.term()

    def on_connect(self, _: _Connect) -> None:
        """Try again."""
        self._connect()

    def _connect(self) -> None:
        found = read_rendezvous(self.home)
        if found is None:
            self._connect_later()
            return
        self._tries += 1
        broker = self._broker = BrokerSocket(self._context, found.endpoint, b"n")
        self.sockets.add(broker.monitor, self._on_lost)
        self.sockets.add(broker.socket, self._on_frames)
        self.epoch = found.epoch
        self._send(wire.HELLO, wire.Hello(wire.PROTOCOL, "node", os.getpid(), name=self.node))
        self.timers.after(WELCOME_S, _Unwelcome(self._tries))

    def _connect_later(self) -> None:
        self.timers.after(self._delay_s, _Connect())
        self._delay_s = min(self._delay_s * 2, SEEK_S[1])

    def on_unwelcome(self, message: _Unwelcome) -> None:
        """Say hello again, on another socket, where nobody answered."""
        if message.tries == self._tries and not self.is_connected and self._broker is not None:
            log.warning("broker_silent", epoch=self.epoch, waited_s=WELCOME_S)
            self._disconnect()
            self._connect_later()

    def _disconnect(self) -> None:
        self.is_connected = False
        broker, self._broker = self._broker, None
        if broker is not None:
            self.sockets.remove(broker.monitor)
            self.sockets.remove(broker.socket)
            broker.close()

    def _on_lost(self, _: list[bytes]) -> None:
        if self._broker is not None:
            self._disconnect()
            self._connect_later()

    def _send(self, kind: bytes, value: Any) -> None:
        if self._broker is not None:
            frame = bytearray(kind)
            self._encoder.encode_into(value, frame, 1)
            try:
                self._broker.socket.send(frame, zmq.NOBLOCK)
            except zmq.Again:
                # The broker sees by itself that a slot is dead; that is usual at the end, when it has gone first.
                say = log.debug if kind == wire.SLOT_DIED else log.warning
                say("node_message_dropped", kind=kind.decode())

    def _on_frames(self, frames: list[bytes]) -> None:
        kind, body = frames[0][:1], memoryview(frames[0])[1:]
        if kind == wire.WELCOME:
            welcome = self._welcomes.decode(body)
            if welcome.error:
                log.error("broker_refused", why=welcome.error)
                return
            self.is_connected = True
            self._delay_s = SEEK_S[0]
            for death in self._deaths:
                self._tell_death(death)
            self._steer_slots()
        elif kind == wire.ASK:
            ask = self._asks.decode(body)
            self.system.ref("control").tell(NodeQuestion(ask.request, ask.command, ask.arguments))
        elif kind == wire.TERMINATE:
            run = self._terminates.decode(body)
            self.system.ref(f"slot-{place_of(run.name)}").tell(TerminateRun(run.name, run.key, run.token, run.signal))

    def on_node_reply(self, message: NodeReply) -> None:
        """Carry an answer to the hub; one that can't be encoded (from a plugin comes anything) is replaced by an error."""
        try:
            self._send(wire.ANSWER, message.answer)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            log.warning("answer_not_sendable", why=str(error))
            self._send(wire.ANSWER, wire.Answer(message.answer.request, error=f"the answer can't be sent: {error}"))

    def on_slot_gone(self, message: SlotGone) -> None:
        """Tell the broker, now or when there is one again."""
        self._deaths.append(message)
        if self.is_connected:
            self._tell_death(message)

    def _tell_death(self, death: SlotGone) -> None:
        self._send(wire.SLOT_DIED, wire.SlotDied(death.name, death.cause, death.traceback))

    def on_run_spared(self, message: RunSpared) -> None:
        """Tell the broker that a slot lives on."""
        self._send(wire.SPARED, wire.Spared(message.name))

    def on_retire_slot(self, message: RetireSlot) -> None:
        """Ask the broker to let a slot go after its present task."""
        self._send(wire.RETIRE, wire.Retire(message.name))

    def on_steer_slots(self, _: SteerSlots) -> None:
        """Have the broker tell this node's slots what was ordered, now or when there is one again."""
        if self.is_connected:
            self._steer_slots()

    def _steer_slots(self) -> None:
        if self.live.is_steered:
            self._send(wire.STEER, self.live.steer())

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"connected": self.is_connected, "epoch": self.epoch}
