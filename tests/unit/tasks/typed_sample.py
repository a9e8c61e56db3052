"""What a type checker must see: read by `test_typing.py`, never run."""

from typing import assert_type

from actorq import App, AsyncResult, Task

app = App("typed")


@app.task
def add(x: int, y: int = 1) -> int:
    return x + y


@app.task(queue="q")
def split(text: str) -> list[str]:
    return text.split()


@app.task
async def ping(host: str) -> float:
    return float(len(host))


@app.task(bind=True, max_retries=3)
def fetch(self: Task[..., bytes], url: str) -> bytes:
    return url.encode()


assert_type(add(1, 2), int)
assert_type(add.delay(1, y=2), AsyncResult[int])
assert_type(add.delay(1).get(), int)
assert_type(add.apply_async((1,)), AsyncResult[int])
assert_type(add.delay_many([(1,), (2, 3)]), list[AsyncResult[int]])
assert_type(split.delay("a b").get(timeout=1), list[str])
assert_type(ping.delay("h"), AsyncResult[float])
assert_type(fetch.delay("u").get(), bytes)
assert_type(add.apply((1,)).get(), int)


async def main() -> None:
    assert_type(await add.delay(1), int)
    assert_type(await ping("h"), float)
    assert_type(await ping.delay("h"), float)


add.delay("1")  # type: ignore[arg-type]
add.delay(1, z=2)  # type: ignore[call-arg]
fetch.delay(3)  # type: ignore[arg-type]
ping.delay()  # type: ignore[call-arg]
app.task(quue="q")  # type: ignore[call-overload]
