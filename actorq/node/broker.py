"""The data plane: one ROUTER socket where outboxes hand in tasks and slots take them.

Pinned; permanent; requires the store. It carries batches between sockets, the ledger (which decides) and the store (which
remembers), and decodes headers only: what a task was called with and what it returned pass through as bytes.

Order of things, per batch: receive → dispatch → commit → confirm. Confirmations and results go out after the commit,
never before. Dispatch doesn't wait for the commit: until then the task is still in its sender's outbox.

A crash costs nothing that was confirmed: a new broker starts with a new epoch and a new socket path, reads from the
slots' line files what they finished and what they run (`recovery`), and everybody else connects again.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Final

from actorq.actors import DEFER, IGNORE, Actor, Refusal
from actorq.log import get_logger
from actorq.messages import wire
from actorq.messages.reasons import is_clean
from actorq.node.admission import Admission
from actorq.node.arrivals import Arrivals
from actorq.node.balancer import Balancer
from actorq.node.broadcasts import OUTBOX_ID as BROADCAST_OUTBOX
from actorq.node.broadcasts import Broadcasts
from actorq.node.burials import Burials
from actorq.node.committer import FULL_RETRY_S, Committer
from actorq.node.groups import Groups
from actorq.node.handout import hand_out
from actorq.node.helm import Helm
from actorq.node.inquiries import Inquiries
from actorq.node.ledger import Ledger
from actorq.node.listings import Listings
from actorq.node.messages import (
    BeginEpoch,
    CommitRefused,
    Committed,
    EngineCall,
    Fetched,
    Forward,
    Lease,
    Leased,
    LookedUp,
    OrphanSafe,
    OrphanTasks,
    Registered,
    RegisterRefused,
    Reply,
    Snapshot,
    SteerOwn,
    TasksExpired,
    Woken,
)
from actorq.node.peers import ClientPeer, NodePeer, SlotPeer
from actorq.node.queues import Queues
from actorq.node.recovery import read_lines, recover
from actorq.node.registrations import Registrations
from actorq.node.revoke_orders import RevokeOrders
from actorq.node.switchboard import Route, Switchboard
from actorq.node.updates import drop_ended

if TYPE_CHECKING:
    from actorq.actors import ActorRef, Deferred, Ignored, NameRef, Outcome
    from actorq.config import Settings
    from actorq.engine.protocol import Receipt
    from actorq.messages.reasons import ExitReason
    from actorq.node.batch import Sealed
    from actorq.node.hub_lock import HubLock
    from actorq.node.recovery import StoreSteps
    from actorq.transport.paths import Home

__all__ = ["Broker"]

log = get_logger(__name__)

OPEN_DEADLINE_S: Final = 60.0  # for each answer of a store that is busy recovering; nobody blocks meanwhile


class Broker(Actor):
    """Carries tasks and results; see the module."""

    pinned: ClassVar[bool] = True
    is_open = False  # whether it has a ledger and a socket: after recovery
    ledger: Ledger
    broadcasts: Broadcasts | None = None  # where there are queues of that kind
    epoch = 0

    def init(
        self, *, store: NameRef, home: Home, settings: Settings, lock: HubLock, node: str
    ) -> Ignored | Deferred | None:
        """Begin an epoch: learn what slots hold, bind a fresh path, tell the world, and confirm the start."""
        if not lock.held:
            return IGNORE
        self.home, self.settings, self.node, self.store = home, settings, node, store
        self._slots: dict[str, SlotPeer] = {}
        self._orphans: dict[int, ActorRef[Any]] = {}  # by outbox number: who empties it
        self._stale_reports = 0
        self.switchboard = Switchboard(self.sockets)
        self._send = self.switchboard.send
        self.helm = Helm(self._slots, self.switchboard)
        self._registrations = Registrations(store, self.self_ref)
        self._advance(self._open())
        return DEFER

    def _advance(self, steps: StoreSteps, outcome: Outcome | None = None) -> None:
        """Go on with a job that asks the store one thing after the other; nobody waits in between, signals come through."""
        try:
            question = next(steps) if outcome is None else steps.send(outcome.get())
        except StopIteration:
            return
        self.ask_then(self.store, question, OPEN_DEADLINE_S, functools.partial(self._advance, steps))

    def _open(self) -> StoreSteps:
        opened = yield BeginEpoch()
        settings, slots = self.settings, self._slots
        ledger = self.ledger = Ledger(opened, max_tasks=settings.queue_max_tasks, prefetch_s=settings.prefetch_s)
        ledger.lanes.ageing_s = settings.queue_ageing_s
        self.burials = Burials(ledger, slots, self.switchboard, self.home.lines, self.clock)
        self.epoch = opened.epoch
        self.committer = Committer(self, ledger, self.store, self.burials, self._told_safe)
        self.admission = Admission(ledger, settings)
        self.balancer = Balancer(ledger, slots, self.switchboard, self.timers, self.clock)
        self.inquiries = Inquiries(ledger, slots, self.store, self, self.switchboard)
        self.inquiries.queues = Queues(
            self,
            ledger=ledger,
            slots=slots,
            store=self.store,
            balancer=self.balancer,
            committer=self.committer,
            push=self.inquiries.push,
        )
        self.arrivals = Arrivals(
            self,
            ledger,
            slots,
            registrations=self._registrations,
            switchboard=self.switchboard,
            helm=self.helm,
            burials=self.burials,
            inquiries=self.inquiries,
            lines=self.home.lines,
            broadcasts=settings.broadcasts,
        )
        for queue in (yield EngineCall("paused")):
            ledger.lanes.pause(queue)
        for lane in (yield EngineCall("lanes")):
            ledger.unfinished += lane.scheduled  # it knows already what is ready
        if settings.broadcasts:
            no, taken = yield EngineCall("register_outbox", (BROADCAST_OUTBOX,))
            desk = ledger.open_outbox(BROADCAST_OUTBOX, no, taken)
            ask = self.inquiries.queues.ask
            self.broadcasts = Broadcasts(self, ledger, slots, desk, queues=settings.broadcasts, ask=ask)
        self.revoke_orders = RevokeOrders(
            self,
            ledger,
            slots,
            store=self.store,
            balancer=self.balancer,
            switchboard=self.switchboard,
            reply=self.inquiries.reply,
        )
        self.inquiries.add("revoke", self.revoke_orders.ask)
        listings = Listings(
            self,
            self.node,
            ledger=ledger,
            store=self.store,
            switchboard=self.switchboard,
            reply=self.inquiries.reply,
        )
        self.inquiries.add("scheduled", listings.ask_scheduled)
        self.inquiries.add("revoked", listings.ask_revoked)
        self.inquiries.add("group", Groups(self, self.store, self.inquiries.reply, settings.result_expires_s).ask)
        found = read_lines(self.home.lines, next(ledger.tokens))
        for each in found:
            self.arrivals.claim(each)
        yield from recover(ledger, found, self.clock.now())
        self.burials.seal()
        self.burials.committed()
        for peer in list(slots.values()):
            self.switchboard.watch(peer)  # only now: the end of one that has died meanwhile comes after all of this
        if found:
            log.info("slots_recovered", alive=len(slots), dead=len(found) - len(slots))
        self.switchboard.open(self.home, self.epoch, self.node, self._routes())
        self.is_open = True
        self.confirm_start()

    def _routes(self) -> dict[bytes, Route]:
        return {
            wire.PUT: Route(wire.Put, ClientPeer, self._take),
            wire.DONE: Route(wire.Done, SlotPeer, self._settle),
            wire.UPDATES: Route(wire.Updates, ClientPeer, self.inquiries.updates.take),
            wire.WATCH: Route(wire.Watch, ClientPeer, self.inquiries.watch),
            wire.ASK: Route(wire.Ask, ClientPeer, self.inquiries.ask),
            wire.ANSWER: Route(wire.Answer, NodePeer, self.inquiries.answered),
            wire.SLOT_DIED: Route(wire.SlotDied, NodePeer, self._slot_died),
            wire.RETIRE: Route(wire.Retire, NodePeer, self._retire),
            wire.SPARED: Route(wire.Spared, NodePeer, self.revoke_orders.spared),
            wire.STEER: Route(wire.Steer, NodePeer, self.helm.steer),
        }

    def terminate(self, reason: ExitReason) -> None:
        """Write what can be written, and leave nothing behind."""
        if not hasattr(self, "switchboard"):
            return
        if is_clean(reason) and self.is_open:
            self.burials.settle_estates(self.store)
        self.switchboard.close()
        for slot in self._slots.values():
            slot.line.close()
        if self.epoch:
            self.burials.close()

    # -- tasks come in -------------------------------------------------------------------------------------------------

    def on_registered(self, message: Registered) -> None:
        """Go on with whoever waits for this outbox's number."""
        self.ledger.open_outbox(message.outbox_id, message.no, message.taken)
        self._registrations.registered(message)

    def on_register_refused(self, message: RegisterRefused) -> None:
        """Turn away who came with a new outbox; it comes again."""
        self._registrations.refused(message)

    def _take(self, peer: ClientPeer, put: wire.Put) -> None:
        desk = peer.desk
        if desk is None or not put.messages:
            return
        first = put.messages[0].number
        if self.committer.is_full:
            refused = wire.Refused(first, "StoreFull", str(self.home.path), FULL_RETRY_S)
        elif self.ledger.is_full():
            refused = wire.Refused(first, "QueueFull", str(self.ledger.max_tasks), FULL_RETRY_S)
        elif first > desk.taken + 1:
            # A batch before this one was refused: to take this one would be to mark that one as taken, too.
            refused = wire.Refused(desk.taken + 1, "Gap", "", 0.0)
        elif put.messages[-1].number <= desk.committed:
            self._send(peer.routing_id, wire.CONFIRM, wire.Confirm(desk.committed))  # it came again, needlessly
            return
        else:
            rest = self.admission.take(desk, put.messages, self.clock.now())
            if rest is None:
                return
            refused = rest
        self._send(peer.routing_id, wire.REFUSED, refused)

    def on_orphan_tasks(self, message: OrphanTasks) -> None:
        """Take tasks from an outbox whose process is gone."""

        def take(found: Registered) -> None:
            desk = self.ledger.open_outbox(found.outbox_id, found.no, found.taken)
            self._orphans[desk.no] = message.reply_to
            if not message.messages or message.messages[-1].number <= desk.committed:
                message.reply_to.tell(OrphanSafe(desk.outbox_id, desk.committed))
            elif not self.committer.is_full:
                self.ledger.take(desk, message.messages, self.clock.now())

        self._registrations.look_up(message.outbox_id, take)

    def on_woken(self, message: Woken) -> None:
        """Tasks became due, or are tasks again."""
        self.ledger.woken(message.queues, revived=message.revived)

    def on_tasks_expired(self, message: TasksExpired) -> None:
        """Nobody took them in time."""
        if self.is_open:
            self.revoke_orders.expire(message.keys)

    def on_leased(self, message: Leased) -> None:
        """Tasks came back from the store."""
        self.ledger.refill(message.queue, message.tasks, exhausted=message.exhausted)

    # -- tasks go out --------------------------------------------------------------------------------------------------

    def on_drained(self) -> None:
        """After each batch of whatever came: hand out work, then write down what happened."""
        if not self.is_open:
            return
        ledger = self.ledger
        if ledger.cancellations.needs_look:
            ledger.cancellations.look(self.clock.now())
        if ledger.lanes.held:
            ledger.release_held()
        if self.broadcasts is not None:
            self.broadcasts.spread(self.clock.now())
        if ledger.waiting:
            hand_out(ledger, self._slots, self._send, self.clock.now())
        for queue, limit in ledger.lanes.refills():
            self.store.tell(Lease(queue, limit, self.self_ref))
        self.committer.look()
        self.balancer.arm()

    def _settle(self, peer: SlotPeer, done: wire.Done) -> None:
        stale = self.ledger.settle(peer.desk, done.first, done.reports, self.clock.now())
        if stale:
            self._stale_reports += stale
            self.ledger.legacy.keep(peer.desk, done.reports)
        if peer.desk.updates:
            drop_ended(peer.desk)

    def _retire(self, _: NodePeer, message: wire.Retire) -> None:
        peer = self._slots.get(message.name)
        if peer is not None:
            peer.desk.retiring = True
            self.balancer.recall(peer)  # what it holds besides must not wait for the end of a long task
            self._send(peer.routing_id, wire.RETIRE, message)

    def _slot_died(self, _: NodePeer, note: wire.SlotDied) -> None:
        self.burials.bury(note.name, note.cause, note.traceback)

    # -- commits -------------------------------------------------------------------------------------------------------

    def on_committed(self, message: Committed) -> None:
        """Tell senders that their tasks are safe, and waiting callers their results."""
        self.committer.committed(message)

    def on_commit_refused(self, message: CommitRefused) -> None:
        """The disk is full."""
        self.committer.refused(message)

    def _told_safe(self, sealed: Sealed, receipt: Receipt) -> None:
        for no, number in sealed.confirms.items():
            client = self.arrivals.clients.get(no)
            if client is not None:
                self._send(client.routing_id, wire.CONFIRM, wire.Confirm(number))
            orphan = self._orphans.get(no)
            if orphan is not None:
                orphan.tell(OrphanSafe(self.ledger.by_no[no].outbox_id, number))
        self.inquiries.push(sealed.results)
        for tell in sealed.when_safe:
            tell(sealed, receipt)
        for slot, settled in sealed.settled.items():
            peer = self._slots.get(slot.name)
            if peer is not None and peer.routing_id and peer.waits_for_news:
                # It gets no tasks that would tell it; until it knows, it keeps these reports in memory, or waits.
                self._send(peer.routing_id, wire.TASKS, wire.Tasks(settled, []))

    # -- results and questions -----------------------------------------------------------------------------------------

    def on_fetched(self, message: Fetched) -> None:
        """Stored results are here."""
        self.inquiries.fetched(message)

    def on_looked_up(self, message: LookedUp) -> None:
        """What the store knows of some ids is here."""
        self.inquiries.looked_up(message)

    def on_steer_own(self, message: SteerOwn) -> None:
        """Have this node's slots told what was ordered."""
        self.helm.steer_own(message)

    def on_reply(self, message: Reply) -> None:
        """Carry an answer of the control component to whoever asked."""
        if self.is_open:
            self.inquiries.reply(message.peer, message.answer)

    def on_forward(self, message: Forward) -> None:
        """Carry a question of the control component to nodes."""
        if self.is_open:
            self.inquiries.forward(message.nodes, message.ask)

    def on_snapshot(self, _: Snapshot) -> dict[str, Any]:
        """Answer what is going on, as plain data.

        Raises:
            Refusal: it isn't known, or can't be told; the broker lives on.
        """
        if not self.is_open:
            raise Refusal("the broker is starting; ask again")
        try:
            counts = {
                "stale_reports": self._stale_reports,
                "recalls": self.balancer.recalls,
                "stuck": self.balancer.liveness.describe(),
                "slot_deaths": self.burials.count,
                "full": self.committer.is_full,
            }
            return {"epoch": self.epoch, **self.inquiries.snapshot(), **self.switchboard.snapshot(), **counts}
        except Exception as error:  # who asks how it goes mustn't be what ends it
            log.exception("question_failed", command="snapshot")
            raise Refusal(f"the broker can't tell: {error!r}") from error

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        if not self.is_open:
            return {"opening": True}
        return {"epoch": self.epoch, "slots": len(self._slots), "unfinished": self.ledger.unfinished}
