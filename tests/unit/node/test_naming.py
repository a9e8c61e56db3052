"""Names of nodes."""

from __future__ import annotations

import pytest

from actorq.errors import ConfigError
from actorq.node.naming import NameLock, format_node_name
from tests.nodes import home_of


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("shop", "shop"),
        ("shop@%h", "shop@web1.example.org"),
        ("%n@%d", "web1@example.org"),
        ("100%%@%n", "100%@web1"),
    ],
)
def test_a_pattern_is_filled_in(pattern, name):
    assert format_node_name(pattern, "web1.example.org") == name


@pytest.mark.parametrize("pattern", ["%x", "shop%", "%i-%h", "", "a/b", "a b", "a,b", "x" * 101, "%d", "a\n"])
def test_what_makes_no_name_is_refused(pattern):
    with pytest.raises(ConfigError, match="expected "):
        format_node_name(pattern, "web1")


def test_a_name_is_one_nodes_until_it_gives_it_back(tmp_path):
    home = home_of(tmp_path / "home").create()
    first, second = NameLock(home, "shop@%h"), NameLock(home, "shop@%h")
    first.claim()
    with pytest.raises(ConfigError, match=r"expected the node name 'shop@%h' to be free .*--name"):
        second.claim()
    NameLock(home, "other").claim()
    first.release()
    second.claim()
