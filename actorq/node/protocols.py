"""What each built-in component must handle, and so whatever takes its place: a handler for every message others send it.

Checked when the graph is resolved. That a replacement has the handlers can be checked; what they have to do is said at the
messages, in `actorq.node.messages`, and here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from actorq.engine.protocol import Opened
    from actorq.node import messages

__all__ = [
    "BrokerProtocol",
    "ControlProtocol",
    "LinkProtocol",
    "OutboxesProtocol",
    "StoreProtocol",
    "TimersProtocol",
]


class StoreProtocol(Protocol):
    """Keeps tasks and results. Answers in the order of arrival; a `Committed` that was told survives what was promised."""

    def on_begin_epoch(self, message: messages.BeginEpoch) -> Opened:
        """Answer with an epoch larger than all before."""

    def on_engine_call(self, call: messages.EngineCall) -> Any:
        """Answer what the engine's method answers."""

    def on_commit(self, message: messages.Commit) -> None:
        """Write one transaction; tell `Committed` or `CommitRefused`, and tell "timers" when the next task is due."""

    def on_lease(self, message: messages.Lease) -> None:
        """Tell `Leased` with ready tasks of a queue."""

    def on_register(self, message: messages.Register) -> None:
        """Give an outbox its number; tell `Registered` or `RegisterRefused`."""

    def on_fetch(self, message: messages.Fetch) -> None:
        """Tell `Fetched` with results of a range of keys."""

    def on_look_up(self, message: messages.LookUp) -> None:
        """Tell `LookedUp` with tasks found by id."""


class BrokerProtocol(Protocol):
    """Takes tasks from clients, gives them to slots, settles them; answers questions from memory."""

    def on_registered(self, message: messages.Registered) -> None:
        """Hear of an outbox's number."""

    def on_register_refused(self, message: messages.RegisterRefused) -> None:
        """Hear that an outbox couldn't get one."""

    def on_orphan_tasks(self, message: messages.OrphanTasks) -> None:
        """Take tasks of a sender that is gone; tell `OrphanSafe` once they are committed."""

    def on_woken(self, message: messages.Woken) -> None:
        """Hear that tasks became due."""

    def on_leased(self, message: messages.Leased) -> None:
        """Take ready tasks from the store."""

    def on_committed(self, message: messages.Committed) -> None:
        """Hear that a transaction is written."""

    def on_commit_refused(self, message: messages.CommitRefused) -> None:
        """Hear that new tasks were refused."""

    def on_fetched(self, message: messages.Fetched) -> None:
        """Take results from the store."""

    def on_looked_up(self, message: messages.LookedUp) -> None:
        """Take tasks that were asked for by id."""

    def on_steer_own(self, message: messages.SteerOwn) -> None:
        """Tell the slots of this node what to do from now on."""

    def on_reply(self, message: messages.Reply) -> None:
        """Send an answer to whoever asked."""

    def on_forward(self, message: messages.Forward) -> None:
        """Send a question to nodes."""

    def on_snapshot(self, message: messages.Snapshot) -> dict[str, Any]:
        """Answer with what is going on."""


class TimersProtocol(Protocol):
    """Has the store make due tasks ready (`wake_due`) and tells the broker which queues have some (`Woken`).

    It is told only of a due time that is earlier than those before, and of none at a start: it asks the store first.
    """

    def on_tasks_due(self, message: messages.TasksDue) -> None:
        """Hear when the first of the tasks for later is due."""


class OutboxesProtocol(Protocol):
    """Takes over outboxes whose owners are gone."""

    def on_outbox_left(self, message: messages.OutboxLeft) -> None:
        """Hear that an owner is gone."""

    def on_orphan_safe(self, message: messages.OrphanSafe) -> None:
        """Hear that tasks of an outbox are in the store."""


class LinkProtocol(Protocol):
    """Connects this node to the hub, its own included."""

    def on_node_reply(self, message: messages.NodeReply) -> None:
        """Send this node's answer to the hub."""

    def on_slot_gone(self, message: messages.SlotGone) -> None:
        """Tell the hub that a slot has ended."""

    def on_retire_slot(self, message: messages.RetireSlot) -> None:
        """Tell the hub that a slot is to end."""

    def on_steer_slots(self, message: messages.SteerSlots) -> None:
        """Tell the hub what this node's slots are to do from now on."""


class ControlProtocol(Protocol):
    """Answers questions about nodes."""

    def on_request(self, request: messages.Request) -> None:
        """Answer a question from outside, with `Reply` to the broker."""

    def on_node_answer(self, message: messages.NodeAnswer) -> None:
        """Take another node's answer."""

    def on_node_question(self, question: messages.NodeQuestion) -> None:
        """Answer a question of the hub, with `NodeReply` to the link."""
