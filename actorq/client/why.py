"""Why a task waits, in sentences: from the facts a hub tells of it, and of what is seen from outside.

Pure, and one table: `actorq task why`, and a `get()` that times out, say the same. The first sentence is the one that matters
most; what limits a task besides its queue (rate limits, once there are any) gets a row of its own in `_RULES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.messages.states import ALL_STATES, STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Facts = Mapping[str, Any]

__all__ = ["explain"]

_META_CHARS: Final = 200  # of what a task says of itself
_LONG_S: Final = 1.0  # a slot's run that others notice


def explain(facts: Facts, now: float) -> Sequence[str]:
    """Return why the task of these facts is where it is, the main reason first; at least one sentence.

    `now` is Unix seconds. `outbox` among the facts is what its outbox file says: `pid` of its process (None: it is gone).
    """
    return [said for rule in _RULES if (said := rule(facts, now))] or [f"its state is {facts.get('state', 'UNKNOWN')}"]


def _is_waiting(facts: Facts) -> bool:
    return facts.get("where") in ("window", "store")


def _in_outbox(facts: Facts, _: float) -> str:
    outbox = facts.get("outbox")
    if outbox is None or facts.get("where") != "nowhere":
        return ""
    if outbox.get("pid") is None:
        return "it is in the outbox of a process that is gone; a node takes it over within seconds"
    return f"it is still in the outbox of process {outbox['pid']}, no node has confirmed it"


def _unknown(facts: Facts, _: float) -> str:
    if facts.get("where") != "nowhere" or facts.get("outbox") is not None:
        return ""
    noted = "; it was cancelled, and ends should it arrive" if facts.get("is_revoked") else ""
    if facts.get("is_chosen"):
        return f"no task with this id is known: it was never accepted here, or its result was forgotten or has expired{noted}"
    taken = facts.get("taken")
    if taken is None:
        return f"the node doesn't know it: no task of that process was ever accepted here{noted}"
    if facts.get("number", 0) > taken:
        return f"the node doesn't know it: that process has sent {taken} tasks here, and this isn't one of them{noted}"
    return "it was accepted and has ended; its result was forgotten or has expired"


def _due(facts: Facts, now: float) -> str:
    eta = facts.get("eta")
    if not _is_waiting(facts) or not eta or eta <= now:
        return ""
    retry = f"retry {facts['retries']} of it" if facts.get("state") == "RETRY" else "it"
    return f"{retry} is due in {eta - now:.1f} s"


def _paused(facts: Facts, _: float) -> str:
    if not facts.get("paused") or not _is_waiting(facts):
        return ""
    queue = facts.get("queue")
    return f"its queue {queue!r} is paused; resume it with: actorq queue resume {queue}"


def _no_taker(facts: Facts, now: float) -> str:
    if not _is_waiting(facts) or facts.get("takers") or _due(facts, now):
        return ""
    queue = facts.get("queue")
    if not facts.get("slots"):
        return f"it is queued in {queue!r}, and no slot is there to run it; is a node starting, or are its slots?"
    if facts.get("leaving") == facts.get("slots"):
        return f"it is queued in {queue!r}, and the only slots there are about to go: their node is draining"
    return f"it is queued in {queue!r}, and no slot takes that queue: start a node with -Q {queue}"


def _queued(facts: Facts, now: float) -> str:
    if not _is_waiting(facts) or not facts.get("takers") or facts.get("paused") or _due(facts, now):
        return ""
    queue, priority = facts.get("queue"), facts.get("priority")
    ahead = facts.get("ahead")
    if ahead is None:
        return f"it is queued in {queue!r} with priority {priority}, one of {facts.get('waiting', 0)} that are ready"
    behind = f" behind {ahead} others" if ahead else ", next"
    return f"it is queued in {queue!r} with priority {priority}{behind}"


def _all_busy(facts: Facts, now: float) -> str:
    if not _queued(facts, now) or facts.get("free"):
        return ""
    takers, longest = facts["takers"], facts.get("longest") or {}
    slots = "the slot that takes" if takers == 1 else f"all {takers} slots that take"
    said = f"{slots} its queue {'is' if takers == 1 else 'are'} busy"
    if longest.get("task") and longest.get("running_s", 0.0) >= _LONG_S:
        said += f", the longest for {longest['running_s']:.1f} s with {longest['task']} ({longest['id']})"
    return said


def _held(facts: Facts, _: float) -> str:
    behind = facts.get("behind")
    if facts.get("where") != "slot" or behind is None:
        return ""
    said = f"slot {facts.get('slot')} holds it and starts it next"
    if behind.get("task"):
        said = (
            f"slot {facts.get('slot')} holds it behind {behind['task']} ({behind['id']}), "
            f"which has been running for {behind['running_s']:.1f} s"
        )
    return f"{said}; that slot is about to go, and gives it back then" if facts.get("is_leaving") else said


def _running(facts: Facts, _: float) -> str:
    if facts.get("running_s") is None or facts.get("where") != "slot":
        return ""
    ending = "; its process is being ended" if facts.get("terminating") else ""
    return f"it has been running for {facts['running_s']:.1f} s in slot {facts.get('slot')}{_said(facts)}{ending}"


def _said(facts: Facts) -> str:
    """Return what the running task says of itself, shortened."""
    state = facts.get("state", STARTED)
    if state in ALL_STATES:
        return ""
    meta = facts.get("meta")
    text = "" if meta is None else f" {meta!r}"
    return f", and says {state!r}{text if len(text) <= _META_CHARS else text[:_META_CHARS] + '…'}"


def _redelivered(facts: Facts, _: float) -> str:
    deliveries = facts.get("deliveries")
    if not deliveries or facts.get("where") in ("ended", "dead"):
        return ""
    return f"it has ended its process {deliveries} times of {facts.get('max_deliveries')}"


def _expires(facts: Facts, now: float) -> str:
    expires = facts.get("expires")
    return f"it expires in {expires - now:.1f} s" if _is_waiting(facts) and expires and expires > now else ""


def _ended(facts: Facts, now: float) -> str:
    if facts.get("where") not in ("ended", "dead"):
        return ""
    said = f"it ended as {facts.get('state')} {max(0.0, now - facts['finished_at']):.1f} s ago"
    return f"{said} and is a dead letter; run it again with: actorq task retry" if facts["where"] == "dead" else said


_RULES: Final[tuple[Callable[[Facts, float], str], ...]] = (
    _in_outbox, _unknown, _paused, _due, _no_taker, _queued, _all_busy, _held, _running, _ended, _redelivered, _expires,
)  # fmt: skip
