"""What travels through a real node: each serializer both ways, compressed, large, refused, damaged, and a bomb."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import zlib
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from actorq import App, ContentDisallowed, DecodeError, EncodeError, MessageTooLarge
from actorq.codec import CODEC_NAMES, PICKLE
from actorq.codec.compression import COMPRESSION_SHIFT, ZLIB
from actorq.messages.task import TaskMessage
from tests.nodes import ROOT, NodeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actorq import AsyncResult

GET_S = 30.0
LIMIT = 32 << 20
LARGE = 8 << 20
TASKS = f"""
from actorq import App

app = App("shop", config={{
    "accept_content": ["msgpack", "json", "pickle", "cloudpickle"],
    "message_max_bytes": {LIMIT},
    "result_compression": "zlib",
    "task_time_limit": 60,
}})

@app.task
def echo(value):
    return value

@app.task(ignore_result=True)
def swallow(value):
    pass

@app.task
def call(function, *args):
    return function(*args)

@app.task
def repeat(value, times):
    return value * times

@app.task
def locked(value):
    import threading
    return threading.Lock()

@app.task
def add_up(array):
    return array.flags.writeable, array.dtype.str, array.shape, float(array.sum())

@app.task
def fail(size):
    raise ValueError("too much", bytes(size))

@app.task(bind=True)
def grow(self, value):
    if self.request.retries:
        return len(value)
    raise self.retry(args=(value * 2,), countdown=0)
"""
DEFAULTS = """
from actorq import App

app = App("shop")

@app.task
def add(x, y):
    return x + y
