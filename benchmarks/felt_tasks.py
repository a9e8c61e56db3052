"""The tasks of `bench_tasks`, in a module of their own: a node imports them by its name."""

from __future__ import annotations

import asyncio
import time

from actorq import App

app = App("bench-felt")


@app.task
def work(seconds: float) -> None:
    """Return at once, or after a while."""
    if seconds:
        time.sleep(seconds)


@app.task(soft_time_limit=60)
def softly_limited(_: float) -> None:
    """Return at once, under a soft limit."""


@app.task(time_limit=60)
def hardly_limited(_: float) -> None:
    """Return at once, under a hard limit."""


@app.task
async def rest(seconds: float) -> None:
    """Return at once, or after a while in which others run."""
    if seconds:
        await asyncio.sleep(seconds)
