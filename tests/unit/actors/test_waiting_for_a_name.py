"""A ref of a name that waits, while its bearer is on the way out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from actorq.actors import Actor
from actorq.testing.wait import wait_until

if TYPE_CHECKING:
    from actorq.actors import System
    from actorq.messages.reasons import ExitReason


class SlowToEnd(Actor):
    pinned = True

    def init(self, leaves: threading.Event) -> None:
        self.leaves = leaves

    def on_receive(self, message: object) -> object:
        return message

    def terminate(self, reason: ExitReason) -> None:
        self.leaves.wait(10)


def test_an_ask_that_meets_a_bearer_on_its_way_out_is_kept_for_the_next_one(system: System) -> None:
    leaves = threading.Event()
    first = system.spawn(SlowToEnd, leaves, name="slow")
    patient, hasty = system.ref("slow", wait_s=10.0), system.ref("slow")
    system.exit(first)
    wait_until(lambda: not first.is_alive(), what="the first one to take no more")
    assert hasty.is_alive()  # the name isn't free yet
    answer = patient.ask("hello", block=False)
    leaves.set()
    wait_until(lambda: system.whereis("slow") is None, what="the name to be free")
    system.spawn(SlowToEnd, leaves, name="slow")
    assert answer.get(timeout=5) == "hello"
