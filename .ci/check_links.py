"""Find relative links in Markdown files that lead nowhere. `python .ci/check_links.py`; exit 1 names them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)


def find_files(root: Path) -> list[Path]:
    """Return the Markdown files that git knows or would add."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [root / name for name in listed.stdout.splitlines() if (root / name).exists()]
    hidden = {".venv", ".venv-bench", "build"}
    return [path for path in root.rglob("*.md") if not hidden & set(path.parts)]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page as GitHub and MyST derive them from its headings."""
    text = FENCE.sub("", path.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def dead_links(path: Path) -> list[str]:
    """Return the targets in `path` that don't exist."""
    dead = []
    for plain, image in LINK.findall(FENCE.sub("", path.read_text())):
        target = plain or image
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = path if not name else path.parent / name
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            dead.append(target)
    return dead


def main() -> int:
    """Print what is dead and return the exit code."""
    root = Path(__file__).resolve().parent.parent
    found = [(path.relative_to(root), target) for path in find_files(root) for target in dead_links(path)]
    for path, target in found:
        print(f"{path}: expected a file or heading at {target!r}, got none")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
