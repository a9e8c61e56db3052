"""What is sent arrives once and in order, whatever happens to the broker."""

from __future__ import annotations

import datetime
import errno
import itertools
import os
import threading
import time
from typing import Any

import pytest

from actorq import App, BrokerUnavailable, EncodeError, QueueFull, StoreFull, WouldBlock
from actorq.client.orphans import find_orphans
from actorq.codec import decode_body
from actorq.messages import wire
from actorq.testing.wait import wait_until
from tests.integration.client.fake_broker import FakeBroker, FakeStore, ids_of


def outbox_files(app):
    return sorted(app.home.outboxes.iterdir()) if app.home.outboxes.exists() else []


def arguments(store):
    return [decode_body(task.codec_id, task.body)[0] for _, task in sorted(store.tasks.items())]


def test_a_confirmed_task_is_at_the_broker(app, broker):
    result = app.tasks["tasks.add"].apply_async((2, 3), confirm=True)
    assert ids_of(broker.store) == [result.id]


def test_nothing_is_opened_before_the_first_send(tmp_path):
    app = App("quiet", home=tmp_path / "home")
    app.task(name="nothing")(lambda: None)
    assert not (tmp_path / "home").exists()
    assert "actorq-link" not in {thread.name for thread in threading.enumerate()}
    app.close()


def test_tasks_sent_while_no_node_runs_are_waiting_when_one_starts(app):
    add = app.tasks["tasks.add"]
    results = [add.delay(n) for n in range(100)]
    with FakeBroker(app.home) as broker:
        app.flush(5)
        assert [result.get(timeout=5) for result in results] == [n + 1 for n in range(100)]
        assert ids_of(broker.store) == [result.id for result in results]


def test_the_link_sleeps_when_a_loop_of_sends_is_over(app, broker):
    for n in range(2_000):
        app.tasks["tasks.add"].delay(n)
    app.flush(5)
    # While it takes the loop for unfinished it looks again at the loop's pace; that must have an end.
    wait_until(lambda: not app._session.link.pace.period_s, what="the end of the loop's pace")


def test_what_the_broker_took_before_it_went_is_not_sent_again(app):
    add, store = app.tasks["tasks.add"], FakeStore()
    with FakeBroker(app.home, store) as first:
        first.confirms = False
        for n in range(10):
            add.delay(n)
        wait_until(lambda: len(store.tasks) == 10, what="ten tasks at the broker")
        assert app._session.outbox.unconfirmed == 10
    with FakeBroker(app.home, store) as second:
        add.delay(10)
        app.flush(5)
        assert second.epoch == 2
        assert arguments(store) == [(n,) for n in range(11)]
        assert store.duplicates == 0


def test_what_the_broker_lost_is_sent_again(app):
    add, store = app.tasks["tasks.add"], FakeStore()
    with FakeBroker(app.home, store) as first:
        app.flush()
        first.takes = False
        results = [add.delay(n) for n in range(10)]
        wait_until(lambda: first.count(wire.PUT), what="a PUT frame")
    with FakeBroker(app.home, store):
        assert [result.get(timeout=5) for result in results] == [n + 1 for n in range(10)]
        assert len(store.tasks) == 10


def test_ten_restarts_of_the_broker_lose_and_double_nothing(app):
    add, store, stop = app.tasks["tasks.add"], FakeStore(), threading.Event()
    sent: list[Any] = []

    def send():
        while not stop.is_set():
            sent.append(add.delay(len(sent)))
            time.sleep(0)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(10):
            with FakeBroker(app.home, store) as broker:
                wait_until(lambda: broker.count(wire.PUT) >= 3, what="frames to arrive")
    finally:
        stop.set()
        sender.join()
    with FakeBroker(app.home, store):
        app.flush(10)
    assert ids_of(store) == [result.id for result in sent]


