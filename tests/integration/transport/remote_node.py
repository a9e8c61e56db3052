"""A process with one supervised System and a gateway: `python -m tests.integration.transport.remote_node NAME FOLDER`."""

from __future__ import annotations

import os
import sys
from typing import Any

from actorq.actors import Actor, System
from actorq.supervisor import ChildSpec, Supervisor
from actorq.transport.gateway import Gateway
from actorq.transport.heartbeat import HeartbeatPolicy
from tests.unit.transport.players import MESSAGES, Player, Trusting

POLICY = HeartbeatPolicy(interval_s=0.1, suspect_s=0.4, dead_s=1.0, lost_link_s=0.1)


class Butler(Actor):
    """Does what no other actor should: tells of its process, links, ends."""

    def on_receive(self, message: Any) -> Any:
        match message:
            case ["pid"]:
                return os.getpid()
            case ["count"]:
                return self.system.dead_letters.by_reason
            case ["kill", name]:
                ref = self.system.whereis(name)
                if ref is not None:
                    self.system.kill(ref)
                return None
            case ["link", name, ref]:
                self.system.ref(name).tell(lambda actor: actor.link(ref))
                return None
            case ["alive", name]:
                return self.system.whereis(name) is not None
        return None


def specs(folder: str) -> list[ChildSpec]:
    gateway = {"folder": folder, "messages": MESSAGES, "heartbeat": POLICY}
    return [
        ChildSpec("gateway", Gateway, kwargs=gateway, name="gateway"),
        ChildSpec("counter", Player, name="counter"),
        ChildSpec("butler", Butler, name="butler"),
        ChildSpec("linked", Trusting, name="linked", restart="temporary"),
    ]


def main() -> None:
    name, folder = sys.argv[1:]
    system = System(name)
    system.spawn(Supervisor, specs(folder), strategy="one_for_one", intensity=1_000, period_s=10.0)
    print("ready", flush=True)
    sys.stdin.read()
    system.shutdown()


if __name__ == "__main__":
    main()
