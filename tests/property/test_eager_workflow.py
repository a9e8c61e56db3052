"""A workflow that runs here ends as the obvious interpreter says, whatever the canvas."""

from __future__ import annotations

from ast import literal_eval
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from actorq import App, ChordError
from tests.canvases import CANVASES, FAILED, FAILED_GROUP, Interpreter, Record, is_nothing, normal

if TYPE_CHECKING:
    from actorq.canvas import Signature

MOST = 150  # tasks of a canvas
app = App("canvases", home="/nowhere")
record = Record()
failing: set[str] = set()


def plain(value: Any) -> Any:
    """Return it as it is behind the codec, which knows no tuples."""
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def register(number: int) -> None:
    @app.task(name=f"t{number}")
    def task(*args: Any) -> Any:
        name = f"t{number}"
        record.calls[name, repr(plain(args))] += 1
        if name in failing:
            raise ValueError(name)
        return name, args

    def errback_by_id(task_id: str) -> None:
        record.errbacks[f"e{number}", task_id] += 1

    def errback_by_details(request: Any, exc: Exception, traceback: str | None) -> None:
        assert isinstance(exc, ValueError | ChordError)
        assert "Error" in (traceback or "")
        record.errbacks[f"e{number}", request.id] += 1

    app.task(name=f"e{number}")(errback_by_details if number % 2 else errback_by_id)


for each in range(MOST):
    register(each)


def cause_of(error: BaseException) -> BaseException:
    while isinstance(error, ChordError):
        assert error.__cause__ is not None
        error = error.__cause__
    return error


@given(canvas=CANVASES, numbers=st.sets(st.integers(0, 20)))
def test_it_agrees_with_the_interpreter(canvas: Signature, numbers: set[int]) -> None:
    global record
    record = Record()
    failing.clear()
    failing.update(f"t{number}" for number in numbers)
    interpreter = Interpreter(failing)
    expected = interpreter.run(normal(canvas))
    result = app.run_canvas(canvas)
    calls = {(name, repr(plain(literal_eval(args)))): n for (name, args), n in interpreter.record.calls.items()}
    assert record.calls == Counter(calls)
    assert record.errbacks == interpreter.record.errbacks
    if is_nothing(canvas):
        assert result.get() is None
    elif expected in (FAILED, FAILED_GROUP):
        assert result.state == "FAILURE"
        error = next(each for each in [*flatten(result.result)] if isinstance(each, Exception))
        assert str(cause_of(error)) in failing
    else:
        assert plain(result.get()) == plain(expected)


def flatten(value: Any) -> Any:
    if isinstance(value, list):
        for each in value:
            yield from flatten(each)
    else:
        yield value
