"""Keeps which results belong together: `save` and `restore` of groups and sets of results.

A part of the broker, which has the store do it; members are ids, and no result is looked at. A group is durable when its
`save` is answered, and goes when its time is over, as results do.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from actorq.messages.wire import Answer
from actorq.node.messages import EngineCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import Actor, NameRef, Outcome
    from actorq.messages.wire import Ask
    from actorq.node.peers import ClientPeer

__all__ = ["GroupQuestion", "Groups"]

MAX_MEMBERS: Final = 100_000  # in one group: bounds the row, and how long its commit takes
STORE_DEADLINE_S: Final = 10.0

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class GroupQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Save a group of these members for `ttl_s` seconds, load it, or drop it. `parent` is a task's id, or empty."""

    verb: Literal["save", "load", "drop"]
    id: _Id
    members: Annotated[list[_Id], msgspec.Meta(max_length=MAX_MEMBERS)] = []
    parent: Annotated[str, msgspec.Meta(max_length=255)] = ""
    ttl_s: Annotated[float, msgspec.Meta(gt=0)] | None = None


class Groups:
    """Belongs to the actor `owner`, in whose context everything here runs; `ttl_s` is for groups that say nothing."""

    def __init__(self, owner: Actor, store: NameRef, reply: Callable[[bytes, Answer], None], ttl_s: float) -> None:
        self._owner, self._store, self._reply, self._ttl_s = owner, store, reply, ttl_s

    def ask(self, peer: ClientPeer, ask: Ask) -> None:
        """Have the store carry out a question and answer it."""
        question = msgspec.convert(ask.arguments, GroupQuestion)
        done = functools.partial(self._answer, peer.routing_id, ask.request)
        self._owner.ask_then(self._store, self._make_call(question), STORE_DEADLINE_S, done)

    def _make_call(self, question: GroupQuestion) -> EngineCall:
        if question.verb == "load":
            return EngineCall("load_group", (question.id, self._owner.clock.now()))
        if question.verb == "drop":
            return EngineCall("drop_group", (question.id,))
        ttl_s = self._ttl_s if question.ttl_s is None else question.ttl_s
        body = msgspec.msgpack.encode((question.members, question.parent))
        return EngineCall("save_group", (question.id, body, self._owner.clock.now() + ttl_s))

    def _answer(self, routing_id: bytes, request: int, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reply(routing_id, Answer(request, error=f"the store did not answer: {outcome.error}"))
            return
        found: Any = outcome.value
        self._reply(routing_id, Answer(request, msgspec.msgpack.decode(found) if isinstance(found, bytes) else found))
