"""Dead letters of a real node: a task that kills its process is listed, healed, requeued, and succeeds under its old id."""

from __future__ import annotations

import json
import re

import pytest

from actorq import App, SlotLost
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess

TASKS = """
import os
import signal
from pathlib import Path

from actorq import App

app = App("shop")


@app.task
def heal(file: str, how: str = "SIGSEGV") -> str:
    if not Path(file).exists():
        if how == "exit":
            os._exit(3)
        os.kill(os.getpid(), signal.Signals[how])
    return "healed"
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dead")
    (folder / "deadly.py").write_text(TASKS)
    return folder


@pytest.fixture(scope="module")
def node(folder):
    with NodeProcess("deadly", folder / "home", folder) as started:
        yield started


@pytest.fixture
def app(node):
    with App("shop", home=node.home) as app:
        yield app
        app.dead_letters.purge()


def bury(app, file, how="SIGSEGV", **options):
    """Have a task killed until it is given up; return its result."""
    sent = app.send_task("deadly.heal", [str(file), how], **options)
    with pytest.raises(SlotLost):
        sent.get(timeout=40)
    return sent


def test_a_poison_task_is_listed_and_healed_and_succeeds_when_it_is_requeued(app, actorq, tmp_path):
    sent = bury(app, tmp_path / "cure")
    (letter,) = app.dead_letters.list()
    assert (letter.id, letter.task, letter.cause, letter.signal) == (sent.id, "deadly.heal", "SIGSEGV", "SIGSEGV")
    assert letter.deliveries == 3
    assert "deadly.py" in letter.traceback
    assert letter.sent_at <= letter.died_at
    assert app.dead_letters.count() == 1
    assert app.dead_letters.find(sent.id) == letter
    code, told, errors = actorq("dead", "show", sent.id)
    assert (code, errors) == (0, "")
    assert "3 ended their process" in told
    assert "deadly.py" in told
    assert actorq("dead", "requeue", sent.id) == (0, "1 requeued\n", "")
    with pytest.raises(SlotLost):  # it isn't healed: it comes back
        app.AsyncResult(sent.id).get(timeout=40)
    (tmp_path / "cure").touch()
    code, told, errors = actorq("dead", "requeue", sent.id, "--json")
    assert (code, errors, json.loads(told)) == (0, "", {"requeued": 1, "unknown": []})
    assert app.AsyncResult(sent.id).get(timeout=20) == "healed"
    assert app.dead_letters.list() == []
    assert app.ask("status")["unfinished"] == 0


def test_a_result_that_came_and_wasnt_taken_doesnt_hide_the_new_one(app, tmp_path):
    first, last = (app.send_task("deadly.heal", [str(tmp_path / name)]) for name in "ab")
    with pytest.raises(SlotLost):
        first.get(timeout=40)  # watches both
    wait_until(lambda: app.dead_letters.count() == 2, 40, "both to be given up")
    (tmp_path / "b").touch()
    assert app.dead_letters.requeue([last]).count == 1
    assert last.get(timeout=20) == "healed"


def test_a_chosen_id_and_a_task_that_left_by_itself_are_found_too(app, actorq, tmp_path):
    bury(app, tmp_path / "cure", "exit", task_id="mine")
    letter = app.dead_letters.find("mine")
    assert (letter.alias, letter.cause, letter.signal) == ("mine", "exit code 3", None)
    (tmp_path / "cure").touch()
    assert actorq("dead", "requeue", "mine")[0] == 0
    assert app.AsyncResult("mine").get(timeout=20) == "healed"


def test_requeued_tasks_survive_the_broker_and_the_node(app, actorq, folder, tmp_path):
    home = tmp_path / "home"
    with NodeProcess("deadly", home, folder, slots=1) as node, App("shop", home=home) as other:
        sent = bury(other, tmp_path / "cure", "SIGKILL")
        node.kill()
    (tmp_path / "cure").touch()
    with NodeProcess("deadly", home, folder, slots=0) as node, App("shop", home=home) as other:
        assert other.dead_letters.requeue([sent.id]).count == 1
        assert actorq("control", "restart", "broker", "--home", str(home), "--timeout", "20")[0] == 0
        wait_until(lambda: other.ask("status", repeat=True)["unfinished"] == 1, 20, "the new broker to count it")
        node.kill()
    with NodeProcess("deadly", home, folder, slots=1), App("shop", home=home) as other:
        assert other.AsyncResult(sent.id).get(timeout=20) == "healed"


def test_a_list_fits_80_columns_and_says_what_it_leaves_out(app, actorq, tmp_path):
    assert actorq("dead", "ls") == (0, "none\n", "")
    ids = [bury(app, tmp_path / "never", how).id for how in ("SIGABRT", "exit", "SIGKILL")]
    code, told, errors = actorq("dead", "ls", "--limit", "2")
    assert (code, errors) == (0, "")
    head, newest, second, rest = told.splitlines()
    assert head.split() == ["DIED", "RUNS", "CAUSE", "ID", "TASK"]
    assert re.search(rf" 3 +SIGKILL +{ids[2]} +deadly\.heal$", newest)
    assert re.search(rf" 3 +exit code 3 +{ids[1]} +deadly\.heal$", second)
    assert rest == "and 1 older; see: actorq dead ls --offset 2"
    assert max(map(len, told.splitlines())) <= 80
    data = json.loads(actorq("dead", "ls", "--offset", "2", "--json")[1])
    assert ([letter["id"] for letter in data["letters"]], data["total"]) == ([ids[0]], 3)


def test_everything_is_purged_only_when_somebody_has_said_yes(app, actorq, tmp_path, monkeypatch):
    ids = [bury(app, tmp_path / "never").id for _ in range(3)]
    code, told, errors = actorq("dead", "purge", "--all")
    assert (code, told) == (2, "")
    assert "expected --yes to purge all 3 dead letters where nobody can be asked" in errors
    monkeypatch.setattr("sys.stdin", _Answer("n"))
    code, told, errors = actorq("dead", "purge", "--all")
    assert (code, told) == (1, "")
    assert "purge all 3 dead letters?" in errors
    assert errors.endswith("actorq: nothing was purged\n")
    assert app.dead_letters.count() == 3
    assert actorq("dead", "purge", ids[0]) == (0, "1 purged\n", "")
    monkeypatch.setattr("sys.stdin", _Answer("y"))
    assert actorq("dead", "purge", "--all")[:2] == (0, "2 purged\n")
    assert actorq("dead", "purge", "--all", "--yes") == (0, "0 purged\n", "")
    assert app.AsyncResult(ids[0]).state == "FAILURE", "how it ended stays known"


def test_all_are_requeued_at_once(app, actorq, tmp_path):
    sent = [bury(app, tmp_path / "cure") for _ in range(3)]
    (tmp_path / "cure").touch()
    assert actorq("dead", "requeue", "--all", "--yes") == (0, "3 requeued\n", "")
    assert [app.AsyncResult(one.id).get(timeout=20) for one in sent] == ["healed"] * 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nobody"), 1, "expected ids of dead letters, got nobody; see: actorq dead ls"),
        (("requeue", "a", "b", "0123456789abcdef-1"), 1, "got a, b, 0123456789abcdef-1; see"),
        (("purge", *(f"x{number}" for number in range(12))), 1, "x9 and 2 more; see"),
        (("requeue", "x" * 300), 1, "bad arguments for 'dead'"),
        (("requeue",), 2, "expected the ids of what to requeue, got none"),
        (("purge", "--all", "x"), 2, "expected ids or --all, got both"),
        (("ls", "--limit", "0"), 2, "--limit"),
        (("show",), 2, "ID"),
        (("lss",), 2, "lss"),
        (("ls", "--home", "/nowhere/at/all", "--timeout", "0.2"), 69, "start one with: actorq node"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(node, actorq, arguments, code, said):
    found, _, errors = actorq("dead", *arguments)
    assert (found, errors.count("\n")) == (code, 1)
    assert said in errors


def test_ids_that_are_none_are_named_and_the_others_are_done(app, actorq, tmp_path):
    sent = bury(app, tmp_path / "cure")
    (tmp_path / "cure").touch()
    far = f"{sent.id.split('-')[0]}-{10**25}"
    code, told, errors = actorq("dead", "requeue", "nobody", sent.id, far)
    assert (code, told) == (1, "1 requeued\n")
    assert f"got nobody, {far};" in errors
    assert app.AsyncResult(sent.id).get(timeout=20) == "healed"
    assert app.AsyncResult(far).state == "UNKNOWN"


def test_what_cant_be_an_id_is_refused_before_anything_is_asked(app):
    with pytest.raises(TypeError, match="put one id into a list"):
        app.dead_letters.requeue("mine")
    with pytest.raises(TypeError, match="expected an id as text, got 3"):
        app.dead_letters.purge([3])
    with pytest.raises(ValueError, match="0 or more"):
        app.dead_letters.list(-1)


class _Answer:
    """A terminal on which somebody answers."""

    def __init__(self, text):
        self.text = text

    def isatty(self):
        return True

    def readline(self, *_):
        return f"{self.text}\n"

    def fileno(self):
        raise OSError
