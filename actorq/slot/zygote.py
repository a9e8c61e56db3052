"""The zygote: a preloaded process with one thread, from which slots are forked.

Started with exec, before anything else lives in it, so that what it forks has no copied locks, threads or sockets. It
imports the application once; a slot then costs a fork. Slots are not its children: it forks twice and the node, a child
subreaper, becomes their parent, so a zygote may die without anybody noticing but the node.

A slot begins only when the zygote has told the node of it. So there is none that the node doesn't know:
1. the zygote forks; 2. it tells the node; 3. it tells the slot to go on. Killed before 3., the slot ends by itself.

Invariant: it forks only while it has a single thread, counted by the kernel. An application that starts threads when it is
imported is served by fresh interpreters, each of which imports it for itself, after its own double fork.

Ends when its node closes the socket or dies.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from actorq.errors import ConfigError
from actorq.log import get_logger
from actorq.plugins.parts import configure_plugin, has_node_parts
from actorq.pools import SOLO
from actorq.slot.orders import (
    AppFailed,
    AppInfo,
    AppReady,
    Reply,
    SlotFailed,
    SlotForked,
    SlotOptions,
    ZygoteOptions,
    pack_frame,
    split_frames,
)
from actorq.slot.process import BETWEEN, count_threads, die_at_end_of, set_process_name
from actorq.slot.start import ignore_stop_signals, run_slot, tie_to_node
from actorq.tasks.built_in import add_built_in, is_built_in
from actorq.tasks.options import OPTION_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actorq.app import App

__all__ = ["describe_app", "main"]

EXIT_CONFIG: Final = 3
_ONE_SLOT: Final = "slot"  # argv[1] of an interpreter that becomes a single slot
_PID_BYTES: Final = 4

log: Final = get_logger(__name__)


def main(arguments: list[str]) -> NoReturn:
    """Serve a node: `SOCKET_FD LIFE_FD OPTIONS`, or become one slot: `slot PID_FD GO_FD LIFE_FD OPTIONS SLOT_OPTIONS`."""
    ignore_stop_signals()
    if arguments[0] == _ONE_SLOT:
        _become_one_slot(arguments[1:])
    node = socket.socket(fileno=int(arguments[0]))
    life_fd = int(arguments[1])
    os.set_inheritable(node.fileno(), False)
    os.set_inheritable(life_fd, False)
    options = msgspec.json.decode(arguments[2], type=ZygoteOptions)
    set_process_name("actorq:zygote")
    try:
        Zygote(node, life_fd, options).serve()
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the node is gone, or doesn't want us any more


class Zygote:
    """What serves one node."""

    def __init__(self, node: socket.socket, life_fd: int, options: ZygoteOptions) -> None:
        self._node = node
        self._life_fd = life_fd
        self._watch_fd = die_at_end_of(life_fd)
        self._options = options
        self._app: App | None = None
        self._forks = True

    def serve(self) -> NoReturn:
        """Import the application, then fork slots as they are ordered."""
        self._preload()
        buffer = bytearray()
        while data := self._node.recv(65536):
            buffer += data
            for frame in split_frames(buffer):
                self._start_slot(msgspec.msgpack.decode(frame, type=SlotOptions))
        os._exit(0)

    def _preload(self) -> None:
        started = time.monotonic()
        try:
            self._app = _load(self._options)
            info = AppInfo("") if self._app is None else describe_app(self._app)
        except BaseException as error:  # noqa: BLE001  an application may raise anything, SystemExit too
            self._reply(AppFailed(_say(error), traceback.format_exc()))
            os._exit(EXIT_CONFIG)
        gc.collect()
        gc.freeze()  # what is shared with the slots stays shared: their collector doesn't write into it
        threads = count_threads()
        self._forks = threads == 1 and not self._options.fresh
        self._reply(AppReady(info, threads, self._forks, time.monotonic() - started))

    def _start_slot(self, options: SlotOptions) -> None:
        _flush_output()  # else every slot would print it again
        can_fork = self._forks and count_threads() == 1 and options.pool != SOLO
        start = self._fork if can_fork else self._spawn
        go_fd, say_fd = os.pipe()
        try:
            self._reply(SlotForked(options.name, start(options, go_fd, say_fd)))
            os.write(say_fd, b"!")
        except (BrokenPipeError, ConnectionResetError):
            raise  # the node is gone
        except OSError as error:
            self._reply(SlotFailed(options.name, f"can't start a process: {error.strerror or error}"))
        finally:
            os.close(go_fd)
            os.close(say_fd)

    def _fork(self, options: SlotOptions, go_fd: int, say_fd: int) -> int:
        """Fork a slot that isn't our child, and return its pid once the node is its parent."""

        def become() -> None:
            self._node.close()
            os.close(say_fd)
            _wait_to_go(go_fd)
            tie_to_node(self._options.node_pid, self._life_fd)
            os.close(self._life_fd)
            os.close(self._watch_fd)  # the zygote's own
            run_slot(options, self._app)

        read_fd, write_fd = os.pipe()
        try:
            between = os.fork()
            if between == 0:
                os.close(read_fd)
                _fork_and_leave(write_fd, become)
            os.close(write_fd)
            write_fd = -1
            return _read_pid(read_fd, lambda: os.waitpid(between, 0))
        finally:
            os.close(read_fd)
            if write_fd >= 0:
                os.close(write_fd)

    def _spawn(self, options: SlotOptions, go_fd: int, _say_fd: int) -> int:
        """Start an interpreter that becomes the slot, and return its pid."""
        read_fd, write_fd = os.pipe()
        try:
            program = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "actorq.slot.zygote"),
                    *(_ONE_SLOT, str(write_fd), str(go_fd), str(self._life_fd)),
                    msgspec.json.encode(self._options).decode(),
                    msgspec.json.encode(options).decode(),
                ],
                pass_fds=(write_fd, go_fd, self._life_fd),
            )
            os.close(write_fd)
            write_fd = -1
            return _read_pid(read_fd, program.wait)
        finally:
            os.close(read_fd)
            if write_fd >= 0:
                os.close(write_fd)

    def _reply(self, reply: Reply) -> None:
        self._node.sendall(pack_frame(reply))


