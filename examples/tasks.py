"""The first tasks. Run a node beside it with `actorq node -A examples.tasks`, then call them:

>>> from examples.tasks import add
>>> add.delay(2, 3).get(timeout=5)
5
"""

from __future__ import annotations

import asyncio
import time

from actorq import App

app = App("shop")  # embedded broker; nothing else to run


@app.task
def add(x: int, y: int) -> int:
    """Return the sum."""
    return x + y


@app.task
async def ping(host: str, port: int = 80) -> float:
    """Return the seconds it takes to open a connection to `host`."""
    started_at = time.perf_counter()
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()
    return time.perf_counter() - started_at
