"""The two processes of the guide about remote actors find each other."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "guides" / "remote-actors.md"
BLOCK = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_two_processes_of_the_guide_find_each_other(tmp_path):
    files = dict(BLOCK.findall(PAGE.read_text()))
    assert list(files) == ["orders.py", "ledger.py", "desk.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ledger = subprocess.Popen([sys.executable, "ledger.py"], cwd=tmp_path, env=environment)
    try:
        desk = subprocess.run(
            [sys.executable, "desk.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert desk.returncode == 0, desk.stderr
        assert desk.stderr == ""
        ledger.send_signal(signal.SIGTERM)
        assert ledger.wait(20) == 0
        assert list((tmp_path / "nodes").iterdir()) == []
    finally:
        ledger.kill()
        ledger.wait()


def test_the_guide_lists_exactly_the_gateway_s_arguments():
    import inspect

    from actorq.transport.gateway import Gateway

    section = PAGE.read_text().split("\n## The gateway\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(inspect.signature(Gateway.init).parameters)[1:]