def describe_app(app: App) -> AppInfo:
    """Return what a node may know of the application, as plain data."""
    return AppInfo(
        name=app.name,
        home=str(app.home.path),
        tasks={
            name: _make_plain(
                {
                    **{option: getattr(task, option) for option in OPTION_NAMES if hasattr(task, option)},
                    "is_coroutine": task.is_coroutine,
                }
            )
            for name, task in app.tasks.items()
            if not is_built_in(name)
        },
        conf=_make_plain(app.conf.as_dict()),
        node_plugins=tuple(plugin.name for plugin in app.plugins if has_node_parts(plugin)),
        plugins_disabled=tuple(sorted(app.plugins.disabled)),
    )


def _load(options: ZygoteOptions) -> App | None:
    if not options.app:
        return None
    from actorq.app import load_app  # noqa: PLC0415  a zygote without an application doesn't need it

    app = load_app(options.app)
    app.import_includes()
    add_built_in(app)
    app.plugins.add_specs(options.plugins)
    for plugin in app.plugins.load():
        if plugin.name in options.values:
            configure_plugin(plugin, options.values[plugin.name])
    return app


def _become_one_slot(arguments: list[str]) -> NoReturn:
    pid_fd, go_fd, life_fd = descriptors = [int(fd) for fd in arguments[:3]]
    for fd in descriptors:
        os.set_inheritable(fd, False)
    options = msgspec.json.decode(arguments[3], type=ZygoteOptions)
    slot_options = msgspec.json.decode(arguments[4], type=SlotOptions)

    def become() -> None:
        _wait_to_go(go_fd)
        tie_to_node(options.node_pid, life_fd)
        os.close(life_fd)
        try:
            app = _load(options)
        except ConfigError as error:
            sys.stderr.write(f"actorq: {error}\n")
            _flush_output()
            os._exit(EXIT_CONFIG)
        run_slot(slot_options, app)

    _fork_and_leave(pid_fd, become)


def _fork_and_leave(pid_fd: int, become: Callable[[], None]) -> NoReturn:
    """Fork once more, tell the pid and end, so that the node inherits the fork, which calls `become`."""
    status = 1
    set_process_name(BETWEEN)  # until it is a slot, the node doesn't know it: see `reap_strays`
    try:
        pid = os.fork()
        if pid:
            with contextlib.suppress(BrokenPipeError):  # the zygote was killed: the slot will notice, too
                os.write(pid_fd, pid.to_bytes(_PID_BYTES, "little"))
            os._exit(0)
        os.close(pid_fd)
        os.setsid()
        become()
        status = 0
    except BaseException:  # noqa: BLE001  nothing may get back into the zygote's loop
        traceback.print_exc()
    finally:
        _flush_output()
        os._exit(status)


def _wait_to_go(go_fd: int) -> None:
    """Wait until the zygote has told the node about us; end where it died instead."""
    if not os.read(go_fd, 1):
        os._exit(1)
    os.close(go_fd)


def _read_pid(read_fd: int, wait: Callable[[], object]) -> int:
    told = os.read(read_fd, _PID_BYTES)
    # Only when the process in between is reaped the kernel has given its child to the node.
    wait()
    if len(told) != _PID_BYTES:
        raise OSError("it ended before it became a slot")
    return int.from_bytes(told, "little")


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _say(error: BaseException) -> str:
    """Return one line."""
    text = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _make_plain(value: Mapping[str, object]) -> dict[str, object]:
    """Return the same as data that can be sent: what isn't plain, or a list of names, becomes its repr."""
    plain = (str, int, float, bool, type(None))

    def is_plain(each: object) -> bool:
        if isinstance(each, dict):
            return all(isinstance(name, str) and is_plain(inner) for name, inner in each.items())
        return isinstance(each, plain) or (isinstance(each, tuple) and all(isinstance(name, str) for name in each))

    return {key: each if is_plain(each) else repr(each) for key, each in value.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
