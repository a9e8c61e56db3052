"""Who runs the tasks of a slot that runs many at once: coroutines on one loop, or threads.

In an async pool the main thread runs the loop, so that task code has what belongs to the main thread, and a thread beside it
serves the broker, also while the loop is blocked. A plain function there runs in one of a few threads.

Limits: a coroutine is cancelled at its soft limit, and at its hard one; if it doesn't end within `CANCEL_GRACE_S` after that, the
node kills the process, because then the loop is blocked or the coroutine won't hear. A thread can't be interrupted: its soft
limit isn't enforced, its hard one is by the node.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NoReturn

from actorq.log import get_logger
from actorq.slot.crowd import CrowdSlot
from actorq.slot.crowd_runner import CrowdRunner
from actorq.slot.session import make_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actorq.codec import TaskCodec
    from actorq.messages.task import Delivery
    from actorq.plugins.hooks import HookedTasks
    from actorq.slot.crowd import Desk
    from actorq.slot.limits import KnownLimits
    from actorq.slot.orders import SlotOptions
    from actorq.slot.outcome import RunnableTask
    from actorq.slot.wear import Gauge

__all__ = ["CANCEL_GRACE_S", "AsyncCrew", "serve_crowd"]

CANCEL_GRACE_S: Final = 0.5  # how long a coroutine that is cancelled at its hard limit may take to end
MAX_THREADS: Final = 16  # for the plain functions of an async pool

log: Final = get_logger(__name__)


def serve_crowd(  # noqa: PLR0917  one line calls it
    options: SlotOptions,
    desk: Desk,
    tasks: Mapping[str, RunnableTask] | HookedTasks,
    codec: TaskCodec,
    limits: KnownLimits,
    gauge: Gauge | None = None,
) -> None:
    """Be a slot that runs many tasks at once, until it is told to retire."""
    session = make_session(options, desk.wake_fd)
    runner = CrowdRunner(tasks, options.node, codec)
    if options.pool == "thread":
        threads = ThreadCrew(desk, lambda: CrowdRunner(tasks, options.node, codec), options.places)
        CrowdSlot(desk, session, runner, threads, options.places, limits, gauge).run()
    else:
        desk.grace_ns = int(CANCEL_GRACE_S * 1e9)
        crew = AsyncCrew(desk, runner, options.places)
        crew.serve(CrowdSlot(desk, session, runner, crew, options.places, limits, gauge))


class ThreadCrew:
    """As many threads as there are places. The slot's loop has the main thread, which sleeps while nothing comes or ends."""

    def __init__(self, desk: Desk, make_runner: Callable[[], CrowdRunner], places: int) -> None:
        """Start the threads; each has a runner of its own, and with it a loop for coroutines."""
        self._desk, self._make_runner = desk, make_runner
        self._given: SimpleQueue[tuple[int, Delivery] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"actorq-{place}", daemon=True) for place in range(places)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        runner = self._make_runner()
        while (given := self._given.get()) is not None:
            run_plain(self._desk, runner, *given)
        runner.close()

    def start(self, given: list[tuple[int, Delivery]]) -> None:
        """Give them to whichever thread is free."""
        for each in given:
            self._given.put(each)

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join()


class AsyncCrew:
    """Coroutines on one loop. `serve` belongs to the main thread, `start` and `close` to the slot's."""

    def __init__(self, desk: Desk, runner: CrowdRunner, places: int) -> None:
        self._desk, self._runner = desk, runner
        self._loop = asyncio.new_event_loop()
        self._executor = ThreadPoolExecutor(min(places, MAX_THREADS), "actorq-plain")
        self._running: set[asyncio.Task[None]] = set()  # a loop itself holds its tasks weakly

    def serve(self, slot: CrowdSlot) -> None:
        """Run the loop until the slot, in a thread of its own, has retired."""
        asyncio.set_event_loop(self._loop)
        # In a child that a coroutine forks, whoever else is on the loop isn't to go on a second time.
        os.register_at_fork(after_in_child=self._loop.stop)
        thread = threading.Thread(target=self._serve_slot, args=(slot,), name="actorq-slot", daemon=True)
        self._loop.call_soon(thread.start)
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # Of a coroutine that a task left to run by itself: it ends that, not the slot.
                log.warning("exit_ignored", slot=self._desk.line.path.stem, error=repr(error))
            else:
                break
        if self._desk.is_forked:
            os._exit(0)
        thread.join()
        self._executor.shutdown(wait=False)
        self._loop.close()

    def _serve_slot(self, slot: CrowdSlot) -> None:
        try:
            slot.run()
        except BaseException as error:  # noqa: BLE001  whatever it was
            give_up(self._desk, error)

    def start(self, given: list[tuple[int, Delivery]]) -> None:
        """Have the loop start them."""
        self._loop.call_soon_threadsafe(self._start, given)

    def _start(self, given: list[tuple[int, Delivery]]) -> None:
        runner, running = self._runner, self._running
        for place, delivery in given:
            if runner.is_coroutine(delivery):
                # A context of its own: what the task sets there ends with it.
                task = self._loop.create_task(self._run(place, delivery), context=contextvars.Context())
                running.add(task)
                task.add_done_callback(running.discard)
            else:
                self._executor.submit(run_plain, self._desk, runner, place, delivery)

    async def _run(self, place: int, delivery: Delivery) -> None:
        try:
            began_ns = self._desk.begin(place, delivery)
            if began_ns:
                self._desk.end(place, await self._runner.run_coroutine(delivery), began_ns)
        except BaseException as error:  # noqa: BLE001  the task's own are in its report
            give_up(self._desk, error)

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)


def run_plain(desk: Desk, runner: CrowdRunner, place: int, delivery: Delivery) -> None:
    """Run a delivery in the present thread."""
    try:
        began_ns = desk.begin(place, delivery)
        if began_ns:
            desk.end(place, runner.run(delivery), began_ns)
    except BaseException as error:  # noqa: BLE001  the task's own are in its report
        give_up(desk, error)


def give_up(desk: Desk, error: BaseException) -> NoReturn:
    """End the process, from any thread: its line says what ran, its node starts another."""
    log.error("slot_failed", slot=desk.line.path.stem, exc_info=error)
    os._exit(1)
