"""Exceptions travel as data: class name, arguments, attributes, message, notes, traceback text, and what caused them.

Invariant: an exception is rebuilt only as a class this process put on the list itself: Python's own exceptions,
actorq's, those given to `register_exception`, and those in a task's `throws`. Everything else comes back as a RemoteError. A name in bytes is a
key into that list, never something to import or to call.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from actorq import errors
from actorq.codec.plain import check_msgpack
from actorq.codec.serializers import load
from actorq.errors import EncodeError, RemoteError

__all__ = ["decode_failure", "encode_failure", "is_retryable", "register_exception", "register_expected", "say"]

if TYPE_CHECKING:
    from collections.abc import Iterable

_E = TypeVar("_E", bound=type[Exception])

MESSAGE_CHARS: Final = 16_384  # a message longer than this is data, and would sit in every log
NAME_CHARS: Final = 1_024
FAILURE_BYTES: Final = 1 << 20  # an exception that holds more brings what it holds by description only
MAX_CAUSES: Final = 8  # one behind the other
MAX_NOTES: Final = 32
MAX_MEMBERS: Final = 16  # of an exception group, groups in it included
TRACEBACK_CHARS: Final = 65_536  # a recursion error's text is longer; its end says what happened


class _Failure(msgspec.Struct, array_like=True):
    """One exception. `args` and `state` hold plain values; what wasn't plain was replaced by its repr."""

    module: str
    name: str
    args: list[Any]
    state: dict[str, Any]
    message: str
    traceback: str = ""
    retryable: bool = False
    cause: _Failure | None = None
    notes: list[str] = []
    is_context: bool = False  # it was being handled when the one it belongs to was raised; no cause that was named
    members: list[_Failure] = []  # of an exception group


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Failure).decode

# Only subclasses of Exception: a SystemExit that came from a task must not end its caller.
_BUILTIN: Final[dict[tuple[str, str], type[Exception]]] = {
    ("builtins", name): value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and value.__name__ == name
}
_registered: Final[dict[tuple[str, str], type[Exception]]] = {
    (value.__module__, value.__qualname__): value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ActorqError)
}


def register_exception(cls: _E) -> _E:
    """Let failures of this class come back as this class; usable as a decorator.

    The instance is made without calling its `__init__`: `args` and plain attributes are restored as they were.

    Raises:
        TypeError: it isn't a subclass of Exception.
    """
    given: object = cls
    if not (isinstance(given, type) and issubclass(given, Exception)):
        raise TypeError(f"expected a subclass of Exception, got {cls!r}")
    _registered[cls.__module__, cls.__qualname__] = cls
    return cls


def register_expected(classes: Iterable[type[BaseException]]) -> None:
    """Put exceptions that a task is expected to raise on the list, as far as they may be there."""
    for cls in classes:
        name = cls.__module__, cls.__qualname__
        if issubclass(cls, Exception) and name not in _BUILTIN:
            _registered.setdefault(name, cls)


def encode_failure(exc: BaseException, traceback_text: str, *, retryable: bool = False) -> bytes:
    """Encode an exception; never raises because of what the exception holds."""
    failure = _describe(exc, MAX_CAUSES)
    failure.traceback = traceback_text[-TRACEBACK_CHARS:]
    failure.retryable = retryable
    try:
        found = _encode(failure)
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError):  # lone surrogates, enormous integers
        found = _encode(_spell_out(failure))
    return found if len(found) <= FAILURE_BYTES else _encode(_empty(failure))


def decode_failure(payload: bytes) -> tuple[Exception, str]:
    """Return `(exception, traceback_text)`.

    Raises:
        DecodeError: the bytes aren't a failure.
    """
    failure: _Failure = load(_decode, payload, "a failure as msgpack")
    return _rebuild(failure), failure.traceback


def is_retryable(payload: bytes) -> bool:
    """Return whether whoever encoded the failure said that another run may succeed."""
    failure: _Failure = load(_decode, payload, "a failure as msgpack")
    return failure.retryable


