"""A node to be killed: a program that starts a zygote of APP and slots named NAME..., tells their pids, and waits."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from actorq.slot.orders import AppReady, SlotOptions
from actorq.slot.zygote_process import SlotStarted, ZygoteProcess
from actorq.testing.wait import wait_until


def main(home, runtime, app, *names):
    zygote = ZygoteProcess(app)
    # From a thread that ends: nobody's life may hang on it.
    starter = threading.Thread(target=zygote.start)
    starter.start()
    starter.join()
    print(zygote.pid, flush=True)
    replies = []

    def has(kind, count):
        replies.extend(zygote.read_replies())
        return sum(isinstance(reply, kind) for reply in replies) >= count

    wait_until(lambda: has(AppReady, 1), 60)
    for name in names:
        zygote.request_slot(SlotOptions(name, home, runtime, "n"))
    wait_until(lambda: has(SlotStarted, len(names)), 10)
    print(*(reply.pid for reply in replies if isinstance(reply, SlotStarted)), flush=True)
    os.read(0, 1)


if __name__ == "__main__":
    assert Path(sys.argv[1]).is_dir()
    main(*sys.argv[1:])
