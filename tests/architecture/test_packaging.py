"""Metadata has one home, and what users may import is what the reference lists."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def read_setup() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def test_pyproject_says_how_to_build_and_nothing_else():
    assert list(tomllib.loads((ROOT / "pyproject.toml").read_text())) == ["build-system"]


def test_the_package_needs_these_and_nothing_more():
    lines = read_setup()["options"]["install_requires"].split()
    needed = {re.split(r"[<>=]", line)[0] for line in lines}
    assert needed == {"pykka", "pyzmq", "cloudpickle", "croniter", "structlog", "msgspec", "click", "psutil"}


def test_types_ship():
    assert (ROOT / "actorq" / "py.typed").exists()


def test_the_reference_lists_exactly_the_settings():
    from actorq.config import Settings

    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    section = page.split("\n## ")[0]
    assert sorted(NAME.findall(section)) == sorted(Settings().as_dict())


def test_the_reference_lists_exactly_the_verbs():
    from actorq.cli.verbs import VERBS

    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert NAME.findall(page.split("\n## ")[0]) == sorted(VERBS)


def test_the_reference_lists_every_option_of_a_node():
    from actorq.cli.node import node

    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    options = {name for option in node.params for name in option.opts if name.startswith("--")}
    assert [name for name in sorted(options) if f"`{name}`" not in page] == []
