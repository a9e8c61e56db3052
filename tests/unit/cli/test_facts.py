"""How facts are shown to people."""

from __future__ import annotations

from actorq.cli.common import print_facts


def test_facts_are_aligned_and_what_has_facts_of_its_own_is_a_block(capsys):
    print_facts(
        {"pid": 1, "uptime_s": 2.5, "notes": "", "pools": [{"kind": "process"}, {"kind": "async"}], "none": []}.items()
    )
    assert capsys.readouterr().out == (
        "pid       1\nuptime_s  2.5\nnotes     none\npools 1\n  kind  process\npools 2\n  kind  async\nnone      none\n"
    )
