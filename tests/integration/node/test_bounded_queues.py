"""Queues with a bound: the sender hears of it, nothing is lost, and no other queue waits for it. Real nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from actorq import App, QueueFull
from actorq.testing.wait import wait_until
from tests.nodes import ROOT, NodeProcess

QUEUES = {
    "mail": {"max": 10},
    "strict": {"max": 10, "on_full": "raise"},
    "patient": {"max": 10, "on_full": "wait", "wait_s": 20},
    "hasty": {"max": 10, "on_full": "wait", "wait_s": 0.2},
}
TASKS = f"""
from actorq import App

app = App("shop", config={{"task_queues": {QUEUES!r}}})

@app.task
def echo(number):
    return number
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


CONFIG = {"task_queues": QUEUES}


def send(app: App, queue: str, numbers, **options):
    return [app.send_task("tasks.echo", (number,), queue=queue, **options) for number in numbers]


def test_a_confirmed_send_to_a_full_queue_raises_and_its_task_comes_when_there_is_room(app, start):
    start()
    app.queues.pause("mail")
    sent = send(app, "mail", range(10), confirm=True)
    with pytest.raises(
        QueueFull, match="queue 'mail' is full: it holds its limit of 10 tasks; the task stays"
    ) as raised:
        send(app, "mail", [99], confirm=True)
    assert (raised.value.queue, raised.value.limit) == ("mail", 10)
    late = send(app, "mail", range(10, 200))
    with pytest.raises(QueueFull):
        late[-1].confirm(timeout=20)
    with pytest.raises(QueueFull):
        app.flush(timeout=20)
    assert app.queues.find("mail").ready == 10
    assert late[-1].state == "PENDING"
    assert [result.get(timeout=20) for result in send(app, "default", range(5), confirm=True)] == list(range(5))
    app.queues.resume("mail")
    assert [result.get(timeout=60) for result in (*sent, *late)] == list(range(200))
    app.flush(timeout=20)
    wait_until(lambda: app.ask("status")["unfinished"] == 0, 20, "the one whose send raised to be done, too")


def test_a_full_queue_holds_up_no_other_even_from_one_caller_that_is_killed(app, start, folder, home):
    start()
    app.queues.pause("mail")
    program = (
        "from tasks import echo\n"
        "for number in range(50):\n"
        "    echo.apply_async((number,), queue='mail', task_id=f'm{number}')\n"
        "    others = [*(others if number else ()), echo.delay(number)]\n"
        "assert [each.get(timeout=20) for each in others] == list(range(50))\n"
        "print('ready', flush=True)\n"
        "input()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "ACTORQ_HOME": str(home)}
    caller = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
        assert app.queues.find("mail").ready == 10
    finally:
        caller.send_signal(signal.SIGKILL)
        caller.communicate()
    wait_until(lambda: app.queues.find("mail").ready == 50, 20, "the outbox of the dead caller to be taken over")
    app.queues.resume("mail")
    assert [app.AsyncResult(f"m{number}").get(timeout=20) for number in range(50)] == list(range(50))


def test_a_send_raises_or_waits_where_the_queue_wants_it(app, start):
    start()
    for queue in ("strict", "patient", "hasty"):
        app.queues.pause(queue)
        send(app, queue, range(10), confirm=True)
        with pytest.raises(QueueFull):
            send(app, queue, [10], confirm=True)
    with pytest.raises(QueueFull) as raised:
        send(app, "strict", [11])
    assert raised.value.queue == "strict"
    began = time.monotonic()
    with pytest.raises(QueueFull):
        send(app, "hasty", [11])
    assert time.monotonic() - began >= 0.2
    sent: list[Any] = []
    thread = threading.Thread(target=lambda: sent.extend(send(app, "patient", [11])))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive(), "it waits for room"
    app.queues.resume("patient")
    thread.join(20)
    assert sent[0].get(timeout=20) == 11
    assert app.queues.find("strict").ready == 10, "what raised without confirm wasn't sent"


def test_a_bound_holds_across_a_hub_that_is_killed_and_nothing_is_lost(app, start):
    hub = start()
    start()
    app.queues.pause("mail")
    sent = send(app, "mail", range(300))
    with pytest.raises(QueueFull):
        app.flush(timeout=20)
    hub.kill()
    wait_until(lambda: app.queues.find("mail", timeout=20).ready == 10, 20, "what wasn't confirmed to come again")
    assert app.queues.find("mail").paused
    with pytest.raises(QueueFull):
        sent[-1].confirm(timeout=20)
    app.queues.resume("mail", timeout=20)
    assert [result.get(timeout=60) for result in sent] == list(range(300))


def test_an_outbox_at_its_bound_names_the_queue(home, start):
    start()
    config = {"task_queues": QUEUES, "outbox_max_tasks": 5}
    with App("shop", home=home, config=config) as app:
        app.queues.pause("mail")
        send(app, "mail", range(10), confirm=True)
        with pytest.raises(QueueFull, match=r"the outbox for queue 'mail' in .* is full") as raised:
            send(app, "mail", range(10, 20))
        assert raised.value.queue == "mail"
        assert send(app, "default", [1])[0].get(timeout=20) == 1


def test_a_default_bound_holds_for_every_queue(home, folder):
    (folder / "tasks.py").write_text(TASKS.replace('"task_queues":', '"queue_max": 3, "task_queues":'))
    with NodeProcess("tasks", home, folder), App("shop", home=home, config={"queue_max": 3}) as app:
        for queue in ("a", "b"):
            app.queues.pause(queue)
            send(app, queue, range(3), confirm=True)
            with pytest.raises(QueueFull) as raised:
                send(app, queue, [3], confirm=True)
            assert (raised.value.queue, raised.value.limit) == (queue, 3)


def test_a_wrong_bound_stops_the_start(folder, home):
    (folder / "tasks.py").write_text(TASKS.replace("'max': 10", "'max': 0", 1))
    from tests.nodes import actorq

    done = actorq("node", "-A", "tasks", "--home", str(home), cwd=folder)
    assert (done.returncode, "'max' of 'mail' is a whole number from 1 up" in done.stderr) == (3, True)
