"""Lists of tasks that no slot has: those for later, and those that must not start. A part of the broker, in its loop.

They are the home's, not one node's: they stand under the name of the hub, in the form in which all nodes answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.messages.wire import Answer
from actorq.node.messages import EngineCall
from actorq.node.overview import choose_nodes
from actorq.node.queue_questions import describe_waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import Actor, NameRef, Outcome
    from actorq.messages.wire import Ask
    from actorq.node.ledger import Ledger
    from actorq.node.peers import ClientPeer
    from actorq.node.switchboard import Switchboard

__all__ = ["Listings"]

LISTED: Final = 1_000  # tasks in one answer
STORE_DEADLINE_S: Final = 5.0


class Listings:
    """Answers for the broker `owner` on the node `node`; `reply(routing_id, answer)` sends an answer."""

    def __init__(
        self,
        owner: Actor,
        node: str,
        *,
        ledger: Ledger,
        store: NameRef,
        switchboard: Switchboard,
        reply: Callable[[bytes, Answer], None],
    ) -> None:
        self._owner, self._node, self._ledger, self._store = owner, node, ledger, store
        self._switchboard, self._reply = switchboard, reply

    def ask_scheduled(self, peer: ClientPeer, ask: Ask) -> None:
        """Tell the tasks that wait for an eta or a retry, the first due first."""
        nodes = self._choose(ask)

        def told(outcome: Outcome) -> None:
            if outcome.ok:
                tasks = [{**describe_waiting(task, body=False), "queue": task.message.queue} for task in outcome.value]
                answer = Answer(ask.request, self._under(nodes, tasks))
            else:
                answer = Answer(ask.request, error=f"the store did not answer: {outcome.error}")
            self._reply(peer.routing_id, answer)

        self._owner.ask_then(self._store, EngineCall("scheduled", (LISTED,)), STORE_DEADLINE_S, told)

    def ask_revoked(self, peer: ClientPeer, ask: Ask) -> None:
        """Tell which ids must not start (again), and until when that is remembered."""
        noted = self._ledger.cancellations.revoked.list()
        ids = [{"id": task_id, "until": until} for task_id, until in list(noted.items())[:LISTED]]
        self._reply(peer.routing_id, Answer(ask.request, self._under(self._choose(ask), ids)))

    def _choose(self, ask: Ask) -> set[str]:
        return choose_nodes({self._node, *self._switchboard.snapshot()["nodes"]}, dict(ask.arguments))

    def _under(self, nodes: set[str], found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        return {name: found if name == self._node else [] for name in sorted(nodes)}
