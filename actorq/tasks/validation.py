"""The option `pydantic`: arguments validated where the task runs, models dumped where they travel.

pydantic is an extra. It is looked for when a task is defined, and imported when the first one runs: whoever only sends doesn't
pay for it, unless the application's models have imported it anyway.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from typing import TYPE_CHECKING, Any

from actorq.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["check_installed", "dump_arguments", "dump_models", "validate_calls"]


def check_installed(task: str) -> None:
    """Check that there is a pydantic.

    Raises:
        ConfigError: there is none; says how to get it.
    """
    if importlib.util.find_spec("pydantic") is None:
        raise ConfigError(
            f"expected pydantic to be installed, because task {task} has pydantic=True; "
            "install it with: pip install 'actorq[pydantic]'"
        )


def validate_calls(body: Callable[..., Any], redact: Collection[str] = ()) -> Callable[..., Any]:
    """Return what calls `body` with its arguments validated and converted as their annotations say.

    Errors don't show what was given where the task hides some of it.
    """
    pydantic: Any = importlib.import_module("pydantic")
    config = {"arbitrary_types_allowed": True, "hide_input_in_errors": bool(redact)}
    # Not bound ones: pydantic reads annotations from plain functions only.
    first: tuple[Any, ...] = ()
    function: Any = body
    if isinstance(function, functools.partial):
        function, first = function.func, function.args
    elif inspect.ismethod(function):
        function, first = function.__func__, (function.__self__,)
    validated: Callable[..., Any] = pydantic.validate_call(config=config)(function)
    return functools.partial(validated, *first) if first else validated


def dump_models(value: Any) -> Any:
    """Return `value` with the models in it, and in lists, tuples and dicts of it, as plain data."""
    pydantic: Any = sys.modules.get("pydantic")
    return value if pydantic is None else _dump(value, pydantic.BaseModel)


def dump_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with their models as plain data."""
    return dump_models(args), dump_models(dict(kwargs))


def _dump(value: Any, model: type) -> Any:
    if isinstance(value, model):
        return value.model_dump(mode="json")  # type: ignore[attr-defined]
    if type(value) in (list, tuple):
        return type(value)(_dump(each, model) for each in value)
    if type(value) is dict:
        return {key: _dump(each, model) for key, each in value.items()}
    return value