def test_eight_threads_send_at_once(app, broker):
    add = app.tasks["tasks.add"]
    results: list[list[Any]] = [[] for _ in range(8)]

    def send(mine):
        mine.extend(add.delay(n) for n in range(300))

    threads = [threading.Thread(target=send, args=(mine,)) for mine in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all([r.get(timeout=5) for r in mine] == [n + 1 for n in range(300)] for mine in results)
    assert len(broker.store.tasks) == 2400


def test_a_refusal_is_told_to_who_waits_and_the_task_is_kept(app, broker):
    add = app.tasks["tasks.add"]
    broker.refuses = ("StoreFull", "", 0.05)
    result = add.delay(1)
    with pytest.raises(StoreFull):
        result.confirm(5)
    broker.refuses = ("QueueFull", "500", 0.05)
    wait_until(
        lambda: (
            isinstance(app._session.link.refusal[1], QueueFull)
            and not isinstance(app._session.link.refusal[1], StoreFull)
        ),
        what="the other refusal",
    )
    with pytest.raises(QueueFull, match="limit of 500"):
        result.confirm(5)
    broker.refuses = None
    wait_until(lambda: app._session.outbox.unconfirmed == 0, what="the task to be taken in the end")
    assert result.get(timeout=5) == 2


def test_a_gap_is_filled(app, broker):
    add = app.tasks["tasks.add"]
    broker.takes = False
    first = [add.delay(n) for n in range(5)]
    wait_until(lambda: broker.count(wire.PUT), what="a frame that gets lost")
    broker.takes = True
    wait_until(lambda: app._session.outbox.unsent == 0)
    second = [add.delay(n) for n in range(500)]
    assert [r.get(timeout=5) for r in first + second] == [n + 1 for n in [*range(5), *range(500)]]


def test_nobody_there_is_said_with_the_address_and_the_way_out(app):
    result = app.tasks["tasks.add"].delay(1)
    with pytest.raises(BrokerUnavailable) as caught:
        result.confirm(0.05)
    assert str(app.home.path) in str(caught.value)
    assert "actorq node -A tasks" in str(caught.value)
    with pytest.raises(BrokerUnavailable):
        app.flush(0.05)


def test_a_hint_names_a_home_that_the_module_alone_would_not_lead_to(app, tmp_path, monkeypatch):
    def hint_of(asked):
        with asked, pytest.raises(BrokerUnavailable) as caught:
            asked.ask("ping", timeout=0.02)
        return caught.value.hint

    assert hint_of(app).endswith(f"actorq node -A tasks --home {app.home.path}")
    assert hint_of(App("b", home=tmp_path / "my home")).endswith(f"--home '{tmp_path}/my home'")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ACTORQ_HOME", raising=False)
    assert hint_of(App("c")) == "start one with: actorq node -A yourmodule"
    monkeypatch.setenv("ACTORQ_HOME", str(tmp_path / "elsewhere"))
    assert hint_of(App("c")).endswith(f"--home {tmp_path}/elsewhere")


def test_an_ask_whose_broker_goes_away_says_so_and_how_long_it_waited(app):
    broker = FakeBroker(app.home)
    broker.mute = True

    def stop_when_asked():
        wait_until(lambda: broker.count(wire.ASK), what="the question")
        broker.stop()

    with broker:
        threading.Thread(target=stop_when_asked).start()
        started_at = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=r"went away after \d+\.\d s, before it answered") as caught:
            app.ask("stats", timeout=30)
    assert caught.value.went_away
    assert 0 < caught.value.waited_s <= time.monotonic() - started_at < 30


def test_a_link_that_keeps_failing_says_so_once_and_goes_on(app, broker, monkeypatch, capsys):
    add = app.tasks["tasks.add"]
    add.delay(1).get(timeout=5)
    link = app._session.link
    failed, real = itertools.count(), type(link)._turn

    def fail(self):
        next(failed)
        raise RuntimeError("no such luck")

    monkeypatch.setattr(type(link), "_turn", fail)
    result = add.delay(2)
    wait_until(lambda: next(failed) > 20, what="the link to fail again and again")
    monkeypatch.setattr(type(link), "_turn", real)
    assert result.get(timeout=5) == 3
    assert capsys.readouterr().err.count("link_failed") == 1


