"""What people get to see of a task's arguments: short, and without what is nobody's to read.

A call may say itself what is shown (`argsrepr`, `kwargsrepr`). Else each value is shown by its repr, where a Secret shows as
`***`, and so do parameters, and keys of dicts among the arguments, that the task's option `redact` names. Nothing here can fail
or take long: what it is given is the user's, and may be anything.
"""

from __future__ import annotations

import inspect
import reprlib
from typing import TYPE_CHECKING, Any, Final

from actorq.messages.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["SHOWN_CHARS", "mask_plain", "show_arguments"]

SHOWN_CHARS: Final = 1024  # of all positional ones, and of all named ones

_short: Final = reprlib.Repr()
_short.maxstring = _short.maxother = 160
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = 16
_short.maxlevel = 4


class _Masked:
    """Takes the place of a value."""

    def __repr__(self) -> str:
        return MASK


_MASKED: Final = _Masked()


def show_arguments(
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    headers: Mapping[str, Any] | None = None,
    redact: Collection[str] = (),
    function: Callable[..., Any] | None = None,
) -> tuple[str, str]:
    """Return `(args, kwargs)` as texts. `function`, the task's body, is asked which positional argument has which name."""
    headers = headers or {}
    names = frozenset(redact)
    shown_args, shown_kwargs = headers.get("argsrepr"), headers.get("kwargsrepr")
    if not isinstance(shown_args, str):
        by_position = _find_names(function, len(args)) if names else ()
        hidden = {place for place, name in enumerate(by_position) if name in names}
        shown_args = _show(tuple(_MASKED if place in hidden else _hide(each, names) for place, each in enumerate(args)))
    if not isinstance(shown_kwargs, str):
        shown_kwargs = _show(_hide(dict(kwargs), names))
    return shown_args[:SHOWN_CHARS], shown_kwargs[:SHOWN_CHARS]


def mask_plain(args: Sequence[Any], kwargs: Mapping[str, Any], headers: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return arguments that were decoded from plain data, as plain data: masked, or the text that is to be shown instead."""
    shown_args, shown_kwargs = headers.get("argsrepr"), headers.get("kwargsrepr")
    return (
        shown_args if isinstance(shown_args, str) else _mask_secrets(list(args)),
        shown_kwargs if isinstance(shown_kwargs, str) else _mask_secrets(dict(kwargs)),
    )


def _mask_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {key: _mask_secrets(each) for key, each in value.items()}
    return [_mask_secrets(each) for each in value] if isinstance(value, list | tuple) else value


def _hide(value: Any, names: frozenset[str], depth: int = 4) -> Any:
    if not names or not depth:
        return value
    if type(value) is dict:
        return {
            key: _MASKED if isinstance(key, str) and key in names else _hide(each, names, depth - 1)
            for key, each in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(_hide(each, names, depth - 1) for each in value)
    return value


def _show(value: Any) -> str:
    try:
        return _short.repr(value)
    except BaseException as error:  # noqa: BLE001  a user's __repr__ may do anything
        return f"<can't be shown: {type(error).__name__}>"


def _find_names(function: Callable[..., Any] | None, count: int) -> list[str]:
    """Return the names of the first `count` positional parameters; those of `*args` all have its name."""
    if function is None:
        return []
    kinds = inspect.Parameter
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some C functions don't tell
        return []
    names = [each.name for each in parameters if each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    rest = next((each.name for each in parameters if each.kind is kinds.VAR_POSITIONAL), "")
    return [*names, *[rest] * max(0, count - len(names))][:count]
