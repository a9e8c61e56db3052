"""Carries out orders to end tasks: `revoke`, by id, many at once, and what the store finds expired.

Used from the broker's loop only. An answer is given when what it says is committed:

1. ids that callers chose are looked up in the store;
2. slots that hold one of the tasks and haven't started it are recalled by the fence (`balancer`), a few milliseconds;
3. by then each task waits (it ends now), runs (it is noted, so that it doesn't start again), has ended, or isn't here yet (it
   is noted, so that it ends when it arrives); `cancellations` does that to the ledger;
4. the commit is awaited; the results go to whoever waits for them like all others.

Asked twice, the second finds done what the first did: a hub that goes in between costs nothing but the time.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from signal import Signals
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from actorq.actors.signals import Invoke
from actorq.log import get_logger
from actorq.messages import wire
from actorq.messages.ids import parse_task_id
from actorq.messages.signals import check_signal
from actorq.messages.wire import Answer
from actorq.node.cancellations import CANCELLED, EXPIRED
from actorq.node.messages import LookedUp, LookUp
from actorq.node.peers import NodePeer
from actorq.node.questions import task_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actorq.actors import Actor, NameRef
    from actorq.engine.protocol import Receipt
    from actorq.messages.wire import Ask
    from actorq.node.balancer import Balancer
    from actorq.node.batch import Sealed
    from actorq.node.ledger import Ledger
    from actorq.node.peers import ClientPeer, SlotPeer
    from actorq.node.switchboard import Switchboard

__all__ = ["Fate", "RevokeOrders", "RevokeQuestion", "read_question"]

log = get_logger(__name__)

MAX_IDS: Final = 1_000  # in one question: bounds the transaction, and how long the windows are looked through
TERMINATE_S: Final = 10.0  # a node that hasn't ended a slot by then, nor spared it, has lost its line to us
RESEND_S: Final = 0.1
SWEEP_S: Final = 600.0  # between two looks for what has been remembered long enough

_Ids = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=255)]], msgspec.Meta(max_length=MAX_IDS)]


class Fate:
    """What became of an id: words of the answer."""

    REVOKED: Final = "revoked"  # it waited; it has ended as REVOKED
    TERMINATING: Final = "terminating"  # it runs; its slot's process is being ended for it
    RUNNING: Final = "running"  # it runs and goes on; what it leaves for later doesn't start
    ENDED: Final = "ended"  # it had ended before
    EXPECTED: Final = "expected"  # it isn't here; it ends as REVOKED if it comes within a day
    REFUSED: Final = "refused"  # it isn't here, and too many such are remembered already


class RevokeQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End these tasks, by their ids or those their callers chose; `terminate` those that run, too, by `signal`."""

    ids: _Ids
    terminate: bool = False
    signal: str = "SIGTERM"


@dataclass(slots=True)
class _Order:
    """One question under way."""

    question: RevokeQuestion
    answer: Callable[[Answer], None]
    request: int
    keys: dict[str, int] = field(default_factory=dict)  # of ids whose task was taken from its outbox once
    fates: dict[str, str] = field(default_factory=dict)
    doomed: dict[int, SlotPeer] = field(default_factory=dict)  # by key: who runs it


def read_question(arguments: Mapping[str, Any]) -> RevokeQuestion:
    """Return the question a caller asked.

    Raises:
        ValueError: it isn't one; says what was expected where.
    """
    try:
        question = msgspec.convert(arguments, RevokeQuestion)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return msgspec.structs.replace(question, signal=check_signal(question.signal))


