"""What signatures made of others have in common; each kind has its `subtask_type`, by which documents name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from actorq.canvas.signature import KINDS, Signature

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PREFIX", "Primitive"]

PREFIX: Final = "actorq."


class Primitive(Signature):
    """A signature made of others. Its own `args` and `kwargs` are for those of them that come first."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.subtask_type = cls.__name__.removeprefix("x")
        KINDS[cls.subtask_type] = cls

    @classmethod
    def make(cls, options: Mapping[str, Any] | None = None, **fields: Any) -> Self:
        """Return one with these fields of its kind."""
        made = object.__new__(cls)
        Signature.__init__(made, PREFIX + str(cls.subtask_type), options=options)
        for name, value in fields.items():
            object.__setattr__(made, f"_{name}", value)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it with these arguments, as in Celery; there is no function that it stands for."""
        return self.apply_async(args, kwargs)

    @classmethod
    def read(cls, args: Any, kwargs: Any, options: Any) -> Self:
        """Return the one whose document has these fields."""
        raise NotImplementedError
