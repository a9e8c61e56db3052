"""The data plane: one ROUTER socket where outboxes hand in tasks and slots take them.

Pinned; permanent; requires the store. It carries batches between sockets, the ledger (which decides) and the store (which
remembers), and decodes headers only: what a task was called with and what it returned pass through as bytes.

Order of things, per batch: receive → dispatch → commit → confirm. Confirmations and results go out after the commit,
never before. Dispatch doesn't wait for the commit: until then the task is still in its sender's outbox.

A crash costs nothing that was confirmed: a new broker starts with a new epoch and a new socket path, reads from the
slots' line files what they finished and what they run (`recovery`), and everybody else connects again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from actorq.actors import IGNORE, Actor
from actorq.errors import ActorqError
from actorq.log import get_logger
from actorq.messages import wire
from actorq.messages.reasons import is_clean
from actorq.node.balance import PATIENCE_S, RECALL_WAIT_S, SlotLoad, plan_recalls
from actorq.node.credit import fair_share
from actorq.node.desks import SlotDesk
from actorq.node.inquiries import Inquiries
from actorq.node.ledger import Ledger
from actorq.node.messages import (
    BeginEpoch,
    Commit,
    CommitRefused,
    Committed,
    EngineCall,
    Fetched,
    Forward,
    Lease,
    Leased,
    LookedUp,
    NodeAnswer,
    OrphanSafe,
    OrphanTasks,
    OutboxLeft,
    Register,
    Registered,
    RegisterRefused,
    Reply,
    Request,
    Snapshot,
    Woken,
)
from actorq.node.pacing import plan_pause
from actorq.node.peers import ClientPeer, NodePeer, Peer, SlotPeer
from actorq.node.recovery import read_lines
from actorq.node.switchboard import Route, Switchboard
from actorq.slot.line import LineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import ActorRef, Ignored, NameRef, Timer
    from actorq.config import Settings
    from actorq.engine.protocol import Receipt
    from actorq.messages.reasons import ExitReason
    from actorq.node.batch import Sealed
    from actorq.node.hub_lock import HubLock
    from actorq.transport.paths import Home

__all__ = ["Broker"]

log = get_logger(__name__)

MAX_FRAME_BYTES: Final = 256 << 20
SOCKET_QUEUE: Final = 10_000  # frames for one peer that doesn't read; beyond, its results wait in the store
FULL_RETRY_S: Final = 1.0
LOOK_S: Final = 0.5  # how long a finished task may wait behind a long one before its report is fetched
DEATH_NOTE_S: Final = 0.25  # how long a slot's node may take to say what killed it


class _Flush:
    """Timer: commit what waits."""


class _Retry:
    """Timer: the disk was full; try again."""


class _Balance:
    """Timer: look whether a slot sits on work that another could do."""


class _Recalled:
    """Timer: the fence that was put up for this slot is seen by now."""

    __slots__ = ("peer",)

    def __init__(self, peer: SlotPeer) -> None:
        self.peer = peer


class _DeathNote:
    """Timer: nobody said what killed this slot."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(frozen=True, slots=True)
class _Registration:
    """Who waits for an outbox's number."""

    found: Callable[[Registered], None]
    refused: Callable[[str], None]


