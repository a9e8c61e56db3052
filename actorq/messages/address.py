"""Where an actor is: `actorq://node/path`, or one incarnation of it: `actorq://node/path#boot.id`.

`node` is the name of the System it lives in, `path` the name it is registered under. Without a fragment the address is
that of a name: whoever bears it when something arrives. With one it is that of a single incarnation: `boot` is the nonce
of that System's life, `id` the number of the actor in it, so no later actor of the same name, in the same process or in
its successor, is ever taken for it. An actor without a name has an address with an empty path and a fragment.

Invariant: `Address.parse(str(address)) == address`, and whatever isn't such a text is refused with one error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

__all__ = ["SCHEME", "Address"]

SCHEME: Final = "actorq"
MAX_NODE_CHARS: Final = 100  # a node's name is a file's name, too, and three bytes of it for each byte that is quoted
MAX_PATH_CHARS: Final = 1_000
MAX_TEXT_CHARS: Final = 16_384  # longer than any address can be; looked at before anything else is
_KEPT: Final = "/:@!$&'()*+,;="  # what RFC 3986 lets a path have, besides what `quote` never touches

_TEXT: Final = re.compile(
    r"actorq://(?P<node>[^/#?]+)/(?P<path>[^#?]*)(?:#(?P<boot>[0-9a-f]{16})\.(?P<id>[1-9][0-9]{0,18}))?", re.ASCII
)
_BOOT: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_FORM: Final = "actorq://node/path or actorq://node/path#boot.id"


@dataclass(frozen=True, slots=True)
class Address:
    """See the module. `boot` and `id` are both given or both left out."""

    node: str
    path: str = ""
    boot: str = ""
    id: int = 0

    def __post_init__(self) -> None:
        """Check the parts.

        Raises:
            ValueError: one of them can't be a part of an address.
        """
        _check_name("node", self.node, MAX_NODE_CHARS)
        if self.boot or self.id:
            if not _BOOT.fullmatch(self.boot) or not 0 < self.id < 10**19:
                raise ValueError(
                    f"expected 16 hexadecimal digits and a positive number, got {self.boot!r}, {self.id!r}"
                )
            if not self.path:
                return
        _check_name("path", self.path, MAX_PATH_CHARS)

    def __str__(self) -> str:
        place = f"{SCHEME}://{quote(self.node, safe='')}/{quote(self.path, safe=_KEPT)}"
        return f"{place}#{self.boot}.{self.id}" if self.boot else place

    @property
    def is_name(self) -> bool:
        """Return whether it means whoever bears the name, not one incarnation."""
        return not self.boot

    @property
    def of_name(self) -> Address | None:
        """Return the address of the name that this incarnation bears; None where it has none."""
        return Address(self.node, self.path) if self.path else None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that `text` is.

        Raises:
            ValueError: it isn't one.
        """
        found = _TEXT.fullmatch(text) if len(text) <= MAX_TEXT_CHARS else None
        if found is None:
            raise ValueError(f"expected an address like {_FORM}, got {text[:200]!r}")
        try:
            node, path = (unquote(found[part], errors="strict") for part in ("node", "path"))
            return cls(node, path, found["boot"] or "", int(found["id"] or 0))
        except ValueError as error:
            raise ValueError(f"expected an address like {_FORM}, got {text[:200]!r}: {error}") from None


def _check_name(part: str, value: str, longest: int) -> None:
    if not value or len(value) > longest:
        raise ValueError(f"expected the {part} of an address to have 1 to {longest} characters, got {value[:200]!r}")
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError(f"expected the {part} of an address to have no control characters, got {value[:200]!r}")
