"""A client of the echo server: `python -m examples.echo_client [--at ENDPOINT] TEXT...`; exit code 1 if an answer is missing.

It knows nothing of actors. A DEALER socket and a number per request: an answer that comes too late is told from the next one.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

import zmq

from examples.echo_server import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S: Final = 5.0


def request(socket: zmq.Socket[bytes], number: int, text: str, timeout_s: float = PATIENCE_S) -> str | None:
    """Return the answer, or None if there was none in time."""
    socket.send_multipart([b"%d" % number, text.encode()])
    while socket.poll(int(timeout_s * 1000)):
        answered, answer = socket.recv_multipart()
        if int(answered) == number:
            return answer.decode()
    return None


def main(arguments: Sequence[str]) -> int:
    """Send each text and print what comes back."""
    parser = argparse.ArgumentParser(prog="echo_client", description="Send texts to the echo server.")
    parser.add_argument("--at", default=ENDPOINT, metavar="ENDPOINT")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    given = parser.parse_args(arguments)
    missing = 0
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(given.at)
        for number, text in enumerate(given.texts, 1):
            answer = request(socket, number, text)
            missing += answer is None
            print(f"> {text}\n< {answer or f'(nothing from {given.at})'}", flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