def _describe(exc: BaseException, causes: int, members: int = MAX_MEMBERS) -> _Failure:
    """Return the exception as data, with at most so many causes behind it. They may go round in a circle."""
    kind = type(exc)
    failure = _Failure(
        kind.__module__,
        kind.__qualname__,
        [_plain(value) for value in _find_args(exc)],
        {key: _plain(value) for key, value in vars(exc).items() if not key.startswith("__")},
        _text(str, exc)[:MESSAGE_CHARS],
        notes=_find_notes(exc),
    )
    cause = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    if cause is not None and causes:
        failure.cause = _describe(cause, causes - 1, members)
        failure.cause.is_context = exc.__cause__ is None
    if isinstance(exc, BaseExceptionGroup):
        failure.members = [_describe(each, 1, members // 4) for each in exc.exceptions[:members]]
    return failure


def _find_notes(exc: BaseException) -> list[str]:
    notes = getattr(exc, "__notes__", None)
    return [_text(str, note)[:MESSAGE_CHARS] for note in notes[:MAX_NOTES]] if isinstance(notes, list) else []


def _find_args(exc: BaseException) -> tuple[Any, ...]:
    """Return what to make the exception from again; an OSError keeps its file names out of `args`."""
    if isinstance(exc, BaseExceptionGroup):
        return exc.args[:1]  # its members are described by themselves
    if isinstance(exc, OSError) and exc.filename is not None:
        names = (exc.filename,) if exc.filename2 is None else (exc.filename, None, exc.filename2)
        return (*exc.args[:2], *names)
    return exc.args


def _plain(value: Any) -> Any:
    try:
        check_msgpack((value,), "")
    except (EncodeError, RecursionError):
        return _text(repr, value)[:MESSAGE_CHARS]
    return value


def say(exc: BaseException) -> str:
    """Return class and message, whatever the class does to being shown."""
    return f"{type(exc).__name__}: {_text(str, exc)[:MESSAGE_CHARS]}"


def _text(function: Any, value: Any) -> str:
    try:
        return str(function(value))
    except Exception as error:  # noqa: BLE001  a task's __str__ or __repr__ may do anything
        return f"<{type(value).__qualname__} whose {function.__name__} raised {type(error).__qualname__}>"


def _spell_out(failure: _Failure) -> _Failure:
    """Return the same with every value as ASCII text."""
    return _Failure(
        ascii(failure.module)[1:-1],
        ascii(failure.name)[1:-1],
        [ascii(value) for value in failure.args],
        {},
        failure.message.encode("ascii", "backslashreplace").decode(),
        failure.traceback.encode("ascii", "backslashreplace").decode(),
        failure.retryable,
        _spell_out(failure.cause) if failure.cause else None,
        [note.encode("ascii", "backslashreplace").decode() for note in failure.notes],
        failure.is_context,
        [_spell_out(each) for each in failure.members],
    )


def _empty(failure: _Failure) -> _Failure:
    """Return the same without what it holds, for one that would be too large to be sent."""
    return _Failure(
        failure.module[:NAME_CHARS].encode("ascii", "backslashreplace").decode(),
        failure.name[:NAME_CHARS].encode("ascii", "backslashreplace").decode(),
        [failure.message[:MESSAGE_CHARS].encode("ascii", "backslashreplace").decode()],
        {},
        failure.message[:MESSAGE_CHARS].encode("ascii", "backslashreplace").decode(),
        failure.traceback.encode("ascii", "backslashreplace").decode(),
        failure.retryable,
        notes=["what it held, and what caused it, was left out: it is too large to be sent"],
    )


def _rebuild(failure: _Failure) -> Exception:
    exc = _make(failure)
    for note in failure.notes:
        exc.add_note(note)
    if failure.cause is not None:
        cause = _rebuild(failure.cause)
        if failure.cause.is_context:
            exc.__context__ = cause
        else:
            exc.__cause__ = cause
    return exc


def _make(failure: _Failure) -> Exception:
    name = failure.module, failure.name
    try:
        known = _BUILTIN.get(name) or _registered.get(name)
        if known is not None and failure.members:
            exc = known(*failure.args, [_rebuild(each) for each in failure.members])
        elif known := _BUILTIN.get(name):
            exc = known(*failure.args)
        elif known := _registered.get(name):
            exc = known.__new__(known, *failure.args)
            exc.args = tuple(failure.args)
        else:
            return _unknown(failure)
        vars(exc).update(failure.state)
    except Exception:  # noqa: BLE001  a class that can't be made from these arguments is as good as unknown
        return _unknown(failure)
    return exc


def _unknown(failure: _Failure) -> RemoteError:
    prefix = "" if failure.module == "builtins" else f"{failure.module}."
    return RemoteError(f"{prefix}{failure.name}", failure.message, failure.traceback, repr(tuple(failure.args)))
