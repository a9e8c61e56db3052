"""Components by what people call them."""

from __future__ import annotations

import pytest

from actorq.node.tree_walk import find_entry, find_paths, list_paths, name_path, near_paths


def entry(id, *children):
    return {"id": id, "children": list(children)}


TREE = entry(
    "node",
    entry("timers"),
    entry("pool", entry("zygote"), entry("slots", entry("slot-0"), entry("slot-1"))),
    entry("beat", entry("timers")),
)


def test_paths_are_below_the_root_parents_first():
    assert list_paths(TREE) == [
        *("", "timers", "pool", "pool/zygote", "pool/slots", "pool/slots/slot-0", "pool/slots/slot-1"),
        *("beat", "beat/timers"),
    ]


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        ("zygote", ["pool/zygote"]),
        ("pool/slots/slot-0", ["pool/slots/slot-0"]),
        ("slots/slot-0", ["pool/slots/slot-0"]),
        ("/pool/zygote", ["pool/zygote"]),
        ("pool/zygote/", ["pool/zygote"]),
        ("timers", ["timers", "beat/timers"]),
        ("/timers", ["timers"]),
        ("beat/timers", ["beat/timers"]),
        ("node", [""]),
        ("/", [""]),
        ("lots/slot-0", []),
        ("slot", []),
    ],
)
def test_a_component_is_named_by_its_id_its_path_or_the_end_of_it(wanted, paths):
    assert find_paths(TREE, wanted) == paths


def test_the_name_of_an_ambiguous_path_isnt_ambiguous():
    for path in find_paths(TREE, "timers"):
        assert find_paths(TREE, name_path(path)) == [path]


def test_a_wrong_name_has_the_nearest_paths_suggested():
    assert near_paths(TREE, "zygot") == ["pool/zygote"]
    assert near_paths(TREE, "pool/slot/slot-0")[0] == "pool/slots/slot-0"
    assert near_paths(TREE, "xylophone") == []


def test_an_entry_is_found_by_its_path_only():
    found = find_entry(TREE, "pool/zygote")
    assert found is not None
    assert found["id"] == "zygote"
    assert find_entry(TREE, "zygote") is None