class Broker(Actor):
    """Carries tasks and results; see the module."""

    pinned: ClassVar[bool] = True
    ledger: Ledger

    def init(self, *, store: NameRef, home: Home, settings: Settings, lock: HubLock, node: str) -> Ignored | None:
        """Begin an epoch: learn what slots hold, bind a fresh path, and tell the world."""
        if not lock.held:
            return IGNORE
        self.home, self.settings, self.node, self.store = home, settings, node, store
        opened = store.ask(BeginEpoch(), timeout=60.0)
        self.ledger = Ledger(opened, max_tasks=settings.queue_max_tasks, prefetch_s=settings.prefetch_s)
        self.epoch = opened.epoch
        self._clients: dict[int, ClientPeer] = {}  # by outbox number
        self._slots: dict[str, SlotPeer] = {}
        self._orphans: dict[int, ActorRef[Any]] = {}  # by outbox number: who empties it
        self._registering: dict[int, list[_Registration]] = {}
        self._graves: list[LineView] = []  # lines of dead slots whose reports aren't sealed yet
        self._graves_sealed: list[LineView] = []
        self._graves_kept: list[LineView] = []
        self._committing = False
        self._last_operations = 0
        self._last_commit_at = 0.0
        self._pending_since: float | None = None
        self._flush_timer: Timer | None = None
        self._balance_timer: Timer | None = None
        self._full_since: float | None = None
        self._counts = dict.fromkeys(("stale_reports", "recalls", "slot_deaths"), 0)
        self.switchboard = Switchboard(
            self.sockets,
            {
                wire.PUT: Route(wire.Put, ClientPeer, self._take),
                wire.DONE: Route(wire.Done, SlotPeer, self._settle),
                wire.WATCH: Route(wire.Watch, ClientPeer, self._watch),
                wire.ASK: Route(wire.Ask, ClientPeer, self._ask),
                wire.ANSWER: Route(wire.Answer, NodePeer, self._answer),
                wire.SLOT_DIED: Route(wire.SlotDied, NodePeer, self._slot_died),
                wire.RETIRE: Route(wire.Retire, NodePeer, self._retire),
            },
            on_hello=self._hello,
            on_ended=self._process_ended,
            on_left=self._forget,
        )
        self._send = self.switchboard.send
        self.inquiries = Inquiries(self.ledger, self._slots, store, self.self_ref, self._send)
        self._recover()
        self.switchboard.open(home, self.epoch, node)
        return None

    def _recover(self) -> None:
        """Learn from the line files what ended, what died and what still runs; see `recovery`."""
        now = self.clock.now()
        found = read_lines(self.home.lines, next(self.ledger.tokens))
        for each in found:
            for report in each.remains.reports:
                self.ledger.recover_report(report, now)
        self._store_sync()  # first what ended: whatever is in the store after that hasn't
        for each in found:
            running, task = each.remains.executing, None
            if running is not None:
                task = self.store.ask(EngineCall("adopt", running), timeout=30.0)
            if each.alive:
                self._adopt(each.view, running, task)
                continue
            if task is not None and running is not None:
                self.ledger.recover_death(task, running[1], "the end of its node", now)
            self._graves.append(each.view)
        self._store_sync()
        if found:
            log.info("slots_recovered", alive=len(self._slots), dead=len(found) - len(self._slots))

    def _adopt(self, view: LineView, running: tuple[int, int] | None, task: Any) -> None:
        desk = self.ledger.slots[view.name] = SlotDesk(view.name, pid=view.pid)
        peer = self._slots[desk.name] = SlotPeer(routing_id=b"", pid=view.pid, desk=desk, line=view)
        if running is not None:
            self.ledger.adopt(desk, *running, task)
        self.switchboard.watch(peer)

    def _store_sync(self) -> None:
        sealed = self.ledger.seal()
        if sealed is not None:
            self.ledger.committed(sealed, self.store.ask(EngineCall("commit", (sealed.transaction,)), timeout=60.0))
        self._clear(self._graves)

    def terminate(self, reason: ExitReason) -> None:
        """Write what can be written, and leave nothing behind."""
        if not hasattr(self, "switchboard"):
            return
        if is_clean(reason):
            self._settle_estates()
        self.switchboard.close()
        for slot in self._slots.values():
            slot.line.close()

    def _settle_estates(self) -> None:
        """At an end in good order the slots have gone first: write what they left, so that nobody has to recover it."""
        for name, peer in list(self._slots.items()):
            if not peer.line.is_alive():
                self._bury(name, "the end of its node", "")
        try:
            self._graves += self._graves_sealed  # their transaction is ahead of this one in the store's mailbox
            self._store_sync()
        except ActorqError as error:
            log.warning("estates_not_settled", why=str(error))

    # -- who is there --------------------------------------------------------------------------------------------------

    def _hello(self, routing_id: bytes, hello: wire.Hello) -> None:
        if hello.protocol != wire.PROTOCOL:
            error = f"expected protocol {wire.PROTOCOL}, got {hello.protocol}: run one version of actorq on a home"
            self._welcome(routing_id, error=error)
        elif hello.role == "slot":
            self._hello_slot(routing_id, hello)
        elif hello.role == "node":
            self.switchboard.connect(NodePeer(pid=hello.pid, name=hello.name), routing_id)
            self._welcome(routing_id)
        elif hello.outbox_id == 0:
            self.switchboard.connect(ClientPeer(pid=hello.pid), routing_id)
            self._welcome(routing_id)
        else:
            self._with_outbox(
                hello.outbox_id,
                lambda found: self._hello_client(routing_id, hello, found),
                lambda detail: self._welcome(routing_id, error=detail),
            )

    def _welcome(self, routing_id: bytes, taken: int = 0, outbox_no: int = 0, error: str = "") -> None:
        self._send(routing_id, wire.WELCOME, wire.Welcome(wire.PROTOCOL, self.epoch, taken, outbox_no, error))

    def _hello_client(self, routing_id: bytes, hello: wire.Hello, found: Registered) -> None:
        desk = self.ledger.open_outbox(found.outbox_id, found.no, found.taken)
        peer = self._clients[desk.no] = ClientPeer(pid=hello.pid, desk=desk)
        self.switchboard.connect(peer, routing_id)
        # What is taken but not committed comes again and is passed over; its sender must keep it until then.
        self._welcome(routing_id, desk.committed, desk.no)

    def _hello_slot(self, routing_id: bytes, hello: wire.Hello) -> None:
        peer = self._slots.get(hello.name)
        if peer is None:
            is_plain = hello.name.isprintable() and "/" not in hello.name
            line = LineView.attach(self.home.lines / f"{hello.name}.line") if is_plain else None
            if line is None:
                log.warning("slot_refused", slot=hello.name)
                self._welcome(routing_id, error=f"expected a line file for slot {hello.name!r}, got none")
                return
            desk = self.ledger.slots[hello.name] = SlotDesk(hello.name)
            peer = self._slots[hello.name] = SlotPeer(pid=hello.pid, desk=desk, line=line)
        peer.pid, peer.desk.node, peer.desk.pid = hello.pid, hello.node, hello.pid
        self.switchboard.connect(peer, routing_id)
        self._welcome(routing_id)

    def _process_ended(self, peer: Peer) -> None:
        if isinstance(peer, SlotPeer):
            peer.desk.closed = True
            self.timers.after(DEATH_NOTE_S, _DeathNote(peer.desk.name))
        else:
            self._forget(peer)

    def _forget(self, peer: Peer) -> None:
        """Give a peer up. Not a slot, whose process may be running something: it is given up when that has ended."""
        if isinstance(peer, SlotPeer) or not self.switchboard.drop(peer):
            return
        if isinstance(peer, ClientPeer):
            self.inquiries.drop(peer)
            if peer.desk is not None:
                if self._clients.get(peer.desk.no) is peer:
                    del self._clients[peer.desk.no]
                self.system.ref("outboxes").tell(OutboxLeft(peer.desk.outbox_id))

    # -- tasks come in -------------------------------------------------------------------------------------------------

    def _with_outbox(
        self, outbox_id: int, found: Callable[[Registered], None], refused: Callable[[str], None] = lambda _: None
    ) -> None:
        # Asked of the store each time, also for a known one: it must not be taken for one that nobody needs any more.
        waiting = self._registering.setdefault(outbox_id, [])
        waiting.append(_Registration(found, refused))
        if len(waiting) == 1:
            self.store.tell(Register(outbox_id, self.self_ref))

    def on_registered(self, message: Registered) -> None:
        """Go on with whoever waits for this outbox's number."""
        self.ledger.open_outbox(message.outbox_id, message.no, message.taken)
        for waiting in self._registering.pop(message.outbox_id, ()):
            waiting.found(message)

    def on_register_refused(self, message: RegisterRefused) -> None:
        """Turn away who came with a new outbox; it comes again."""
        for waiting in self._registering.pop(message.outbox_id, ()):
            waiting.refused(message.detail)

    def _take(self, peer: ClientPeer, put: wire.Put) -> None:
        desk = peer.desk
        if desk is None or not put.messages:
            return
        first = put.messages[0].number
        if self._full_since is not None:
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
            self.ledger.take(desk, put.messages, self.clock.now())
            return
        self._send(peer.routing_id, wire.REFUSED, refused)

    def on_orphan_tasks(self, message: OrphanTasks) -> None:
        """Take tasks from an outbox whose process is gone."""

        def take(found: Registered) -> None:
            desk = self.ledger.open_outbox(found.outbox_id, found.no, found.taken)
            self._orphans[desk.no] = message.reply_to
            if not message.messages or message.messages[-1].number <= desk.committed:
                message.reply_to.tell(OrphanSafe(desk.outbox_id, desk.committed))
            elif self._full_since is None:
                self.ledger.take(desk, message.messages, self.clock.now())

        self._with_outbox(message.outbox_id, take)

    def on_woken(self, message: Woken) -> None:
        """Tasks became due."""
        self.ledger.lanes.woken(message.queues)

    def on_leased(self, message: Leased) -> None:
        """Tasks came back from the store."""
        self.ledger.lanes.refill(message.queue, message.tasks, exhausted=message.exhausted)

    # -- tasks go out --------------------------------------------------------------------------------------------------

    def on_drained(self) -> None:
        """After each batch of whatever came: hand out work, then write down what happened."""
        ledger = self.ledger
        if ledger.waiting:
            self._dispatch()
        for queue, limit in ledger.lanes.refills():
            self.store.tell(Lease(queue, limit, self.self_ref))
        if not self._committing:
            self._commit()
        if self._balance_timer is None and self._slots:
            self._arm_balance()

    def _dispatch(self) -> None:
        ledger, now = self.ledger, self.clock.now()
        hungry = [
            peer
            for peer in self._slots.values()
            if not peer.desk.closed and peer.routing_id and len(peer.desk.held) <= peer.desk.credit // 2
        ]
        # The emptiest first: an idle slot must not go without because a busy one was asked before it.
        hungry.sort(key=lambda peer: len(peer.desk.held))
        for place, peer in enumerate(hungry):
            desk = peer.desk
            limit = min(desk.credit - len(desk.held), fair_share(ledger.waiting, len(hungry) - place))
            drawn = ledger.draw(desk, limit, now)
            if drawn and not self._send(peer.routing_id, wire.TASKS, wire.Tasks(desk.settled, drawn)):
                ledger.undo(desk, drawn)  # gone, and the kernel hasn't said so yet
                desk.closed = True

    def _settle(self, peer: SlotPeer, done: wire.Done) -> None:
        stale = self.ledger.settle(peer.desk, done.first, done.reports, self.clock.now())
        if stale:
            self._counts["stale_reports"] += stale
            self.ledger.keep_adopted(peer.desk, done.reports)

    def _arm_balance(self) -> None:
        """Look at the slots again soon if one is idle and another has a list, else now and then while any is at work."""
        idle = busy = lists = False
        for peer in self._slots.values():
            held = len(peer.desk.held)
            idle = idle or not held
            busy = busy or held > 0
            lists = lists or held > 1
        if busy:
            self._balance_timer = self.timers.after(PATIENCE_S if idle and lists else LOOK_S, _Balance())

    def on_balance(self, _: _Balance) -> None:
        """Take what slots finished before a long task and haven't sent; recall what waits there if somebody is idle."""
        self._balance_timer = None
        loads = []
        for name, peer in self._slots.items():
            running_s = peer.line.running_s()
            if peer.desk.held and running_s >= PATIENCE_S:
                self.ledger.settle_early(peer.desk, peer.line.unsettled_reports(), self.clock.now())
            loads.append(SlotLoad(name, len(peer.desk.held), running_s, not peer.desk.closed))
        if not self.ledger.waiting:
            for name in plan_recalls(loads):
                self._counts["recalls"] += 1
                self._recall(self._slots[name])

    def _recall(self, peer: SlotPeer) -> None:
        peer.desk.closed = True
        peer.line.set_fence(next(self.ledger.tokens))
        self.timers.after(RECALL_WAIT_S, _Recalled(peer))

    def on_recalled(self, message: _Recalled) -> None:
        """By now the slot has seen the fence: it keeps what it runs, the rest is dealt again."""
        peer = message.peer
        desk, line = peer.desk, peer.line
        if self._slots.get(desk.name) is not peer or desk.retiring:
            return
        running = line.executing()
        self.ledger.settle_early(desk, line.unsettled_reports(), self.clock.now())
        if line.has_unprotected_reports(desk.reported):
            self.timers.after(RECALL_WAIT_S, message)  # a report too big for the line is on its way: wait for it
            return
        self.ledger.hand_back(desk, keep={running[0]} if running else ())
        desk.closed = not self.switchboard.is_watched(peer)

    def _retire(self, _: NodePeer, message: wire.Retire) -> None:
        peer = self._slots.get(message.name)
        if peer is not None:
            peer.desk.closed = peer.desk.retiring = True
            peer.line.set_fence(next(self.ledger.tokens))
            self._send(peer.routing_id, wire.RETIRE, message)

    # -- a slot dies ---------------------------------------------------------------------------------------------------

    def _slot_died(self, _: NodePeer, note: wire.SlotDied) -> None:
        self._bury(note.name, note.cause, note.traceback)

    def on_death_note(self, message: _DeathNote) -> None:
        """Nobody said why this slot ended."""
        self._bury(message.name, "the end of its node", "")

    def _bury(self, name: str, cause: str, traceback: str) -> None:
        """Split what a dead slot held: reported → ended; running → a failed delivery; the rest → handed back in order."""
        peer = self._slots.pop(name, None)
        if peer is None:
            self._bury_stranger(name)
            return
        self._counts["slot_deaths"] += 1
        self.switchboard.drop(peer)
        desk, now = peer.desk, self.clock.now()
        reports, running = peer.line.remains()
        self.ledger.keep_adopted(desk, reports)
        self.ledger.settle_early(desk, reports, now)
        if running is not None and running[0] in desk.held and not desk.retiring:
            task = desk.held[running[0]].message.task
            dead = self.ledger.fail_delivery(desk, running[0], cause, traceback, now)
            log.warning("slot_died", slot=name, node=desk.node, cause=cause, task=task, dead_letter=dead)
        self.ledger.lose_adopted(desk)
        back = self.ledger.hand_back(desk)
        del self.ledger.slots[name]
        # The file goes after the commit: if this process dies before, its successor reads it again.
        self._graves.append(peer.line)
        if back:
            log.info("deliveries_handed_back", slot=name, count=back)

    def _bury_stranger(self, name: str) -> None:
        """Clear away the line of a slot that died before it ever connected: nothing was delivered to it."""
        view = LineView.attach(self.home.lines / f"{name}.line")
        if view is None:
            return
        if view.is_alive() or view.remains() != ([], None):
            view.close()
        else:
            self._clear([view])

    # -- commits -------------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Hand over to the store what waits, now or after the pause that `pacing` finds right."""
        pending = self.ledger.operations
        if pending:
            now = self.clock.monotonic()
            if self._pending_since is None:
                self._pending_since = now
            pause_s = plan_pause(
                pending,
                last=self._last_operations,
                since_commit_s=now - self._last_commit_at,
                waited_s=now - self._pending_since,
                all_out=self.ledger.is_all_out,
            )
            if pause_s:
                if self._flush_timer is None:
                    self._flush_timer = self.timers.after(pause_s, _Flush())
                return
        sealed = self.ledger.seal()
        if sealed is None:
            self._clear(self._graves)
            return
        self._pending_since = None
        self._graves_sealed, self._graves = self._graves, []
        self._committing = True
        self._last_operations = sealed.operations
        self.store.tell(Commit(sealed, self.self_ref))

    def on_flush(self, _: _Flush) -> None:
        """The pause is over; `on_drained` follows."""
        self._flush_timer = None

    def on_committed(self, message: Committed) -> None:
        """Tell senders that their tasks are safe, and waiting callers their results."""
        self._full_since = None
        self._committing = False
        self._after_commit(message.sealed, message.receipt)

    def on_commit_refused(self, message: CommitRefused) -> None:
        """No room: what ended is safe, new tasks stay in memory and in their outboxes until there is room again."""
        if self._full_since is None:
            self._full_since = self.clock.monotonic()
            log.error("store_full", path=str(self.home.path), detail=message.detail)
        self.ledger.unseal_puts(message.sealed)
        self._after_commit(message.sealed, message.receipt)
        self.timers.after(FULL_RETRY_S, _Retry())  # until then `_committing` stays: to try at once would spin

    def on_retry(self, _: _Retry) -> None:
        """Try again to write what had no room; `on_drained` follows."""
        self._committing = False

    def _after_commit(self, sealed: Sealed, receipt: Receipt) -> None:
        self._last_commit_at = self.clock.monotonic()
        self.ledger.committed(sealed, receipt)
        if receipt.refused:
            log.warning("settlements_refused", count=len(receipt.refused))
        for no, number in sealed.confirms.items():
            client = self._clients.get(no)
            if client is not None:
                self._send(client.routing_id, wire.CONFIRM, wire.Confirm(number))
            orphan = self._orphans.get(no)
            if orphan is not None:
                orphan.tell(OrphanSafe(self.ledger.by_no[no].outbox_id, number))
        self.inquiries.push(sealed.results)
        for slot, settled in sealed.settled.items():
            peer = self._slots.get(slot.name)
            if peer is not None and not slot.held and peer.routing_id:
                # An idle slot gets no tasks that would tell it; until it knows, it keeps these reports in memory.
                self._send(peer.routing_id, wire.TASKS, wire.Tasks(settled, []))
        self._clear(self._graves_sealed)

    def _clear(self, graves: list[LineView]) -> None:
        """Remove lines of dead slots; not while reports in them wait for their tasks to be sent again."""
        self._graves_kept += graves
        graves.clear()
        if self.ledger.has_early:
            return
        for view in self._graves_kept:
            view.remove()
            view.close()
        self._graves_kept.clear()

    # -- results and questions -----------------------------------------------------------------------------------------

    def _watch(self, peer: ClientPeer, watch: wire.Watch) -> None:
        self.inquiries.watch(peer, watch)

    def on_fetched(self, message: Fetched) -> None:
        """Stored results are here."""
        self.inquiries.fetched(message)

    def on_looked_up(self, message: LookedUp) -> None:
        """What the store knows of some ids is here."""
        self.inquiries.looked_up(message)

    def _ask(self, peer: ClientPeer, ask: wire.Ask) -> None:
        try:
            if ask.command == "task_state":
                self.inquiries.tell_states(peer, ask)
            elif ask.command == "forget":
                self.inquiries.forget(peer, ask)
            else:
                self.system.ref("control").tell(Request(peer.routing_id, ask.request, ask.command, ask.arguments))
        except (KeyError, TypeError, ValueError) as error:
            answer = wire.Answer(ask.request, error=f"bad arguments for {ask.command!r}: {error!r}")
            self._send(peer.routing_id, wire.ANSWER, answer)

    def on_reply(self, message: Reply) -> None:
        """Carry an answer of the control component to whoever asked."""
        self._send(message.peer, wire.ANSWER, message.answer)

    def on_forward(self, message: Forward) -> None:
        """Carry a question of the control component to the other nodes; answer how many were asked."""
        for peer in self.switchboard:
            if isinstance(peer, NodePeer) and peer.name in message.nodes:
                self._send(peer.routing_id, wire.ASK, message.ask)

    def _answer(self, peer: NodePeer, answer: wire.Answer) -> None:
        self.system.ref("control").tell(NodeAnswer(peer.name, answer))

    def on_snapshot(self, _: Snapshot) -> dict[str, Any]:
        """Answer what is going on, as plain data."""
        counts = {**self._counts, "full": self._full_since is not None}
        return {"epoch": self.epoch, **self.inquiries.snapshot(), **self.switchboard.snapshot(), **counts}

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        if not hasattr(self, "switchboard"):
            return {"role": "not the hub"}
        return {"epoch": self.epoch, "slots": len(self._slots), "unfinished": self.ledger.unfinished}
