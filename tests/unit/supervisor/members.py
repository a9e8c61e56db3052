"""Children for the tests of supervisors, and a supervisor to put them under."""

from __future__ import annotations

import threading
from typing import Any

from actorq.actors import Actor, Exit
from actorq.supervisor import ChildSpec, Supervisor
from actorq.testing.wait import wait_until


def crash(_):
    raise RuntimeError("oops")


def fail(_):
    raise LookupError("no")


def leave(reason):
    """Return what ends an actor with `reason`."""

    def end(_):
        raise Exit(reason)

    return end


class Journal(list[Any]):
    """What happened, in order: ("start" | "stop", id)."""

    def starts(self):
        return [id for what, id in self if what == "start"]

    def stops(self):
        return [id for what, id in self if what == "stop"]


class Member(Actor):
    """Writes its starts and stops into a journal; does what it is told."""

    def init(self, id, journal, plan=None):
        self.id, self.journal = id, journal
        journal.append(("start", id))
        if plan is not None:
            step = plan.pop(0) if plan else None
            if step is not None:
                return step(self)
        return None

    def terminate(self, reason):
        self.journal.append(("stop", self.id))

    def do(self, function):
        return function(self)


class PinnedMember(Member):
    pinned = True


class Gated:
    """Members that are held up until `gate` is set."""

    def __init__(self):
        self.gate, self.entered = threading.Event(), threading.Event()
        gated = self

        class Stopping(PinnedMember):
            def terminate(self, reason):
                gated.wait()
                super().terminate(reason)

        self.stopping = Stopping

    def wait(self, _=None):
        """Hold up whoever calls; as a step of a plan: a start that goes on when the gate opens."""
        self.entered.set()
        self.gate.wait(10)


class Harness:
    """A supervisor over members, and how to reach them."""

    def __init__(self, system):
        self.system, self.journal = system, Journal()

    def spec(self, id, *, cls=Member, plan=None, **fields):
        return ChildSpec(id, cls, kwargs={"id": id, "journal": self.journal, "plan": plan}, **fields)

    def start(self, *specs, strategy="one_for_one", intensity=3, period_s=5.0, **flags):
        self.ref = self.system.spawn(
            Supervisor, specs, strategy=strategy, intensity=intensity, period_s=period_s, name="top", **flags
        )
        return self.ref

    def which(self):
        return {info.id: info for info in self.ref.proxy().which_children().get()}

    def child(self, id):
        info = self.which().get(id)
        return None if info is None else info.ref

    def state(self, id):
        info = self.which().get(id)
        return "gone" if info is None else info.state

    def end(self, id, function):
        """Let a child end by `function(actor)` and wait until it has."""
        ref = self.child(id)
        ref.proxy().do.defer(function)
        assert self.system.wait_down(ref) is not None
        return ref

    def settle(self, *ids):
        """Wait until nothing is going on and these are up."""
        wait_until(lambda: all(self.is_up(id) for id in ids), what=f"{ids} to be up")

    def is_up(self, id):
        """Return whether a child is up, and not merely not known to be dead yet."""
        info = self.which().get(id)
        return info is not None and info.state == "up" and info.ref.is_alive()
