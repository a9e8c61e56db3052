"""What counts as degraded."""

from __future__ import annotations

from typing import Any

from actorq.node.condition import find_unwell


def entry(id: str, state: str, last_error: str | None = None, *children: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "state": state, "last_error": last_error, "children": list(children)}


def test_what_is_up_or_ignored_is_well_whatever_happened_before() -> None:
    assert (
        find_unwell(entry("node", "up", None, entry("store", "ignored"), entry("link", "up", "it crashed once"))) == {}
    )


def test_what_is_parked_restarting_or_waits_is_named_with_its_cause_also_deep_down() -> None:
    pool = entry("pool", "up", None, entry("zygote", "restarting", "ZygoteEnded: no module"))
    tree = entry("node", "up", None, entry("janitor", "parked", "OSError: no"), entry("timers", "waiting(store)"), pool)
    assert find_unwell(tree) == {
        "janitor": "parked: OSError: no",
        "timers": "waiting(store)",
        "zygote": "restarting: ZygoteEnded: no module",
    }
