"""Running the command line within a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["make_runner"]


def make_runner(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str, str]]:
    """Return a function that runs the command line here; it returns the exit code, what was printed, and stderr."""

    def call(*arguments: str) -> tuple[object, str, str]:
        capfd.readouterr()
        code: object
        try:
            code = run(arguments)
        except SystemExit as end:
            code = end.code
        said = capfd.readouterr()
        return code, said.out, said.err

    return call
