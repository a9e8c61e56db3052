"""A caller that keeps the load up until it is told to stop, and writes down the id of each task whose `delay()` returned.

Usage: python -m tests.chaos.stoker FIRST LOG STOP; it ends when the file STOP exists.

Short tasks all the time; now and then one for later, one of a second, one that asks for a retry; and it waits for some of
the results, as a caller does.
"""

from __future__ import annotations

import os
import sys
import time

from tests.chaos.chaos_tasks import app, stutter, work

BURST = 15
PAUSE_S = 0.03


def main(first: int, log: str, stop: str) -> None:
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    number, wrong = first, 0
    while not os.path.exists(stop):
        sent = [work.delay(number + place, 0.001) for place in range(BURST)]
        sent.append(work.apply_async((number + BURST,), countdown=0.2))
        if number % 7 == 0:
            sent.append(stutter.delay(number + BURST + 1))
        if number % 11 == 0:
            sent.append(work.delay(number + BURST + 1, 1.0))
        os.write(fd, "".join(f"{each.id} {number}\n" for each in sent).encode())
        if number % 5 == 0:
            wrong += sent[0].get(timeout=60) != number
        number += BURST + 2
        time.sleep(PAUSE_S)
    app.flush(timeout=60)
    app.close()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
