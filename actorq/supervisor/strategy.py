"""Who is restarted with whom. Pure; the supervisor applies it.

The four strategies are OTP's three and `dependents`: a child takes with it whoever requires it, directly or through
others, except over edges that `rebind`. Children are in start order, which for `dependents` is a topological one. A plan
of `one_for_one` doesn't look at the siblings, so that its cost doesn't depend on how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from actorq.messages.reasons import is_clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actorq.messages.reasons import ExitReason

__all__ = [
    "STRATEGIES",
    "RestartPlan",
    "Strategy",
    "hard_edges",
    "is_restarted",
    "plan_recycle",
    "plan_restart",
    "plan_retry",
    "plan_terminate",
]

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "dependents"]
STRATEGIES: Final[tuple[Strategy, ...]] = ("one_for_one", "one_for_all", "rest_for_one", "dependents")


class RestartPlan(msgspec.Struct, frozen=True):
    """What follows the end of one child: whom to stop, in this order, then whom to start, in this order."""

    stop: tuple[str, ...]
    start: tuple[str, ...]


def is_restarted(restart: str, reason: ExitReason) -> bool:
    """Return whether a child of that restart type comes back after ending with `reason` (R11)."""
    if restart == "permanent":
        return True
    return restart == "transient" and not is_clean(reason)


def hard_edges(requires: Iterable[str], rebind: Iterable[str]) -> frozenset[str]:
    """Return those of `requires` over which a restart spreads."""
    return frozenset(requires) - frozenset(rebind)


def plan_restart(
    strategy: Strategy, order: Iterable[str], failed: str, edges: Mapping[str, frozenset[str]]
) -> RestartPlan:
    """Return the plan for the end of `failed`; `edges` maps a child to those it can't go on without."""
    group = _affected(strategy, order, failed, edges)
    return RestartPlan(stop=tuple(child for child in reversed(group) if child != failed), start=group)


def plan_recycle(
    strategy: Strategy, order: Iterable[str], child: str, edges: Mapping[str, frozenset[str]]
) -> RestartPlan:
    """Return the plan for a restart of `child` that somebody asked for: it lives, so it is stopped in its place, too."""
    group = _affected(strategy, order, child, edges)
    return RestartPlan(stop=tuple(reversed(group)), start=group)


def plan_terminate(
    strategy: Strategy, order: Iterable[str], child: str, edges: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """Return whom to stop, in this order, where `child` shall be down; only `dependents` takes others along."""
    if strategy != "dependents":
        return (child,)
    return tuple(reversed(_affected(strategy, order, child, edges)))


def plan_retry(
    strategy: Strategy, group: Sequence[str], failed: str, edges: Mapping[str, frozenset[str]]
) -> tuple[RestartPlan, tuple[str, ...]]:
    """Return what to do when `failed` didn't come up while `group` was being restarted (R16), and who can go on.

    The plan is for the retry. one_for_all stops those again that are up already; the others retry from `failed` on. With
    `dependents`, members of the group that don't need `failed` don't wait for it: they are the second value.
    """
    if strategy == "one_for_all":
        return RestartPlan(tuple(child for child in reversed(group) if child != failed), tuple(group)), ()
    after = tuple(group[list(group).index(failed) :])
    if strategy != "dependents":
        return RestartPlan((), after), ()
    waiting = _affected("dependents", after, failed, edges)
    return RestartPlan((), waiting), tuple(child for child in after if child not in waiting)


def _affected(
    strategy: Strategy, order: Iterable[str], failed: str, edges: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    match strategy:
        case "one_for_one":
            return (failed,)
        case "one_for_all":
            return tuple(order)
        case "rest_for_one":
            listed = list(order)
            return tuple(listed[listed.index(failed) :])
        case "dependents":
            hit = {failed}
            group = []
            for child in order:
                if child in hit or not hit.isdisjoint(edges.get(child, ())):
                    hit.add(child)
                    group.append(child)
            return tuple(group)
