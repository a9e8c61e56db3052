"""A supervised ZeroMQ echo server: actors without a task queue.

    $ python -m examples.echo_server
    $ python -m examples.echo_client hello crash 'hello again'      # in another terminal

A supervisor keeps two children. The server owns the socket and a thread; the worker does the work, and the text `crash` is
a bug in it that ends it. The server notices nothing but a failed answer, and a fresh worker takes the next text. Six bugs
in ten seconds are more than the supervisor puts up with: it gives up, and the program ends with 1. Ctrl-C ends it with 0.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import zmq

from actorq import Actor, ActorDead, ChildSpec, Outcome, Supervisor, System

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.actors import ExitReason

ENDPOINT: Final = "tcp://127.0.0.1:5757"
POISON: Final = "crash"
ANSWER_S: Final = 2.0  # a client has an answer by then, be it that there is none


@dataclass(frozen=True)
class Echo:
    """Answered with the text and who says it."""

    text: str


class Worker(Actor):
    """Does the work, one message at a time. Light: actors that never block share a thread."""

    def init(self) -> None:
        self.done = 0
        say(f"worker #{self.self_ref.id} is up")

    def on_echo(self, message: Echo) -> str:
        if message.text == POISON:
            raise ValueError("this text is a bug in the worker")
        self.done += 1
        return f"{message.text} (echo {self.done} of worker #{self.self_ref.id})"

    def terminate(self, reason: ExitReason) -> None:
        say(f"worker #{self.self_ref.id} ends: {reason}")


class Server(Actor):
    """Takes `[client, request, text]` from a ROUTER socket, and answers when the worker has."""

    pinned = True  # a thread of its own

    def init(self, *, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self.worker = self.system.ref("worker", wait_s=1.0)  # waits out a restart
        self.answered = self.failed = 0
        self.socket = context.socket(zmq.ROUTER)
        # From here on the loop closes it, also if the bind fails.
        self.sockets.add(self.socket, self.on_request)
        self.socket.bind(endpoint)
        say(f"server is up at {self.socket.getsockopt_string(zmq.LAST_ENDPOINT)}")

    def on_request(self, frames: list[bytes]) -> None:
        """Pass a request on; its answer comes later, and other requests are taken meanwhile."""
        if len(frames) != 3:
            return  # somebody who speaks another language
        client, request, text = frames
        self.ask_worker(client, request, Echo(text.decode(errors="replace")))

    def ask_worker(self, client: bytes, request: bytes, message: Echo, tries: int = 3) -> None:
        callback = partial(self.answer, client, request, message, tries - 1)
        self.ask_then(self.worker, message, ANSWER_S, callback)

    def answer(self, client: bytes, request: bytes, message: Echo, tries: int, outcome: Outcome) -> None:
        """Send what the worker answered, or why it didn't: it crashed, is flooded, took too long."""
        if isinstance(outcome.error, ActorDead) and tries:
            # It died of somebody else's text while ours was in its mailbox; a second echo does no harm.
            self.ask_worker(client, request, message, tries)
            return
        if outcome.ok:
            self.answered += 1
            text = str(outcome.value)
        else:
            self.failed += 1
            text = f"no echo: {outcome.error}"
        with suppress(zmq.Again):  # the server waits for nobody: who doesn't read loses answers
            self.socket.send_multipart([client, request, text.encode()], zmq.NOBLOCK)

    def terminate(self, reason: ExitReason) -> None:
        say(f"server ends: {reason}; {self.answered} answered, {self.failed} failed")

    def describe(self) -> dict[str, object]:
        return {"answered": self.answered, "failed": self.failed}


def plan_tree(context: zmq.Context[Any], endpoint: str) -> dict[str, Any]:
    """Return the arguments of the root: the worker starts before the server and ends after it."""
    server = ChildSpec("server", Server, kwargs={"context": context, "endpoint": endpoint}, name="server")
    worker = ChildSpec("worker", Worker, name="worker")
    return {"specs": [worker, server], "strategy": "one_for_one", "intensity": 5, "period_s": 10.0}


def say(text: str) -> None:
    """Tell the story."""
    print(text, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal comes, or until the supervisor gives up."""
    endpoint = arguments[0] if arguments else ENDPOINT
    with zmq.Context() as context:
        reason = System("echo").run(Supervisor, **plan_tree(context, endpoint))
    say("ended by a signal" if reason is None else f"gave up: {reason}")
    return 0 if reason is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