def test_a_full_outbox_says_so_and_takes_no_more(tmp_path):
    with App("small", home=tmp_path, config={"outbox_max_tasks": 3}) as app:
        task = app.task(name="t")(print)
        for _ in range(3):
            task.delay()
        with pytest.raises(QueueFull, match="limit of 3 tasks"):
            task.delay()
        with pytest.raises(QueueFull):
            task.delay_many([()])
    with App("small", home=tmp_path / "other", config={"outbox_max_bytes": 4096}) as app:
        task = app.task(name="t")(print)
        with pytest.raises(QueueFull, match="4096 bytes"):
            task.delay("x" * 5000)
        task.delay("x")


def test_a_full_disk_is_a_typed_error_and_accepts_nothing(app, monkeypatch):
    add = app.tasks["tasks.add"]
    add.delay(1)
    real = os.write

    def full(fd, data):
        if len(data) > 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFull):
        add.delay(2)
    monkeypatch.setattr(os, "write", real)
    assert add.delay(3).id.endswith("-2")


def test_half_a_record_on_a_full_disk_is_cut_off_again(app, monkeypatch):
    add = app.tasks["tasks.add"]
    add.delay(1)
    real = os.write
    monkeypatch.setattr(
        os, "write", lambda fd, data: real(fd, data[: len(data) // 2]) if len(data) > 8 else real(fd, data)
    )
    with pytest.raises(StoreFull):
        add.delay(2)
    monkeypatch.setattr(os, "write", real)
    add.delay(3)
    app.close()
    (orphan,) = find_orphans(app.home)
    with orphan:
        assert [message.number for chunk in orphan.chunks() for message in chunk] == [1, 2]


def test_half_a_large_record_is_cut_off_again_and_whole_ones_lie_between_small_ones(app, monkeypatch):
    add = app.tasks["tasks.add"]
    large = bytes(range(256)) * 1_000
    add.delay(b"first")
    add.delay(large)
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, parts: real(fd, [parts[0], parts[1][:1_000]]))
    with pytest.raises(StoreFull):
        add.delay(large)
    monkeypatch.setattr(os, "writev", real)
    add.delay(b"last")
    app.close()
    (orphan,) = find_orphans(app.home)
    with orphan:
        left = [decode_body(task.codec_id, task.body)[0] for chunk in orphan.chunks() for task in chunk]
    assert left == [(b"first",), (large,), (b"last",)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cant_be_written_is_kept_in_memory(tmp_path):
    tmp_path.chmod(0o500)
    with App("ro", home=tmp_path / "home") as app:
        app.task(name="t")(print).delay()
        assert app._open().outbox.is_in_memory


def test_a_home_under_a_file_keeps_the_outbox_in_memory_and_warns_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with App("odd", home=tmp_path / "file" / "home") as app:
        task = app.task(name="t")(print)
        task.delay()
        task.delay()
        assert app._open().outbox.is_in_memory
        assert app._open().outbox.unsent == 2
    assert capsys.readouterr().err.count("outbox_kept_in_memory") == 1


def test_delay_many_returns_results_in_order(app, broker):
    results = app.tasks["tasks.add"].delay_many((n, n) for n in range(1000))
    assert [result.get(timeout=5) for result in results] == [2 * n for n in range(1000)]


def test_delay_many_refuses_what_cant_be_encoded(app):
    with pytest.raises(EncodeError, match="object"):
        app.tasks["tasks.add"].delay_many([(1,), (object(),)])
    with pytest.raises(TypeError):
        app.tasks["tasks.add"].delay_many([(1, 2, 3)])


def test_a_pipeline_is_confirmed_when_it_is_left(app, broker):
    with app.pipeline():
        for n in range(100):
            app.tasks["tasks.add"].delay(n)
    assert len(broker.store.tasks) == 100


def test_a_pipeline_without_a_node_says_so(app):
    with pytest.raises(BrokerUnavailable):
        with app.pipeline(timeout=0.05):
            app.tasks["tasks.add"].delay(1)


def test_the_options_of_a_call_reach_the_broker(app, broker):
    due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    app.tasks["tasks.add"].apply_async(
        (1,),
        {"y": 2},
        task_id="chosen",
        eta=due,
        expires=7200,
        queue="slow",
        priority=7,
        serializer="json",
        time_limit=9,
        soft_time_limit=5,
        ignore_result=True,
        max_deliveries=1,
        result_expires=60,
        confirm=True,
    )
    (message,) = broker.store.tasks.values()
    assert (message.alias, message.queue, message.priority, message.codec_id) == ("chosen", "slow", 7, 1)
    assert message.eta == due.timestamp()
    assert message.expires == pytest.approx(time.time() + 7200, abs=5)
    assert (message.limits, message.flags, message.max_deliveries, message.result_ttl_s) == ((5, 9), 1, 1, 60)


def test_a_call_by_name_needs_no_task_here(app, broker):
    result = app.send_task("elsewhere.work", (1, 2), queue="q", confirm=True)
    (message,) = broker.store.tasks.values()
    assert (message.task, message.queue) == ("elsewhere.work", "q")
    assert result.get(timeout=5) == 3
    with pytest.raises(TypeError, match="did you mean 'countdown'"):
        app.send_task("elsewhere.work", contdown=3)


def test_a_closed_application_leaves_no_thread_file_or_descriptor(app, broker):
    before = len(os.listdir("/proc/self/fd"))
    app.tasks["tasks.add"].delay(1).get(timeout=5)
    app.close()
    assert "actorq-link" not in {thread.name for thread in threading.enumerate()}
    assert outbox_files(app) == []
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before, what="descriptors to be closed")
    assert app.tasks["tasks.add"].delay(1).get(timeout=5) == 2


def test_a_link_thread_that_dies_is_replaced_by_the_next_send(app, broker, monkeypatch):
    died: list[threading.ExceptHookArgs] = []
    add = app.tasks["tasks.add"]
    add.delay(1).get(timeout=5)
    link = app._session.link
    monkeypatch.setattr(threading, "excepthook", died.append)
    real = type(link)._turn

    def die(self):
        monkeypatch.setattr(type(link), "_turn", real)
        raise SystemExit

    monkeypatch.setattr(type(link), "_turn", die)
    result = add.delay(2)
    wait_until(lambda: died and link._thread is None, what="the thread to die")
    assert died[0].exc_type is SystemExit
    assert add.delay(3).get(timeout=5) == 4
    assert result.get(timeout=5) == 3


def test_an_idle_link_sleeps(app, broker):
    app.tasks["tasks.add"].delay(1).get(timeout=5)
    link = app._session.link
    wait_until(lambda: link._asleep, what="the link to sleep")
    turns = itertools.count()
    real = type(link)._turn
    link._turn = lambda: (next(turns), real(link))
    threading.Event().wait(0.3)
    assert next(turns) <= 1


def test_a_signal_handler_that_interrupts_a_send_gets_an_error_instead_of_waiting_for_ever(app, monkeypatch):
    add, outbox, caught = app.tasks["tasks.add"], app._open().outbox, []
    real = os.write

    def interrupted(fd, data):
        monkeypatch.setattr(os, "write", real)
        with pytest.raises(WouldBlock) as error:
            add.delay(2)
        caught.append(error.value)
        return real(fd, data)

    monkeypatch.setattr(os, "write", interrupted)
    add.delay(1)
    assert len(caught) == 1
    assert outbox.last == 1
    add.delay(3)
    assert outbox.last == 2


def test_a_hello_that_nobody_answers_is_said_again(app):
    broker = FakeBroker(app.home)
    broker.deaf = 1
    with broker:
        assert app.tasks["tasks.add"].delay(1).get(timeout=3) == 2
        assert len(broker.helloes) == 2
