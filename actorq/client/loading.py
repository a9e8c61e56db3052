"""Find an application by what was given as `-A`: `tasks`, `tasks:app`, `pkg.mod:attr`; and guess what is to be given.

Invariant: whatever is wrong becomes one line that says where; the working directory counts as a place to import from, as
it does for `python -m`.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import ConfigError
from actorq.transport.paths import is_default_home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from actorq.app import App
    from actorq.transport.paths import Home

__all__ = [
    "describe_import_error",
    "find_module_name",
    "get_attribute",
    "guess_node_command",
    "import_module",
    "load_app",
]

_ACTORQ: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def load_app(spec: str) -> App:
    """Return the application that `spec` names: `module:attribute`, or a module with `app` or with a single App.

    Raises:
        ConfigError: the module can't be imported, or there is no such application in it.
    """
    from actorq.app import App  # noqa: PLC0415  this is the one place that goes from a name to an App

    name, colon, attribute = spec.partition(":")
    module = import_module(name)
    if colon:
        found = get_attribute(module, attribute, spec)
        if not isinstance(found, App):
            raise ConfigError(f"expected {spec} to be an actorq.App, got {type(found).__qualname__}")
        return found
    if isinstance(getattr(module, "app", None), App):
        app: App = module.app
        return app
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    if len(set(apps.values())) == 1:
        return next(iter(apps.values()))
    if not apps:
        raise ConfigError(f"expected an actorq.App in module {name}, got none; name it: {name}:attribute")
    choices = " or ".join(f"{name}:{key}" for key in sorted(apps))
    raise ConfigError(f"expected one actorq.App in module {name}, got {len(apps)}; choose {choices}")


def import_module(name: str) -> ModuleType:
    """Import a module, from the working directory, too.

    Raises:
        ConfigError: the name is no module's, or its code raised; names the exception and the line.
    """
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    if not name or not all(part.isidentifier() for part in name.split(".")):
        hint = f"; did you mean {name.removesuffix('.py').replace('/', '.')!r}?" if name.endswith(".py") else ""
        raise ConfigError(f"expected a module's name like 'tasks' or 'package.tasks:app', got {name!r}{hint}")
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ConfigError(f"can't import {name}: {describe_import_error(error, name)}") from error
    except SystemExit as error:
        raise ConfigError(f"can't import {name}: it called sys.exit({error.code!r})") from error


def get_attribute(module: ModuleType, path: str, spec: str) -> Any:
    """Return what `path`, names joined by dots, leads to from `module`.

    Raises:
        ConfigError: it leads nowhere; `spec` says who wanted it.
    """
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"can't load {spec}: {getattr(found, '__name__', path)} has no attribute {part!r}")
        found = getattr(found, part)
    return found


def describe_import_error(error: BaseException, name: str = "") -> str:
    """Return one line: the exception, and the deepest line of the user's code that it came from."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    # What actorq itself found wrong is said as it is; anything else needs the name of its class.
    text = f"{error}" if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    text = (text.splitlines() or [type(error).__name__])[0]
    if (
        isinstance(error, ModuleNotFoundError)
        and error.name
        and (name == error.name or name.startswith(error.name + "."))
    ):
        return f"{text} (looked in {os.getcwd()} and sys.path)"
    if isinstance(error, SyntaxError):
        return f"{text.partition(' (')[0]} (at {error.filename}:{error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return f"{text} (at {frames[-1].filename}:{frames[-1].lineno})" if frames else text


def _is_users(filename: str) -> bool:
    """Return whether a line of that file can be what has to be mended: it is neither actorq's nor the importer's."""
    return not filename.startswith(("<frozen", _ACTORQ)) and filename != importlib.__file__


def find_module_name(thing: Any) -> str:
    """Return the name under which a node imports the module of `thing`, also while that module is run as a program."""
    name: str = getattr(thing, "__module__", None) or "__main__"
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(path))[0] if path else name


def guess_node_command(name: str, tasks: Iterable[str], home: Home) -> str:
    """Return the command line that starts a node for the application `name` with these tasks, in this home."""
    import shlex  # noqa: PLC0415  2 ms, and only for whoever sends

    module = next((task.rpartition(".")[0] for task in tasks), "")
    where = "" if is_default_home(home, name) else f" --home {shlex.quote(str(home.path))}"
    return f"actorq node -A {module or 'yourmodule'}{where}"
