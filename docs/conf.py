"""How Sphinx builds these pages. The version comes from setup.cfg, the only place that has it."""

from __future__ import annotations

import configparser
from pathlib import Path

_metadata = configparser.ConfigParser()
_metadata.read(Path(__file__).resolve().parent.parent / "setup.cfg")

project = "actorq"
author = "The actorq authors"
copyright = "The actorq authors"
release = version = _metadata["metadata"]["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"actorq {release}"
myst_heading_anchors = 3
myst_enable_extensions = ["deflist", "fieldlist"]
nitpicky = True
