"""Every verb against a real node, options before and after it; every mistake is one line and a documented code."""

from __future__ import annotations

import json

import pytest

from tests.command_line import make_runner
from tests.nodes import NodeProcess

TASKS = """
from actorq import App
from tests.command_line import make_runner

app = App("shop")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def fail() -> None:
    raise ValueError("two\\nlines")
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "shop_tasks.py").write_text(TASKS)
    started = NodeProcess("shop_tasks", folder / "home", folder).start().wait_ready()
    yield started
    started.kill()


@pytest.fixture
def actorq(node, monkeypatch, capfd):
    """Run the command line here; returns its code, what it printed, and what it said on stderr."""
    monkeypatch.chdir(node.folder)
    monkeypatch.syspath_prepend(str(node.folder))
    for name in ("ACTORQ_HOME", "ACTORQ_APP"):
        monkeypatch.delenv(name, raising=False)

    return make_runner(capfd)


VERBS = [
    ("status",),
    ("tree",),
    ("report",),
    ("health",),
    *(("inspect", each) for each in ("ping", "active", "reserved", "registered", "stats", "dead-letters")),
    *(("inspect", each) for each in ("active_queues", "clock", "conf", "report", "tree")),
    ("inspect", "query_task", "0123456789abcdef-1"),
    ("control", "restart", "timers"),
    ("control", "start", "timers"),
    ("graph", "components"),
]


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_verb_answers_people_and_programs_with_its_options_before_or_after_it(actorq, node, verb):
    where = ("--home", str(node.home))
    code, told, errors = actorq(*where, *verb)
    assert (code, errors) == (0, "")
    assert told.strip()
    before = actorq("--json", *where, *verb)
    after = actorq(*verb, *where, "--json")
    assert before[0] == after[0] == 0
    assert json.loads(before[1]).keys() == json.loads(after[1]).keys()


@pytest.mark.slow
def test_call_and_result_print_values_and_ids(actorq, node):
    where = ("--home", str(node.home))
    assert actorq("call", "shop_tasks.add", "-a", "[2, 3]", *where) == (0, "5\n", "")
    assert actorq("-A", "shop_tasks", *where, "call", "shop_tasks.add", "-k", '{"x": 2, "y": 3}')[:2] == (0, "5\n")
    code, told, _ = actorq("call", "shop_tasks.add", "-a", "[20, 22]", "--no-wait", "--json", *where)
    assert code == 0
    sent = json.loads(told)["id"]
    assert actorq("result", sent, *where) == (0, "42\n", "")
    told = actorq("--json", *where, "result", sent)[1]
    assert json.loads(told) == {"id": sent, "state": "SUCCESS", "result": 42}


@pytest.mark.slow
def test_a_failed_task_ends_with_1_and_shows_where(actorq, node):
    where = ("--home", str(node.home))
    code, told, errors = actorq("call", "shop_tasks.fail", *where)
    assert (code, told) == (1, "")
    assert errors.startswith("FAILURE: ValueError: two\nlines\nTraceback")
    code, told, errors = actorq("call", "shop_tasks.fail", "--json", *where)
    assert (code, errors) == (1, "")
    assert json.loads(told)["error"] == "ValueError: two\nlines"


@pytest.mark.slow
def test_a_task_that_nobody_hears_of_is_kept_and_says_how_to_start_a_node(actorq, tmp_path):
    where = ("-A", "shop_tasks", "--home", str(tmp_path / "quiet"), "--timeout", "0.3")
    code, _, errors = actorq("call", "shop_tasks.add", "-a", "[1, 2]", *where)
    assert code == 69
    assert f"actorq node -A shop_tasks --home {tmp_path / 'quiet'}" in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("stauts",), 2, "did you mean 'status'?"),
        (("status", "--tiemout", "3"), 2, "--timeout"),
        (("status", "--timeout", "0"), 2, "see: actorq status --help"),
        (("call",), 2, "NAME"),
        (("call", "shop_tasks.add", "-a", "[1,"), 2, "expected --args to be JSON, got '[1,'"),
        (("call", "shop_tasks.add", "-a", "{}"), 2, "expected --args to be a JSON array, got '{}'"),
        (("call", "shop_tasks.add", "-a", "[1]", "-A", "shop_tasks"), 2, "missing 1 required positional argument: 'y'"),
        (("call", "shop_tasks.add", "-A", "no_such_module"), 3, "No module named 'no_such_module'"),
        (("node",), 3, "-A MODULE"),
        (("node", "-A", "shop_tasks", "-l", "loud"), 2, "'loud'"),
        (("inspect", "nothing"), 2, "see: actorq inspect --help"),
        (("tree", "--interval", "0"), 2, "see: actorq tree --help"),
        (("graph", "components", "-f", "svg"), 2, "'svg'"),
        (("graph", "components", "-A", "no_such_module"), 3, "No module named 'no_such_module'"),
        (("graph", "components", "--plugin", "no_such_plugin:P"), 3, "plugin 'no_such_plugin:P' (command line)"),
        (("plugins", "-A", "no_such_module"), 3, "No module named 'no_such_module'"),
    ],
)
def test_a_mistake_is_one_line_with_its_code(actorq, arguments, code, said):
    found, told, errors = actorq(*arguments)
    assert (found, told) == (code, "")
    assert errors.startswith("actorq: ")
    assert errors.count("\n") == 1
    assert said in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tree", "no-such-node"), "expected one of the nodes"),
        (("control", "restart", "brokr"), "did you mean 'broker'?"),
        (("control", "stop", "timers", "--node", "no-such-node"), "expected one of the nodes"),
    ],
)
def test_a_node_or_a_component_that_isnt_there_is_a_mistake_too(actorq, node, arguments, said):
    code, told, errors = actorq(*arguments, "--home", str(node.home))
    assert (code, told, errors.count("\n")) == (2, "", 1)
    assert said in errors
