"""A caller may be killed, forked or ended at any moment: what its `delay()` returned for is on disk, or at the broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actorq import App
from actorq.client.orphans import find_orphans, holds
from actorq.testing.wait import wait_until
from tests.integration.client.fake_broker import FakeBroker, FakeStore, ids_of, never

ROOT = Path(__file__).resolve().parents[3]
KILLS = 50
FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

CALLER = """
import os, sys
from actorq import App
app = App("shop", home=sys.argv[1])
task = app.task(name="tasks.add")(lambda x, payload: None)
for n in range(1_000_000):
    result = task.delay(n, "x" * (n % 300))
    # One write: what is in the pipe is what delay() returned for.
    os.write(1, f"{result.id}\\n".encode())
"""


def start(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, env=environment)


def read_orphans(app):
    numbers = {}
    for orphan in find_orphans(app.home):
        with orphan:
            numbers[orphan.outbox_id] = [message.number for chunk in orphan.chunks() for message in chunk]
    return numbers


@pytest.mark.slow
def test_a_killed_caller_leaves_every_task_whose_delay_returned(app):
    for seed in range(KILLS):
        caller = start(CALLER, app.home.path)
        seen = b"".join(caller.stdout.readline() for _ in range(1 + seed * 37 % 1500))
        caller.send_signal(signal.SIGKILL)
        seen += caller.stdout.read()
        caller.stdout.close()
        caller.wait()
        ids = seen.decode().split("\n")[:-1]
        outbox_id = int(ids[0][:16], 16)
        (orphan,) = find_orphans(app.home)
        with orphan:
            numbers = [message.number for chunk in orphan.chunks() for message in chunk]
            assert orphan.outbox_id == outbox_id
            # One more may be there: written, and killed before delay() could return.
            assert numbers[: len(ids)] == list(range(1, len(ids) + 1))
            assert len(numbers) <= len(ids) + 1
            orphan.remove()


def test_a_killed_caller_with_a_broker_loses_nothing_either(app):
    with FakeBroker(app.home, answer=never) as broker:
        caller = start(CALLER, app.home.path)
        seen = b"".join(caller.stdout.readline() for _ in range(3000))
        caller.kill()
        seen += caller.stdout.read()
        caller.stdout.close()
        caller.wait()
        ids = seen.decode().split("\n")[:-1]
        outbox_id = int(ids[0][:16], 16)
        wait_until(lambda: broker.store.taken.get(outbox_id) == len(ids_of(broker.store)) > 0)
        taken = broker.store.taken[outbox_id]
        (orphan,) = find_orphans(app.home)
        with orphan:
            rest = [message.number for chunk in orphan.chunks(above=taken) for message in chunk]
        assert [*range(1, taken + 1), *rest][: len(ids)] == list(range(1, len(ids) + 1))
        assert taken > 0


def test_the_torn_tail_of_a_killed_caller_is_ignored(app):
    add = app.tasks["tasks.add"]
    for n in range(10):
        add.delay(n)
    app.close()
    (path,) = app.home.outboxes.iterdir()
    whole = path.read_bytes()
    for cut in range(1, 60):
        path.write_bytes(whole[:-cut])
        numbers = next(iter(read_orphans(app).values()))
        assert numbers == list(range(1, len(numbers) + 1))
        assert 8 <= len(numbers) <= 9
    path.write_bytes(whole + b"\0" * 4096)
    assert next(iter(read_orphans(app).values())) == list(range(1, 11))
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    assert next(iter(read_orphans(app).values())) == list(range(1, 10))


def test_the_outbox_of_a_living_caller_is_left_alone(app):
    result = app.tasks["tasks.add"].delay(1)
    assert find_orphans(app.home) == []
    outbox, number = result.id.split("-")
    assert holds(app.home, int(outbox, 16), int(number))
    assert not holds(app.home, int(outbox, 16), int(number) + 1)
    assert not holds(app.home, 1, 1)


def test_two_readers_never_get_the_same_outbox(app):
    app.tasks["tasks.add"].delay(1)
    app.close()
    (orphan,) = find_orphans(app.home)
    assert find_orphans(app.home) == []
    orphan.close()
    (again,) = find_orphans(app.home)
    again.remove()
    assert find_orphans(app.home) == []


def test_a_large_outbox_is_rotated_and_read_in_order(app):
    add = app.tasks["tasks.add"]
    big = "x" * 300_000
    for _ in range(60):
        add.delay(big)
    files = sorted(app.home.outboxes.iterdir())
    assert len(files) >= 4
    app.close()
    (numbers,) = read_orphans(app).values()
    assert numbers == list(range(1, 61))


def test_segments_go_as_soon_as_all_in_them_is_confirmed(app):
    add = app.tasks["tasks.add"]
    with FakeBroker(app.home, answer=never):
        for _ in range(60):
            add.delay("x" * 300_000)
        app.flush(20)
        assert sum(path.stat().st_size for path in app.home.outboxes.iterdir()) == 0
        assert len(list(app.home.outboxes.iterdir())) == 1


def test_a_clean_exit_ships_what_it_can(app):
    code = CALLER.replace("1_000_000", "200")
    with FakeBroker(app.home, answer=never) as broker:
        caller = start(code, app.home.path)
        assert caller.communicate(timeout=20)[0].count(b"\n") == 200
        assert len(broker.store.tasks) == 200
        assert list(app.home.outboxes.iterdir()) == []


def test_a_clean_exit_without_a_node_leaves_the_rest_and_is_quick(app):
    caller = start(CALLER.replace("1_000_000", "200"), app.home.path)
    caller.communicate(timeout=20)
    assert caller.returncode == 0
    (numbers,) = read_orphans(app).values()
    assert numbers == list(range(1, 201))


@FORKS
def test_a_forked_child_sends_through_an_outbox_of_its_own(app, broker):
    add = app.tasks["tasks.add"]
    mine = add.delay(1)
    assert mine.get(timeout=5) == 2
    unfinished = add.delay(5)
    unfinished.confirm()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            results = [add.delay(n) for n in range(20)]
            values = [result.get(timeout=10) for result in results]
            os.write(write, repr((results[0].id, sum(values), unfinished.get(timeout=5))).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        child_id, total, seen = eval(pipe.read())
    os.waitpid(child, 0)
    assert (total, seen) == (210, 6)
    assert child_id.split("-")[0] != mine.id.split("-")[0]
    assert unfinished.get(timeout=5) == 6
    assert add.delay(7).get(timeout=5) == 8


def test_a_forked_child_does_not_hold_its_parents_outbox(app):
    code = CALLER.replace("1_000_000", "5") + (
        "\nif os.fork() == 0:\n    import signal\n    os.write(1, b'forked %d\\n' % os.getpid())\n    signal.pause()\n"
        "import signal\nsignal.pause()\n"
    )
    parent = start(code, app.home.path)
    lines = [parent.stdout.readline() for _ in range(6)]
    child = int(lines[5].split()[1])
    try:
        parent.kill()
        parent.wait()
        (numbers,) = read_orphans(app).values()
        assert numbers == [1, 2, 3, 4, 5]
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


@FORKS
def test_a_parent_that_forked_while_sending_goes_on(app, broker):
    add = app.tasks["tasks.add"]
    results = []
    for n in range(200):
        results.append(add.delay(n))
        if n % 50 == 0:
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
    assert [result.get(timeout=10) for result in results] == [n + 1 for n in range(200)]
    assert len(broker.store.tasks) == 200


def test_another_application_of_the_same_home_keeps_apart(app, broker):
    with App("shop", home=app.home.path) as other:
        theirs = other.task(name="tasks.add")(lambda x: x)
        assert theirs.delay(1).get(timeout=5) == 2
        assert app.tasks["tasks.add"].delay(1).get(timeout=5) == 2
    assert len(broker.store.taken) == 2


BROKER = """
import signal, sys
from actorq.transport.paths import find_home
from tests.integration.client.fake_broker import FakeBroker
FakeBroker(find_home("shop", home=sys.argv[1])).start()
print("up", flush=True)
signal.pause()
"""


@pytest.mark.slow
def test_a_stopped_hub_is_noticed_and_taken_up_again_when_it_goes_on(app):
    add = app.tasks["tasks.add"]
    hub = start(BROKER, app.home.path)
    try:
        assert hub.stdout.readline() == b"up\n"
        assert add.delay(1).get(timeout=5) == 2
        hub.send_signal(signal.SIGSTOP)
        results = [add.delay(n) for n in range(100)]
        wait_until(lambda: not app._session.link.is_connected, 10, "the silence to be noticed")
        hub.send_signal(signal.SIGCONT)
        assert [result.get(timeout=15) for result in results] == [n + 1 for n in range(100)]
    finally:
        hub.kill()
        hub.wait()
        hub.stdout.close()


def test_a_killed_hub_is_replaced_without_anybody_hanging(app):
    add = app.tasks["tasks.add"]
    hub = start(BROKER, app.home.path)
    assert hub.stdout.readline() == b"up\n"
    assert add.delay(1).get(timeout=5) == 2
    hub.kill()
    hub.wait()
    hub.stdout.close()
    results = [add.delay(n) for n in range(100)]
    # A store of its own, that knows nothing: what was confirmed to the dead one stays forgotten.
    with FakeBroker(app.home, FakeStore()):
        assert [result.get(timeout=10) for result in results] == [n + 1 for n in range(100)]


def test_no_thread_to_be_had_keeps_the_task_and_the_next_send_tries_again(app, broker, monkeypatch, capsys):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", refuse)
        first = app.tasks["tasks.add"].delay(1)
    assert app.tasks["tasks.add"].delay(2).get(timeout=5) == 3
    assert first.get(timeout=5) == 2
    assert "link_not_started" in capsys.readouterr().err
