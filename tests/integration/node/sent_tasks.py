"""Tasks of which signatures are sent."""

from __future__ import annotations

from actorq import App

app = App("sent")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
async def double(x: int) -> int:
    return 2 * x


@app.task(bind=True)
def give_way(self) -> int:
    return int(self.replace(add.s(1, 1)))
