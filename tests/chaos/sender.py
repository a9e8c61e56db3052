"""A caller that sends a number of tasks and writes down the id of each one whose `delay()` has returned.

Usage: python -m tests.chaos.sender COUNT FIRST LOG SECONDS
"""

from __future__ import annotations

import os
import sys

from tests.chaos.chaos_tasks import app, work


def main(count: int, first: int, log: str, seconds: float) -> None:
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(first, first + count):
        sent = work.delay(number, seconds) if seconds else work.delay(number)
        os.write(fd, f"{sent.id} {number}\n".encode())
    app.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
