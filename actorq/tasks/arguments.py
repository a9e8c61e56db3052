"""Whether arguments fit a function, asked for at `delay()` and not found out minutes later in a slot.

`inspect.Signature.bind` would cost more than sending the task. So the signature is compiled once into a function that
does nothing: calling it makes the interpreter check the arguments and word the error as for any call.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compile_check"]

_STAR: Final[dict[object, str]] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def compile_check(function: Callable[..., Any], *, skip_first: bool) -> Callable[..., None] | None:
    """Return a function with the parameters of `function` and no body; None where they can't be known.

    `skip_first` leaves out the task itself (`bind=True`).
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some C functions don't tell
        return None
    if skip_first and parameters and parameters[0].kind not in _STAR:
        parameters = parameters[1:]
    scope: dict[str, Any] = {}
    # Only parameter names reach the source; the interpreter made sure that they are identifiers.
    exec(f"def check({_spell(parameters)}): pass", scope)  # noqa: S102
    check: Callable[..., None] = scope["check"]
    check.__qualname__ = check.__name__ = getattr(function, "__name__", "task")
    return check


def _spell(parameters: list[inspect.Parameter]) -> str:
    parts: list[str] = []
    kinds = inspect.Parameter
    for index, parameter in enumerate(parameters):
        before = parameters[index - 1].kind if index else None
        if before is kinds.POSITIONAL_ONLY and parameter.kind is not kinds.POSITIONAL_ONLY:
            parts.append("/")
        if parameter.kind is kinds.KEYWORD_ONLY and before not in (kinds.KEYWORD_ONLY, kinds.VAR_POSITIONAL):
            parts.append("*")
        default = "" if parameter.default is parameter.empty else "=None"
        parts.append(f"{_STAR.get(parameter.kind, '')}{parameter.name}{default}")
    if parameters and parameters[-1].kind is kinds.POSITIONAL_ONLY:
        parts.append("/")
    return ", ".join(parts)
