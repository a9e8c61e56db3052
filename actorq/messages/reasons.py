"""Why an actor ended.

Erlang's exit reasons as values: `normal`, `shutdown`, `shutdown(info)` are clean, everything else is a failure that a
supervisor acts on. A crash is carried as data (class name, message, traceback text), so a reason can go over a wire and
never keeps frames of the dead alive.
"""

from __future__ import annotations

import linecache
import traceback
from typing import Final, TypeAlias

import msgspec

__all__ = [
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "Crashed",
    "ExitReason",
    "Kill",
    "Killed",
    "NoConnection",
    "NoProc",
    "Normal",
    "Shutdown",
    "as_reason",
    "crashed",
    "is_clean",
    "safe_text",
]

PLAIN_LINES: Final = 64  # lines; what is longer may repeat itself, which the interpreter's own text says in one line
MAX_TRACEBACK_CHARS: Final = 16_384  # the end of a traceback is what names the error; deep recursion fills megabytes


class Normal(msgspec.Struct, frozen=True, tag="normal"):
    """The actor was done."""

    def __str__(self) -> str:
        return "normal"


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """The actor was told to end, or ended in good order because of `info`."""

    info: object = None

    def __str__(self) -> str:
        return "shutdown" if self.info is None else f"shutdown: {self.info}"


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """The signal that can't be trapped; linked peers see `Killed`."""

    def __str__(self) -> str:
        return "kill"


class Killed(msgspec.Struct, frozen=True, tag="killed"):
    """The actor was killed: none of its own code ran afterwards."""

    def __str__(self) -> str:
        return "killed"


class NoProc(msgspec.Struct, frozen=True, tag="noproc"):
    """There was no such actor, or it had ended before."""

    def __str__(self) -> str:
        return "noproc"


class NoConnection(msgspec.Struct, frozen=True, tag="noconnection"):
    """The node it lives on can't be reached."""

    def __str__(self) -> str:
        return "noconnection"


class Crashed(msgspec.Struct, frozen=True, tag="crashed"):
    """An exception nobody caught."""

    class_name: str
    message: str = ""
    traceback_text: str = ""

    def __str__(self) -> str:
        return f"{self.class_name}: {self.message}" if self.message else self.class_name


ExitReason: TypeAlias = Normal | Shutdown | Kill | Killed | NoProc | NoConnection | Crashed

NORMAL: Final = Normal()
SHUTDOWN: Final = Shutdown()
KILL: Final = Kill()
KILLED: Final = Killed()
NOPROC: Final = NoProc()
NOCONNECTION: Final = NoConnection()


def is_clean(reason: object) -> bool:
    """Return whether `reason` is an end in good order: normal or shutdown, with or without info."""
    return isinstance(reason, (Normal, Shutdown))


def crashed(error: BaseException) -> Crashed:
    """Return `error` as data; the text keeps its end where it is too long. Raises nothing, whatever `error` does."""
    try:
        text = _traceback_of(error)
    except BaseException:  # noqa: BLE001  an exception whose own attributes raise, or no memory or stack left to show it
        text = "(its traceback can't be shown)"
    if len(text) > MAX_TRACEBACK_CHARS:
        text = "…" + text[-MAX_TRACEBACK_CHARS:]
    return Crashed(type(error).__qualname__, safe_text(error), text)


def as_reason(value: object) -> ExitReason:
    """Return `value` itself where it is an exit reason; anything else becomes a failure that shows it."""
    if isinstance(value, (Normal, Shutdown, Kill, Killed, NoProc, NoConnection, Crashed)):
        return value
    if isinstance(value, BaseException):
        return crashed(value)
    return Crashed("Exit", safe_text(value))


def safe_text(value: object) -> str:
    """Return `str(value)`, or words for it where that fails."""
    try:
        return str(value)
    except BaseException:  # noqa: BLE001  a broken __str__ must not hide the crash it describes
        return "(its message can't be shown)"


def _traceback_of(error: BaseException) -> str:
    """Return what the interpreter would print; the plain case without looking at files again, in a tenth of the time."""
    plain = _is_plain(error)
    lines = ["Traceback (most recent call last):"]
    step = error.__traceback__
    while plain and step is not None and len(lines) < PLAIN_LINES:
        code = step.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}')
        source = linecache.getline(code.co_filename, step.tb_lineno, step.tb_frame.f_globals).strip()
        if source:
            lines.append("    " + source)
        step = step.tb_next
    if not plain or step is not None:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    message = safe_text(error)
    return "\n".join([*lines, f"{name}: {message}" if message else name, ""])


def _is_plain(error: BaseException) -> bool:
    """Return whether there is nothing to tell but frames and a message: no other exception, no notes, no excerpt."""
    hidden = error.__suppress_context__ or error.__context__ is None
    special = isinstance(error, (SyntaxError, BaseExceptionGroup, ImportError, NameError, AttributeError))
    return hidden and error.__cause__ is None and not special and not hasattr(error, "__notes__")
