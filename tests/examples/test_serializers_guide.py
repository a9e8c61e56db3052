"""The guide on serializers happens as it is told: its application under a real node, its session line by line."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

import pytest

from tests.nodes import NodeProcess

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "serializers.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_guide_happens_as_it_is_told(tmp_path, monkeypatch):
    module, session = EXAMPLES
    (tmp_path / "tasks.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ACTORQ_HOME", str(tmp_path / "home"))
    said: list[str] = []
    with NodeProcess("tasks", tmp_path / "home", tmp_path, slots=1):
        try:
            test = doctest.DocTestParser().get_doctest(session.replace("…", "..."), {}, "guide", None, 0)
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
        finally:
            found = sys.modules.pop("tasks", None)
            if found is not None:
                found.app.close()
    assert not said, "".join(said)
