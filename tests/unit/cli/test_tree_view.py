"""Trees as lines: what stands where, what is cut, what is coloured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.cli.tree_view import cut, draw_trees

NOW = 1_000_000.0


def entry(id, state="up", children=(), **facts):
    return {
        "id": id,
        "kind": "worker",
        "state": state,
        "restarts": 0,
        "pid": 7,
        "mailbox": 0,
        "last_error": None,
        "last_error_at": None,
        "up_since": NOW - 75,
        "quota": None,
        "facts": {},
        "children": list(children),
        **facts,
    }


def texts(nodes, width=None):
    return [line.text for line in draw_trees(nodes, NOW, width)]


TREE = entry(
    "node",
    quota={"left": 18, "intensity": 20, "period_s": 10.0},
    facts={"strategy": "dependents", "intensity": 20, "period_s": 10.0, "incidents": 2},
    children=[
        entry("link", facts={"connected": True, "epoch": 3}),
        entry("broker", "waiting(store)", up_since=None, mailbox=12),
        entry(
            "pool",
            children=[
                entry("zygote", restarts=4, last_error="OSError: no\nroom", last_error_at=NOW - 3, facts={"pid": 4711}),
                entry("sizer", "parked"),
            ],
        ),
    ],
)


def test_a_tree_shows_state_restarts_up_time_mailbox_process_quota_and_errors():
    assert texts({"shop-1": TREE}) == [
        "COMPONENT     STATE           RESTARTS  UP     MAILBOX   PID  NOTES",
        "shop-1        up                     0  1 min        0        18 of 20 left in 10 s",
        "├─ link       up                     0  1 min        0        connected, epoch 3",
        "├─ broker     waiting(store)         0              12",
        "└─ pool       up                     0  1 min        0",
        "   ├─ zygote  up                     4  1 min        0  4711",
        "   │    ! 3 s ago: OSError: no room",
        "   └─ sizer   parked                 0  1 min        0",
    ]


def test_what_isnt_up_has_a_colour_of_its_own_and_a_last_error_is_red():
    found = {
        line.text[start:end]: colour for line in draw_trees({"a": TREE}, NOW) for start, end, colour in line.colours
    }
    assert found == {"waiting(store)": "yellow", "parked": "red", "! 3 s ago: OSError: no room": "red"}


def test_a_node_that_doesnt_answer_is_a_row_with_its_reason():
    lines = texts({"a": entry("node"), "b": {"error": "no answer within 1 s"}})
    assert lines[2].split() == ["b", "no", "answer"]
    assert lines[3].strip() == "no answer within 1 s"


def test_a_tree_of_an_older_node_that_tells_less_is_shown_all_the_same():
    old = {key: TREE[key] for key in ("id", "state", "restarts", "children")}
    assert len(texts({"a": old})) == 8


def test_a_name_that_is_too_wide_is_cut_before_the_numbers_are():
    lines = texts({"a-node-with-a-name-that-nobody-would-want-to-type": TREE}, 80)
    assert lines[1].startswith("a-node-with-a-name-that-n…  up")


@given(
    st.integers(20, 200),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Cn", "Co"]), max_size=60),
)
def test_no_line_is_wider_than_the_terminal_and_colours_stay_on_it(width, text):
    nodes = {text: entry("node", children=[entry(text, "down", last_error=text, last_error_at=NOW)])}
    for line in draw_trees(nodes, NOW, width):
        assert len(line.text) <= width
        assert all(0 <= start <= end <= len(line.text) for start, end, _ in line.colours)


@pytest.mark.parametrize(("width", "shown"), [(None, "component"), (9, "component"), (8, "compone…"), (1, "…")])
def test_cut_text_ends_with_an_ellipsis(width, shown):
    assert cut("component", width) == shown
