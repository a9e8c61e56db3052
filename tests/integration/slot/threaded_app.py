"""An application that starts a thread when it is imported, which no forked process would have."""

from __future__ import annotations

import threading

from actorq.app import App

app = App("threaded")
_stop = threading.Event()
_answers: list[str] = []


def _answer():
    _answers.append("from the thread")
    _stop.wait()


_thread = threading.Thread(target=_answer, daemon=True)
_thread.start()


@app.task(name="ask_the_thread")
def ask_the_thread():
    return _answers[0] if _thread.is_alive() else "no thread"
