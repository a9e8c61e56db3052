"""A system as the main function of a program, and as a context."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from actorq.actors import NORMAL, Actor, Crashed, Exit, System

HEAD = """
import os, signal, sys
from actorq.actors import NORMAL, Actor, Exit, System, is_clean
"""


def run_program(code: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    text = HEAD + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=timeout_s)


class Done(Actor):
    def init(self) -> None:
        self.timers.after(0.0, "go")

    def on_receive(self, message: object) -> None:
        raise Exit(NORMAL)


class Crashing(Done):
    def on_receive(self, message: object) -> None:
        raise ValueError("no")


class Interrupting(Actor):
    """Sends its own process a signal, as a terminal would."""

    def init(self, number: signal.Signals) -> None:
        self.timers.after(0.0, number)

    def on_receive(self, message: signal.Signals) -> None:
        os.kill(os.getpid(), message)


class Refusing(Actor):
    def init(self) -> None:
        raise ValueError("not today")


def test_run_returns_the_reason_for_which_the_root_ended_by_itself():
    assert System("done").run(Done) == NORMAL
    reason = System("crash").run(Crashing)
    assert isinstance(reason, Crashed)
    assert reason.class_name == "ValueError"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_good_order_and_the_handlers_are_back(number):
    before = signal.getsignal(number)
    system = System("interrupted")
    assert system.run(Interrupting, number) is None
    assert signal.getsignal(number) is before
    assert system.loops() == []


def test_what_init_raises_is_raised_by_run_and_the_system_is_shut_down():
    before = signal.getsignal(signal.SIGINT)
    system = System("refusing")
    with pytest.raises(ValueError, match="not today"):
        system.run(Refusing)
    assert signal.getsignal(signal.SIGINT) is before
    assert system.loops() == []


def test_run_wants_the_main_thread():
    said: list[BaseException] = []

    def run() -> None:
        try:
            System("elsewhere").run(Done)
        except RuntimeError as error:
            said.append(error)

    thread = threading.Thread(target=run, name="side")
    thread.start()
    thread.join(5)
    assert "expected run() in the main thread, got thread 'side'" in str(said[0])


def test_a_system_is_a_context_that_shuts_down():
    with System("context") as system:
        ref = system.spawn(Done)
        system.wait_down(ref)
        system.spawn(Actor)
    assert system.actors() == []
    assert system.loops() == []


def test_a_second_signal_ends_a_program_whose_actor_does_not_end():
    done = run_program("""
        import threading

        class Stubborn(Actor):
            pinned = True

            def init(self):
                self.timers.after(0.0, "go")

            def on_receive(self, message):
                os.kill(os.getpid(), signal.SIGTERM)
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
                threading.Event().wait(60)

        System("stubborn").run(Stubborn, stop_timeout_s=60)
    """)
    assert done.returncode == -signal.SIGTERM, done.stderr


def test_a_signal_in_the_middle_of_a_slow_start_ends_it_as_soon_as_it_is_up():
    done = run_program("""
        class Slow(Actor):
            def init(self):
                os.kill(os.getpid(), signal.SIGINT)
                import time
                time.sleep(0.1)

        print(System("slow").run(Slow))
    """)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