"""
OPEN = {"accept_content": list(CODEC_NAMES), "message_max_bytes": LIMIT}


@pytest.fixture
def app(folder: Path, home: Path) -> Iterator[App]:
    with NodeProcess("tasks", home, folder, slots=1), App("shop", home=home, config=OPEN) as client:
        yield client


def send_raw(app: App, message: TaskMessage, body: bytes) -> AsyncResult[object]:
    """Send a body as it is, past every check of a caller."""
    first = app.send_task("tasks.echo", [1])
    assert first.get(GET_S) == 1
    number = first._session.outbox.append(message, body)
    return app.AsyncResult(first._session.find_id(number))


@pytest.mark.parametrize("serializer", CODEC_NAMES)
def test_each_serializer_carries_arguments_and_results(app: App, serializer: str) -> None:
    value: list[object] = [None, True, -1, 1.5, "ü", {"k": [1, 2]}]
    if serializer != "json":
        value += [b"\0", {1, 2}, Decimal("1.10"), UUID(int=7), datetime.datetime(2026, 1, 2, 3, 4, 5, 6)]
    sent = app.send_task("tasks.echo", [value], serializer=serializer)
    assert sent.get(GET_S) == value
    assert sent._record is not None
    assert sent._record.codec_id == CODEC_NAMES.index(serializer)


def test_cloudpickle_carries_functions_that_no_module_has(app: App) -> None:
    three = 3
    sent = app.send_task("tasks.call", [lambda x: x + three, 4], serializer="cloudpickle")
    assert sent.get(GET_S) == 7


@pytest.mark.parametrize(
    "compression",
    ["zlib", pytest.param("zstd", marks=pytest.mark.skipif(find_spec("zstandard") is None, reason="no zstandard"))],
)
def test_what_is_compressed_arrives_and_so_do_its_result_and_its_retry(app: App, compression: str) -> None:
    text = "actorq " * 100_000
    sent = app.send_task("tasks.echo", [text], compression=compression)
    assert sent.get(GET_S) == text
    assert sent._record is not None
    assert len(sent._record.payload) < len(text) // 10
    assert app.send_task("tasks.grow", [text], compression=compression).get(GET_S) == 2 * len(text)


@pytest.mark.parametrize("serializer", ["msgpack", "pickle"])
def test_an_array_of_8_mib_goes_there_and_back(app: App, serializer: str) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy isn't installed; nothing of actorq needs it")
    array = numpy.arange(LARGE // 8, dtype="<f8").reshape(1024, -1)
    sums = app.send_task("tasks.add_up", [array], serializer=serializer)
    back = app.send_task("tasks.echo", [array], serializer=serializer)
    assert list(sums.get(GET_S)) == [
        False,
        "<f8",
        [1024, 1024] if serializer == "msgpack" else (1024, 1024),
        array.sum(),
    ]
    found = back.get(GET_S)
    assert numpy.array_equal(found, array)
    assert not found.flags.writeable


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_8_mib_of_bytes_go_there_and_back(app: App, kind: type) -> None:
    data = kind(bytes(range(256)) * (LARGE // 256))
    found = app.send_task("tasks.echo", [data]).get(GET_S)
    assert (type(found), found == data) == (kind, True)


def test_arguments_that_are_too_large_are_refused_by_the_call_and_nothing_is_written(app: App) -> None:
    app.flush()
    for serializer in ("msgpack", "json", "pickle"):
        with pytest.raises(MessageTooLarge, match=r"the arguments of tasks\.echo") as caught:
            app.send_task("tasks.echo", ["x" * (LIMIT + 1)], serializer=serializer)
        assert caught.value.limit == LIMIT
    assert app.send_task("tasks.echo", [1]).get(GET_S) == 1


def test_a_result_that_is_too_large_fails_its_task_and_the_slot_goes_on(app: App) -> None:
    with pytest.raises(MessageTooLarge, match="the result of at most"):
        app.send_task("tasks.repeat", ["x" * 1_000_000, 40]).get(GET_S)
    assert app.send_task("tasks.repeat", ["x", 3]).get(GET_S) == "xxx"


@pytest.mark.parametrize("serializer", CODEC_NAMES)
def test_a_result_that_cant_be_encoded_fails_its_task_with_its_type(app: App, serializer: str) -> None:
    with pytest.raises(EncodeError, match="lock"):
        app.send_task("tasks.locked", [1], serializer=serializer).get(GET_S)
    assert app.send_task("tasks.repeat", ["x", 3]).get(GET_S) == "xxx"


def test_a_damaged_body_and_a_bomb_fail_their_tasks_and_the_slot_goes_on(app: App) -> None:
    good = zlib.compress(b"\x92\x91\xc4\x05hello\x80")
    packed = ZLIB << COMPRESSION_SHIFT
    damaged = send_raw(app, TaskMessage(0, "tasks.echo", b"", packed), good[:-3])
    with pytest.raises(DecodeError, match="compressed by zlib"):
        damaged.get(GET_S)
    bomb = send_raw(app, TaskMessage(0, "tasks.echo", b"", packed), zlib.compress(bytes(20 * LIMIT), 9))
    with pytest.raises(MessageTooLarge, match="message_max_bytes"):
        bomb.get(GET_S)
    assert send_raw(app, TaskMessage(0, "tasks.echo", b"", packed), good).get(GET_S) == b"hello"


@pytest.mark.parametrize("serializer", ["pickle", "cloudpickle"])
def test_a_slot_runs_nothing_of_a_format_that_is_off(folder: Path, home: Path, serializer: str) -> None:
    (folder / "tasks.py").write_text(DEFAULTS)
    with NodeProcess("tasks", home, folder, slots=1), App("shop", home=home, config=OPEN) as client:
        sent = client.send_task("tasks.add", [1, 2], serializer=serializer)
        with pytest.raises(ContentDisallowed, match=rf"\(msgpack, json\), got {serializer};.*accept_content"):
            sent.get(GET_S)
        assert sent.state == "FAILURE"
        assert client.send_task("tasks.add", [1, 2], serializer="json").get(GET_S) == 3


def test_a_caller_decodes_no_result_of_a_format_that_is_off(app: App, home: Path) -> None:
    with App("shop", home=home, config={"accept_content": "json"}) as client:
        sent = client.send_task("tasks.echo", [[1]], serializer="pickle")
        with pytest.raises(ContentDisallowed, match=r"\(json\), got pickle"):
            sent.get(GET_S)
        assert sent.state == "SUCCESS"
        assert client.send_task("tasks.echo", [None]).get(GET_S) is None  # there is nothing to decode in it
        with pytest.raises(ContentDisallowed, match="got msgpack"):
            client.send_task("tasks.echo", [[1]]).get(GET_S)
    assert app.AsyncResult(sent.id).get(GET_S) == [1]
    assert sent._record is not None
    assert sent._record.codec_id == PICKLE


def test_an_exception_that_holds_too_much_fails_its_task_and_the_slot_goes_on(app: App) -> None:
    with pytest.raises(ValueError, match="too much"):
        app.send_task("tasks.fail", [LARGE]).get(GET_S)
    assert app.send_task("tasks.repeat", ["x", 3]).get(GET_S) == "xxx"


def test_the_command_line_unpickles_nothing(app: App, home: Path, folder: Path) -> None:
    pickled = app.send_task("tasks.echo", [1], serializer="pickle")
    plain = app.send_task("tasks.echo", [1])
    assert (pickled.get(GET_S), plain.get(GET_S)) == (1, 1)
    said = [
        subprocess.run(
            [sys.executable, "-m", "actorq", "result", sent.id, "-A", "tasks", "--home", str(home)],
            cwd=folder, env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
            capture_output=True, text=True, check=False, timeout=60,
        )
        for sent in (pickled, plain)
    ]  # fmt: skip
    assert "got pickle" in said[0].stderr
    assert (said[1].stdout, said[1].returncode) == ("1\n", 0)


@pytest.mark.parametrize("pool", ["thread", "async"])
def test_other_pools_decode_what_their_application_accepts(folder: Path, home: Path, pool: str) -> None:
    options = ("-P", pool)
    with (
        NodeProcess("tasks", home, folder, slots=2, options=options),
        App("shop", home=home, config=OPEN) as client,
    ):
        assert client.send_task("tasks.echo", [{1, (2, 3)}], serializer="pickle").get(GET_S) == {1, (2, 3)}
        text = "actorq " * 10_000
        assert client.send_task("tasks.echo", [text], compression="zlib").get(GET_S) == text
