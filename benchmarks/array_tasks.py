"""The tasks of `bench_arrays`: the same array there and back, as a buffer and inside a pickle."""

from __future__ import annotations

import pickle
from typing import Any

from actorq import App

SIZES = {"message_max_bytes": 128 << 20, "accept_content": ["msgpack", "json", "pickle"]}

app = App("arrays", config=SIZES)


@app.task
def echo(array: Any) -> Any:
    """Return the array: it travels as a buffer both ways."""
    return array


@app.task
def echo_pickled(data: bytes) -> bytes:
    """Unpickle the array and pickle it again, in band."""
    return pickle.dumps(pickle.loads(data), protocol=4)
