"""A value that is nobody's to read by accident: it shows as `***` wherever something is printed, logged or described."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

__all__ = ["MASK", "Secret"]

T = TypeVar("T")

MASK: Final = "***"


class Secret(Generic[T]):
    """Wraps an argument or a result. It travels intact and arrives as a Secret; `reveal()` says what it is."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value itself; whoever prints that prints it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Return what pydantic validates a parameter with that is annotated as a Secret: it must be one."""
        from pydantic_core import core_schema  # noqa: PLC0415  only pydantic asks

        return core_schema.is_instance_schema(cls)

    def __reduce__(self) -> tuple[type[Secret[T]], tuple[T]]:
        return Secret, (self._value,)
