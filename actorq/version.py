"""The version, for people and for `setup.cfg`, which reads it without importing anything."""

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
