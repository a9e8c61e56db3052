"""One thread that runs actors: signals first, then messages, timers, sockets, and sleep.

Invariant: an actor's code runs in its loop's thread and nowhere else, one thing at a time, so actors need no locks and
no socket is ever touched by two threads. Other threads only append to two deques and write to an eventfd.

Why a wake-up can't be lost, with a poster P and the loop L (steps of different threads interleave, each is atomic):

1. P appends its item, then reads `sleeping`.
2. L sets `sleeping`, then looks whether there are items, then polls.

If P reads False, L has not yet looked, and will find the item. If P reads True, P writes to the eventfd.

A shared loop is level with its actors: no item of one actor may
take the turn of all others, so every batch is bounded.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import zmq
from pykka._envelope import Envelope

from actorq.actors.context import fenced, here
from actorq.actors.waker import Waker
from actorq.clock import SYSTEM_CLOCK
from actorq.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.cell import Cell
    from actorq.actors.signals import Signal
    from actorq.actors.sockets import Pollable, Source
    from actorq.actors.timers import Timer
    from actorq.clock import Clock

__all__ = ["Loop"]

log = get_logger(__name__)

TURN_ITEMS: Final = 256  # messages and signals before sockets and timers get their turn
BATCH_ITEMS: Final = 64  # messages of one actor, or frames of one socket, before the next one's
DRAIN_ITEMS: Final = 256  # handled items after which `on_drained` doesn't wait for a pause any more
DRAIN_S: Final = 0.005  # the same as time
IDLE_S: Final = 1.0  # longest sleep; a net under the wake-up protocol, and a beat for the watchdog
FAKE_CLOCK_IDLE_S: Final = 0.005  # a fake clock moves without waking anybody
EXIT_FORKED: Final = 70  # EX_SOFTWARE
COMPACT_TIMERS: Final = 64  # cancelled timers that may lie in the heap before it is worth sweeping

_sequence = itertools.count()


class Loop:
    """Runs the actors attached to it until `stop`; a pinned actor's loop stops with its actor."""

    def __init__(self, name: str, *, shared: bool, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name, self.shared, self.clock = name, shared, clock
        self.ready: deque[Cell] = deque()
        self.signals: deque[tuple[Cell, Signal]] = deque()
        self.sources: dict[Pollable, Source] = {}
        self._owned: dict[Cell, list[Source]] = {}  # the same by actor, so that an end needn't look at all others'
        self.current: Cell | None = None
        self.patience_s = 0.0  # see `Actor.patience_s`
        self.sleeping = False
        self.stopped = False
        self.beat = time.monotonic()
        self.thread_id = 0
        self._pid = os.getpid()
        self.thread: threading.Thread | None = None
        self.drained: dict[Cell, int] = {}  # actors with `on_drained` -> items handled since it was called
        self.on_close: Callable[[Loop], None] | None = None
        self._drain_since = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._cancelled = 0
        self._waker: Waker | None = Waker()
        self._poller = zmq.Poller()
        self._poller.register(self._waker.fd, zmq.POLLIN)
        self._idle_s = IDLE_S if clock is SYSTEM_CLOCK else FAKE_CLOCK_IDLE_S

    # -- from any thread -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread. It is a daemon so that a stuck actor can't hold the process; `System.shutdown` joins it."""
        self.thread = threading.Thread(target=self._main, name=self.name, daemon=True)
        self.thread.start()

    def post_signal(self, cell: Cell, signal: Signal) -> None:
        """Let `cell` handle `signal` before any message."""
        self.signals.append((cell, signal))
        if self.sleeping:
            self.wake()

    def wake(self) -> None:
        """End the loop's sleep. `sleeping` is cleared first, so that a flood of posters writes once."""
        waker = self._waker
        if waker is not None:
            # No bytecode between these two lines lets a signal handler (KeyboardInterrupt) in.
            self.sleeping = False
            waker.write()

    def stop(self) -> None:
        """Make the loop end after the item it is at."""
        self.stopped = True
        waker = self._waker
        if waker is not None:
            waker.write()

    def release(self) -> None:
        """Let go of the eventfd of a loop that was never started."""
        self._waker = None

    def disown(self) -> None:
        """Be the loop of a process that was forked: its thread, if that is the one that did, ends when it comes back."""
        self.stopped = True
        self.sleeping = False
        self.signals.clear()
        self.ready.clear()

    def is_running(self) -> bool:
        """Return whether its thread exists; true a little longer than it does anything."""
        return self.thread is not None and self.thread.is_alive()

    def stuck_for_s(self) -> float:
        """Return for how long the item that is being handled has been taking; 0.0 while the loop sleeps."""
        if self.sleeping or not self.is_running():
            return 0.0
        return max(0.0, time.monotonic() - self.beat)

    # -- from the loop's own thread ------------------------------------------------------------------------------------

    def add_timer(self, timer: Timer) -> None:
        """Remember a timer."""
        heapq.heappush(self._timers, (timer.due, next(_sequence), timer))

    def timer_cancelled(self) -> None:
        """Take note that one more timer in the heap is dead."""
        self._cancelled += 1
        if self._cancelled > COMPACT_TIMERS and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].cell is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def add_source(self, source: Source) -> None:
        """Poll a socket or descriptor."""
        if source.pollable in self.sources:
            raise ValueError(f"expected a socket that isn't polled yet, got {source.pollable!r} again")
        self.sources[source.pollable] = source
        self._owned.setdefault(source.cell, []).append(source)
        self.watch(source)

    def watch(self, source: Source) -> None:
        """Poll `source` for the events it wants now."""
        if source.events:
            self._poller.register(source.pollable, source.events)
        elif source.pollable in self._poller:
            self._poller.unregister(source.pollable)

    def remove_source(self, pollable: Pollable) -> Source | None:
        """Stop polling; return what was known of it."""
        source = self.sources.pop(pollable, None)
        if source is not None and source in (owned := self._owned.get(source.cell, [])):
            owned.remove(source)
        if pollable in self._poller:
            self._poller.unregister(pollable)
        return source

    def drop_cell(self, cell: Cell) -> None:
        """Close the sockets and forget the timers of an actor that ended."""
        for source in self._owned.pop(cell, ()):
            self.remove_source(source.pollable)
            source.dispose()
        for timer in list(cell.pending_timers):
            timer.cancel()
        self.drained.pop(cell, None)

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        here.loop = self
        self.thread_id = threading.get_ident()
        try:
            while not self.stopped:
                try:
                    self._turn()
                except BaseException as error:
                    cell, self.current = self.current, None
                    if cell is None:
                        raise
                    cell.fell(error)
        except BaseException:
            log.exception("loop_failed", loop=self.name)
        finally:
            if os.getpid() != self._pid:
                # An actor's code forked and came back here in the child, which has no business with the parent's actors.
                os._exit(EXIT_FORKED)
            self._close()

    def _turn(self) -> None:
        """Handle a bounded number of everything, then sleep if nothing is left."""
        self.beat = time.monotonic()
        busy = self._run_actors()
        if self.stopped:
            return
        if self._timers:
            self._fire_timers()
        if self.drained:
            self._turn_with_drain(busy=busy)
        elif busy:
            if self.sources:
                self._poll(0)
        else:
            self._sleep()

    def _turn_with_drain(self, *, busy: bool) -> None:
        """Look at the sockets once more; only if they are quiet, too, it is a pause."""
        came = bool(self.sources) and self._poll(0)
        if busy or came or self.ready or self.signals:
            if not self._drain_since:
                self._drain_since = self.beat
            full = max(self.drained.values(), default=0) >= DRAIN_ITEMS
            if not full and time.monotonic() - self._drain_since < DRAIN_S:
                return
        self._drain_since = 0.0
        drained, self.drained = self.drained, {}
        for cell in drained:
            cell.run(cell.drain)
            self.drained.pop(cell, None)  # the flush itself is nothing to flush after

    def _run_actors(self) -> bool:
        """Handle signals and messages; return whether more wait."""
        signals, ready = self.signals, self.ready
        budget = TURN_ITEMS
        while budget > 0:
            if signals:
                cell, signal = signals.popleft()
                self.current = cell
                cell.handle_signal(signal)
                self.current = None
                self.beat = time.monotonic()
                budget -= 1
            elif ready:
                cell = ready.popleft()
                self.current = cell
                budget -= cell.run_batch(BATCH_ITEMS, signals)
                self.current = None
            else:
                return False
            if self.stopped:
                return False
        return True

    def _fire_timers(self) -> None:
        now = self.clock.monotonic()
        timers = self._timers
        while timers and timers[0][0] <= now and not self.stopped:
            timer = heapq.heappop(timers)[2]
            cell = timer.cell
            if cell is None:
                self._cancelled -= 1
                continue
            envelope = Envelope(timer.message)
            if timer.interval_s is None:
                timer.expire()
            else:
                next_due = timer.due + timer.interval_s
                timer.due = next_due if next_due > now else now + timer.interval_s
                self.add_timer(timer)
            cell.run(cell.deliver, envelope)
            if self.signals:
                self._run_signals()
            timers = self._timers  # a cancellation or an end may have swept the heap

    def _sleep(self) -> None:
        self.sleeping = True
        wait_s = 0.0 if self.ready or self.signals or self.stopped else self._idle_s
        if wait_s and self._timers:
            wait_s = min(wait_s, max(0.0, self._timers[0][0] - self.clock.monotonic()))
        # zmq waits whole milliseconds: round up, or the loop spins through the last one.
        self._poll(int(wait_s * 1000) + 1 if wait_s else 0)

    def _poll(self, wait_ms: int) -> bool:
        """Wait, handle what is ready; return whether a socket or descriptor was."""
        try:
            events = self._poller.poll(wait_ms)
        except zmq.ZMQError:
            self.sleeping = False
            self._purge_closed()
            return True
        self.sleeping = False
        self.beat = time.monotonic()
        came = False
        for pollable, event in events:
            source = self.sources.get(pollable)
            if source is None:
                self._acknowledge_wake()
                if self._waker is not None and pollable != self._waker.fd:
                    # zmq polls descriptor 0 in place of a socket that was closed under it.
                    self._purge_closed()
                continue
            came = True
            if event & zmq.POLLERR and _is_closed(pollable):
                self._purge_closed()
                continue
            if event & zmq.POLLOUT and source.on_writable is not None:
                source.cell.run(source.on_writable)
            if event & ~zmq.POLLOUT and self.sources.get(pollable) is source:
                self._receive(source)
            if self.signals:
                self._run_signals()
            if self.stopped:
                break
        return came

    def _receive(self, source: Source) -> None:
        """Read a bounded batch; the poller returns for the rest."""
        cell = source.cell
        if source.on_frames is None:
            if source.on_readable is not None:
                cell.run(source.on_readable)
            return
        socket = source.pollable
        assert not isinstance(socket, int)
        for _ in range(BATCH_ITEMS):
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            except zmq.ZMQError:
                self._purge_closed()
                return
            cell.run(source.on_frames, frames)
            if self.signals:
                self._run_signals()
            if self.stopped or self.sources.get(socket) is not source:
                return

    def _run_signals(self) -> None:
        """Handle the signals that are there now: a flood of frames mustn't hide them."""
        for _ in range(len(self.signals)):
            cell, signal = self.signals.popleft()
            self.current = cell
            cell.handle_signal(signal)
            self.current = None
            self.beat = time.monotonic()

    def _acknowledge_wake(self) -> None:
        waker = self._waker
        if waker is not None and not waker.acknowledge():
            self._purge_closed()

    def _purge_closed(self) -> None:
        """Forget sockets and descriptors that an actor closed without removing them; the poller would spin on them."""
        for pollable in list(self.sources):
            if _is_closed(pollable):
                source = self.remove_source(pollable)
                if source is not None:
                    log.warning("closed_socket_removed", actor=source.cell.label, loop=self.name)
        if self._waker is not None and _is_closed(self._waker.fd):
            log.error("wake_up_restored", loop=self.name)
            self._poller.unregister(self._waker.fd)
            self._waker.abandon()
            self._waker = Waker()
            self._poller.register(self._waker.fd, zmq.POLLIN)

    def _close(self) -> None:
        """Close what is left, and end the actors that were still here; nothing runs any more."""
        self.stopped = True
        self._end_cells()
        for source in list(self.sources.values()):
            self.remove_source(source.pollable)
            source.dispose()
        self._timers.clear()
        self.drained.clear()
        for cell in [cell for cell in list(fenced) if cell.loop is self]:
            fenced.discard(cell)
        self._waker = None
        self.sleeping = False
        here.loop = None

    def _end_cells(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close(self)


def _is_closed(pollable: Pollable) -> bool:
    if not isinstance(pollable, int):
        return pollable.closed
    try:
        os.fstat(pollable)
    except OSError:
        return True
    return False
