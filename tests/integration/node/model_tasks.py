"""Tasks whose arguments are pydantic's to validate; only imported where it is installed."""

# No postponed annotations here: pydantic is to see them either way, and `test_validation.py` has the other one.
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from actorq import App, Secret, Task

app = App("models")


class Item(BaseModel):
    """One line of an order."""

    name: str
    count: int = 1


class Order(BaseModel):
    """An order."""

    number: UUID
    day: date
    items: list[Item]


@app.task(name="ship", pydantic=True)
def ship(order: Order, *, weight: float = 1.0) -> Order:
    """Return the order without its first item."""
    assert isinstance(order.day, date)
    assert type(weight) is float
    return Order(number=order.number, day=order.day, items=order.items[1:])


@app.task(name="ship_async", pydantic=True, bind=True)
async def ship_async(self: Any, order: Order, token: Secret[str]) -> list[Any]:
    """Return models in plain data, and plain data."""
    return [self.name, order.items[0], token.reveal(), {"order": order}]


class Count(Task[..., Any]):
    """A class-based one."""

    name = "count"
    pydantic = True
    redact = ("pin",)

    def run(self, item: Item | None, pin: int) -> int:
        """Return how many."""
        return item.count if item else pin - pin


count = app.register_task(Count)
