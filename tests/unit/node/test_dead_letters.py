"""Questions about dead letters against an engine in memory: what is answered, and what doesn't reach the engine at all."""

from __future__ import annotations

import pytest

from actorq.engine.memory import MemoryEngine
from actorq.engine.protocol import DeadLetter, NewTask, Transaction
from actorq.messages.ids import format_task_id, make_key
from actorq.messages.states import FAILURE
from actorq.messages.task import TaskMessage
from actorq.node.dead_letters import answer_question, read_question
from actorq.testing.engine_script import make_result

OUTBOX = 0xABC


@pytest.fixture
def engine():
    """Tasks 1 to 3 are dead, in this order; the third was sent as 'mine', to a queue of its own."""
    engine = MemoryEngine()
    engine.open()
    no, _ = engine.register_outbox(OUTBOX)
    messages = [TaskMessage(1, "shop.a", b""), TaskMessage(2, "shop.b", b"")]
    messages += [TaskMessage(3, "shop.c", b"", queue="own", alias="mine"), TaskMessage(4, "shop.d", b"")]
    engine.put([NewTask(make_key(no, message.number), message) for message in messages])
    tasks = {task.message.number: task for task in engine.lease(["default", "own"], 10)}
    for number in (1, 2, 3):
        task = tasks[number]
        cause = "exit code 3" if number == 1 else "SIGKILL"
        letter = DeadLetter(task.key, task.token, cause, "Traceback", float(number), make_result(task.key, FAILURE))
        engine.commit(Transaction(dead=[letter]))
    return engine


def ask(engine, verb, **arguments):
    answer, revived = answer_question(engine, read_question({"verb": verb, **arguments}), 7)
    assert (answer.request, answer.error) == (7, "")
    return answer.data, revived


def id_of(number):
    return format_task_id(OUTBOX, number)


def test_the_newest_is_listed_first_with_all_that_is_known(engine):
    data, revived = ask(engine, "list", limit=2)
    assert [letter["id"] for letter in data["letters"]] == [id_of(3), id_of(2)]
    assert (data["total"], revived) == (3, {})
    newest = data["letters"][0]
    assert (newest["alias"], newest["task"], newest["queue"]) == ("mine", "shop.c", "own")
    assert (newest["cause"], newest["signal"], newest["traceback"]) == ("SIGKILL", "SIGKILL", "Traceback")
    (oldest,) = ask(engine, "list", offset=2)[0]["letters"]
    assert (oldest["cause"], oldest["signal"], oldest["died_at"]) == ("exit code 3", None, 1.0)


def test_a_letter_is_found_by_its_own_id_and_by_the_one_that_was_chosen(engine):
    for wanted in (id_of(3), "mine"):
        data, _ = ask(engine, "show", ids=[wanted])
        assert [letter["id"] for letter in data["letters"]] == [id_of(3)]
        assert data["unknown"] == []


def test_requeued_tasks_are_counted_by_queue_and_the_rest_is_named(engine):
    wanted = ["mine", id_of(1), id_of(3), id_of(4), "nobody", format_task_id(1, 1)]
    data, revived = ask(engine, "requeue", ids=wanted)
    assert revived == {"own": 1, "default": 1}
    assert data == {"count": 2, "unknown": [id_of(4), "nobody", format_task_id(1, 1)]}
    assert ask(engine, "requeue", ids=[id_of(1)]) == ({"count": 0, "unknown": [id_of(1)]}, {})
    assert engine.stats().dead == 1


def test_a_purge_without_ids_drops_all_and_one_with_none_drops_nothing(engine):
    assert ask(engine, "purge", ids=[])[0] == {"count": 0, "unknown": []}
    assert ask(engine, "purge", ids=[id_of(2), "x"])[0] == {"count": 1, "unknown": ["x"]}
    assert ask(engine, "purge")[0] == {"count": 2, "unknown": []}
    assert engine.dead(10) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"verb": "burn"},
        {"verb": "list", "limit": 0},
        {"verb": "list", "limit": 101},
        {"verb": "list", "offset": -1},
        {"verb": "list", "offset": 1 << 70},
        {"verb": "list", "id": "x"},
        {"verb": "show"},
        {"verb": "requeue"},
        {"verb": "requeue", "ids": "mine"},
        {"verb": "requeue", "ids": [1]},
        {"verb": "requeue", "ids": ["x" * 256]},
        {"verb": "purge", "ids": ["x"] * 1001},
    ],
)
def test_what_is_no_question_is_refused_before_the_store_hears_of_it(arguments):
    with pytest.raises(ValueError, match=r"[Ee]xpected|[Ii]nvalid|missing|unknown"):
        read_question(arguments)
