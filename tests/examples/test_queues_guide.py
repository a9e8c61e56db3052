"""The guide on queues happens as it is told: its application under a real node, its sessions line by line."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

import pytest

from tests.nodes import NodeProcess

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "queues.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_guide_happens_as_it_is_told(tmp_path, monkeypatch):
    module, *sessions = EXAMPLES
    assert len(sessions) > 4
    names: dict[str, object] = {}  # of one reader, from the first session to the last
    (tmp_path / "tasks.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(tmp_path / "home"))
    node = NodeProcess("tasks", tmp_path / "home", tmp_path, slots=1).start().wait_ready()
    said: list[str] = []
    try:
        for text in sessions:
            test = doctest.DocTestParser().get_doctest(text, names, "guide", None, 0)
            doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(
                test, out=said.append, clear_globs=False
            )
            names = test.globs
    finally:
        node.kill()
        found = sys.modules.pop("tasks", None)
        if found is not None:
            found.app.close()
    assert not said, "".join(said)
