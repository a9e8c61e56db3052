"""How callers cancel tasks: `result.revoke()`, `app.control.revoke(ids)`, `actorq task cancel`.

Invariant: nothing is kept here. What an answer says is committed at the hub; where no answer came, asking again is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.client.task_ids import check_ids
from actorq.messages.signals import check_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ASK_S", "Revoked", "Revoker", "revoke"]

ASK_S: Final = 5.0
CHUNK: Final = 1_000  # ids in one question; the hub takes no more
LONGEST_ID: Final = 255


class Revoked(msgspec.Struct, frozen=True):
    """What became of tasks that were cancelled: `fates` is `dict[id, fate]`.

    `"revoked"`: it waited, and has ended as REVOKED. `"terminating"`: it runs, its process is being ended for it. `"running"`: it runs and goes on, but what it leaves for later, a retry
    or another delivery, doesn't start. `"ended"`: it had ended before. `"expected"`: it isn't here (yet): it ends as REVOKED
    if it arrives within a day. `"refused"`: like that, but too many such are remembered already.
    """

    fates: dict[str, str]

    def list(self, fate: str) -> Sequence[str]:
        """Return the ids with this fate, in the order given."""
        return [task_id for task_id, found in self.fates.items() if found == fate]


class Revoker:
    """The part of `app.control` that cancels; `ask(command, arguments, timeout, repeat=)` asks the hub."""

    _ask: Callable[..., Any]

    def revoke(self, ids: Any, terminate: bool = False, signal: str = "SIGTERM", *, timeout: float = ASK_S) -> Revoked:
        """Cancel tasks, by ids or results, one or many: those that haven't started end as REVOKED, durably on return.

        With `terminate`, slots that run one of them are ended by `signal`, and by SIGKILL if that isn't enough.

        Raises:
            BrokerUnavailable: no node answered within `timeout` seconds; nothing is known, ask again.
            TypeError, ValueError: these aren't ids.
        """
        return revoke(
            self._ask,
            ids if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids],
            timeout,
            terminate=terminate,
            signal=signal,
        )


def revoke(
    ask: Callable[..., Any],
    ids: Iterable[Any],
    timeout: float = ASK_S,
    *,
    terminate: bool = False,
    signal: str = "SIGTERM",
) -> Revoked:
    """Cancel these tasks; see `Revoker.revoke`."""
    wanted = check_ids(ids)
    for task_id in wanted:
        if not 0 < len(task_id) <= LONGEST_ID:
            raise ValueError(f"expected ids of 1 to {LONGEST_ID} characters, got {task_id[:40]!r} ({len(task_id)})")
    how = {"terminate": terminate, "signal": check_signal(signal)}
    fates: dict[str, str] = {}
    rest = iter(wanted)
    while chunk := [*islice(rest, CHUNK)]:
        fates.update(ask("revoke", {"ids": chunk, **how}, timeout, repeat=True)["fates"])
    return Revoked(fates)
