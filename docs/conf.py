"""How Sphinx builds these pages. The version comes from the package, the only place that has it."""

from __future__ import annotations

from actorq.version import __version__

project = "actorq"
author = "The actorq authors"
copyright = "The actorq authors"
release = version = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"actorq {release}"
myst_heading_anchors = 3
myst_enable_extensions = ["deflist", "fieldlist"]
nitpicky = True