class RevokeOrders:
    """Cancels for the actor `owner`, to whom the store answers; `reply(routing_id, answer)` sends an answer."""

    def __init__(
        self,
        owner: Actor,
        ledger: Ledger,
        slots: Mapping[str, SlotPeer],
        *,
        store: NameRef,
        balancer: Balancer,
        switchboard: Switchboard,
        reply: Callable[[bytes, Answer], None],
    ) -> None:
        self._switchboard = switchboard
        self._me, self._clock, self._timers = owner.self_ref, owner.clock, owner.timers
        self._ledger, self._slots, self._store, self._balancer, self._reply = ledger, slots, store, balancer, reply
        self._is_sweeping = False
        self._sweep_later()

    def ask(self, peer: ClientPeer, ask: Ask) -> None:
        """Begin to carry out a client's question; it is answered later.

        Raises:
            ValueError: it isn't one.
        """
        question = read_question(ask.arguments)
        order = _Order(question, functools.partial(self._reply, peer.routing_id), ask.request)
        chosen = [task_id for task_id in question.ids if parse_task_id(task_id) is None]
        if chosen:
            found: Callable[[LookedUp], None] = functools.partial(self._found, order)
            self._store.tell(LookUp(chosen, found, self._me))
        else:
            self._recall(order)

    def _found(self, order: _Order, message: LookedUp) -> None:
        for task_id, found in message.found.items():
            if found.key is not None:
                order.keys[task_id] = found.key
        missing = {task_id for task_id in message.found if task_id not in order.keys}
        if missing:  # sent a moment ago: its alias isn't committed yet
            order.keys.update(self._ledger.find_aliases(missing))
        self._recall(order)

    def _recall(self, order: _Order) -> None:
        """Take back what slots hold and haven't started."""
        for task_id in order.question.ids:
            key = self._ledger.find_key(task_id)
            if key is not None:
                order.keys.setdefault(task_id, key)
        holds = _holds if order.question.terminate else _holds_unstarted
        self._recall_then(set(order.keys.values()), holds, lambda: self._apply(order))

    def _recall_then(
        self, keys: set[int], holds: Callable[[SlotPeer, set[int]], bool], then: Callable[[], None]
    ) -> None:
        """Call `then` when no slot holds one of these tasks unstarted; `holds` says which slots are to be recalled."""
        peers = [peer for peer in self._slots.values() if holds(peer, keys)]
        left = len(peers)

        def recalled() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for peer in peers:
            self._balancer.recall(peer, recalled)
        if not peers:
            then()

    # -- the deed ------------------------------------------------------------------------------------------------------

    def _apply(self, order: _Order) -> None:
        """End what waits, note what runs or isn't here: in no slot is anything of it now but what runs."""
        now, ledger = self._clock.now(), self._ledger
        cancellations, keys = ledger.cancellations, set(order.keys.values())
        ended = cancellations.end_waiting(keys, CANCELLED, now)
        running: set[int] = set()
        for peer in self._slots.values():
            held = keys & peer.desk.held.keys()
            running |= held
            # A process of many runs isn't ended for one of them: the others would be interrupted.
            if held and order.question.terminate and peer.desk.held.keys() <= keys:
                # Fenced since the recall: if that ends by itself now, no other task starts that could be met instead.
                peer.desk.closed = peer.desk.doomed = True
                order.doomed |= dict.fromkeys(held, peer)
        stored = frozenset(keys - ended - running)
        cancellations.end_stored(stored, CANCELLED, now)
        strangers = [task_id for task_id in order.question.ids if task_id not in order.keys]
        refused = set(cancellations.note([*strangers, *(task_id_of(ledger, key) for key in running)], now))
        for task_id in order.question.ids:
            found = order.keys.get(task_id)
            if found is None:
                order.fates[task_id] = Fate.REFUSED if task_id in refused else Fate.EXPECTED
            else:
                order.fates[task_id] = (
                    Fate.RUNNING if found in running else Fate.REVOKED if found in ended else Fate.ENDED
                )
        self._sweep_later()
        ledger.when_safe(functools.partial(self._safe, order, stored))

    def _safe(self, order: _Order, stored: frozenset[int], sealed: Sealed, receipt: Receipt) -> None:
        """Answer, once all of it is written down."""
        ended, waiting = self._ledger.cancellations.stored_ended(stored, sealed, receipt)
        refused = set(receipt.refused)
        for task_id, key in order.keys.items():
            if key in ended:
                order.fates[task_id] = Fate.REVOKED
            elif key in refused:
                order.fates[task_id] = Fate.ENDED
        self._terminate(order)
        if waiting:  # the disk is full, and their tasks were new
            self._ledger.when_safe(functools.partial(self._safe, order, frozenset(waiting)))
        else:
            order.answer(Answer(order.request, {"fates": order.fates}))

    def expire(self, keys: Sequence[int]) -> None:
        """End tasks whose time is over, also those that a slot holds behind a long one; what runs goes on."""
        self._recall_then(set(keys), _holds_unstarted, lambda: self._expire(set(keys)))

    def _expire(self, keys: set[int]) -> None:
        now, cancellations = self._clock.now(), self._ledger.cancellations
        waiting = keys - {key for peer in self._slots.values() for key in peer.desk.held}
        stored = frozenset(waiting - cancellations.end_waiting(waiting, EXPIRED, now))
        cancellations.end_stored(stored, EXPIRED, now)
        if waiting:
            log.info("tasks_expired", count=len(waiting))

        def note(sealed: Sealed, receipt: Receipt) -> None:
            cancellations.stored_ended(stored, sealed, receipt)

        self._ledger.when_safe(note)

    # -- what runs -----------------------------------------------------------------------------------------------------

    def _terminate(self, order: _Order) -> None:
        """Have nodes end the processes that run what is to be terminated. It is noted, so it won't run again."""
        for key, peer in order.doomed.items():
            task_id = next(task_id for task_id, found in order.keys.items() if found == key)
            delivery = peer.desk.held.get(key)
            if delivery is None:
                order.fates[task_id] = Fate.ENDED
                self._reopen(peer)
            else:
                order.fates[task_id] = Fate.TERMINATING
                run = wire.Terminate(peer.desk.name, key, delivery.token, Signals[order.question.signal])
                self._send_termination(peer, run, self._clock.monotonic() + TERMINATE_S)
                self._timers.after(TERMINATE_S, Invoke(self._reopen, peer))
        order.doomed = {}

    def _send_termination(self, peer: SlotPeer, run: wire.Terminate, until: float) -> None:
        """Ask the slot's node; one that is just connecting is waited for."""
        nodes = [node for node in self._switchboard if isinstance(node, NodePeer) and node.name == peer.desk.node]
        if any(self._switchboard.send(node.routing_id, wire.TERMINATE, run) for node in nodes):
            return
        if run.key not in peer.desk.held:
            self._reopen(peer)
        elif self._clock.monotonic() < until:
            self._timers.after(RESEND_S, Invoke(self._send_termination, peer, run, until))
        else:
            log.warning("run_not_terminated", slot=run.name, node=peer.desk.node, why="no line to its node")

    def spared(self, _: NodePeer, message: wire.Spared) -> None:
        """Give tasks again to a slot that its node didn't end."""
        peer = self._slots.get(message.name)
        if peer is not None:
            self._reopen(peer)

    def _reopen(self, peer: SlotPeer) -> None:
        desk = peer.desk
        if desk.doomed and self._slots.get(desk.name) is peer:
            desk.doomed = False
            desk.closed = desk.retiring or bool(desk.after) or not self._switchboard.is_watched(peer)

    def _sweep_later(self) -> None:
        if self._ledger.cancellations.revoked and not self._is_sweeping:
            self._is_sweeping = True
            self._timers.after(SWEEP_S, Invoke(self._sweep))

    def _sweep(self) -> None:
        self._is_sweeping = False
        self._ledger.cancellations.revoked.expire(self._clock.now())
        self._sweep_later()


def _holds(peer: SlotPeer, wanted: set[int]) -> bool:
    return not wanted.isdisjoint(peer.desk.held)


def _holds_unstarted(peer: SlotPeer, wanted: set[int]) -> bool:
    found = wanted & peer.desk.held.keys()
    return bool(found and found - peer.line.running_keys())
