"""Orders for the components of a real node, under a load of tasks: each is carried out, and no task is lost or cut short."""

from __future__ import annotations

import json

import pytest

from actorq import App
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess

TASKS = 60
COMPONENTS = (
    *("store", "broker", "timers", "outboxes", "janitor", "link", "control", "membership"),
    *("pool/zygote", "pool/slots/slot-0", "pool/slots", "pool/sizer", "pool"),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def tree_of(actorq, name="shop-1"):
    code, told, errors = actorq("tree", "--json")
    assert (code, errors) == (0, "")
    return json.loads(told)[name]


def entry(tree, path):
    for id in path.split("/"):
        (tree,) = [child for child in tree["children"] if child["id"] == id]
    return tree


@pytest.mark.parametrize("path", COMPONENTS)
def test_a_restarted_component_loses_nothing_and_cuts_nothing_short(actorq, node, folder, tmp_path, path):
    before = entry(tree_of(actorq), path)
    with App("shop", home=node.home) as app:
        long = app.send_task("steered.note", [str(tmp_path), 999, 0.7])
        wait_until(lambda: long.state == "STARTED", 20, "a task to run")
        sent = [app.send_task("steered.note", [str(tmp_path), number, 0.005]) for number in range(TASKS)]
        code, told, errors = actorq("control", "restart", path, "--json", "--timeout", "30")
        assert (code, errors) == (0, "")
        answer = json.loads(told)["shop-1"]
        assert [one.get(timeout=30) for one in sent] == list(range(TASKS))
        assert long.get(timeout=30) == 999
    assert (answer["component"], answer["state"]) == (path, "up")
    assert answer["pid"] != before["pid"]
    runs = (tmp_path / "runs").read_text().split()
    assert sorted(map(int, runs)) == [*range(TASKS), 999], "each ran to its end, and once"
    after = entry(tree_of(actorq), path)
    assert after["restarts"] == before["restarts"], "an order isn't a failure"
    assert "slot_not_supervised" not in node.output
    assert tree_of(actorq)["quota"]["left"] == tree_of(actorq)["quota"]["intensity"]


@pytest.mark.parametrize("name", ["timers", "pool/zygote", "pool"])
def test_what_is_stopped_stays_down_until_it_is_started(actorq, node, name):
    code, told, errors = actorq("control", "stop", name)
    assert (code, errors) == (0, "")
    assert told.splitlines()[1].split()[:3] == ["shop-1", name, "down"]
    assert entry(tree_of(actorq), name)["state"] == "down"
    assert actorq("control", "stop", name)[0] == 0, "it is down already"
    code, told, errors = actorq("control", "start", name, "--json")
    assert (code, errors) == (0, "")
    assert json.loads(told)["shop-1"]["state"] == "up"
    assert entry(tree_of(actorq), name)["state"] == "up"
    assert actorq("control", "start", name)[0] == 0, "it is up already"


def test_a_stopped_pool_finishes_what_runs_and_leaves_the_rest_for_later(actorq, node, tmp_path):
    with App("shop", home=node.home) as app:
        running = [app.send_task("steered.note", [str(tmp_path), number, 0.7]) for number in range(2)]
        wait_until(lambda: all(one.state == "STARTED" for one in running), 20, "both slots to be busy")
        waiting = [app.send_task("steered.note", [str(tmp_path), number, 0.0]) for number in range(2, 40)]
        assert actorq("control", "stop", "pool", "--timeout", "30")[0] == 0
        assert [one.get(timeout=20) for one in running] == [0, 1]
        assert {one.state for one in waiting} == {"PENDING"}
        assert actorq("control", "start", "pool", "--timeout", "30")[0] == 0
        assert [one.get(timeout=20) for one in waiting] == list(range(2, 40))
    assert sorted(map(int, (tmp_path / "runs").read_text().split())) == list(range(40)), "each once"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("stop", "control"), 1, "shop-1: can't stop 'control': it carries out orders"),
        (("stop", "link"), 1, "restart it instead"),
        (("stop", "broker"), 1, "--force"),
        (("stop", "store"), 1, "--force"),
        (("stop", "slot-0"), 1, "can't stop 'pool/slots/slot-0'"),
        (("restart", "node"), 1, "it is the root"),
        (("restart", "zygot"), 2, "did you mean 'pool/zygote'?"),
        (("restart", "timers", "--node", "shop-2"), 2, "got 'shop-2'; did you mean 'shop-1'?"),
        (("restart",), 2, "COMPONENT"),
        (("greett",), 1, "shop-1: unknown command 'greett'; did you mean 'greet'?"),
        (("greet", "who"), 2, "expected key=value, got 'who'"),
        (("raise",), 1, "shop-1: ZeroDivisionError: division by zero"),
        (("odd",), 1, "expected command 'odd' to answer with plain data, got object"),
        (("who",), 1, "shop-1: component 'nobody-at-all'"),
    ],
)
def test_an_order_that_cant_be_taken_is_one_line_that_says_why(actorq, node, arguments, code, said):
    found, told, errors = actorq("control", *arguments)
    assert (found, errors.count("\n")) == (code, 1)
    assert said in errors
    assert told == ""


def test_a_refused_order_is_json_too(actorq, node):
    code, told, _ = actorq("control", "stop", "control", "--json")
    assert code == 1
    assert json.loads(told)["shop-1"]["error"].startswith("can't stop 'control'")


def test_a_plugins_command_runs_in_the_node_and_answers_for_it(actorq, node):
    code, told, errors = actorq("control", "greet", "who=3", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(told) == {"shop-1": {"hello": 3, "from": "shop-1"}}
    assert actorq("control", "greet", "--node", "shop-1")[1].split() == ["shop-1", "hello", "you", "from", "shop-1"]


def test_an_order_that_takes_longer_than_the_time_out_stands(actorq, node, tmp_path):
    with App("shop", home=node.home) as app:
        long = [app.send_task("steered.note", [str(tmp_path), number, 2.0]) for number in range(2)]
        wait_until(lambda: all(one.state == "STARTED" for one in long), 20, "both slots to be busy")
        code, told, errors = actorq("control", "restart", "slot-1", "--timeout", "0.4")
        assert code == 1
        assert "'pool/slots/slot-1' is stopping after 0.4 s; the order stands" in errors
        assert "stopping" in told
        assert [one.get(timeout=30) for one in long] == [0, 1]
    wait_until(lambda: entry(tree_of(actorq), "pool/slots/slot-1")["state"] == "up", 20, "the slot to be back")


def test_a_second_node_takes_orders_of_its_own_and_is_named(actorq, node, folder):
    with NodeProcess("steered", node.home, folder, slots=1, options=("-n", "shop-2")) as second:
        assert "store " not in second.output, "it owns none"
        wait_until(
            lambda: json.loads(actorq("inspect", "ping", "--json")[1]).keys() == {"shop-1", "shop-2"}, 20, "both"
        )
        assert list(json.loads(actorq("tree", "shop-2", "--json")[1])) == ["shop-2"]
        code, told, errors = actorq("control", "restart", "zygote", "--json")
        assert (code, errors) == (0, "")
        assert {name: one["state"] for name, one in json.loads(told).items()} == {"shop-1": "up", "shop-2": "up"}
        code, told, errors = actorq("control", "restart", "link", "--node", "shop-2", "--json")
        assert (code, errors) == (0, "")
        assert list(json.loads(told)) == ["shop-2"]
        code, told, errors = actorq("control", "restart", "broker", "--json", "--timeout", "20")
        assert (code, errors) == (0, "")
        assert list(json.loads(told)) == ["shop-1"], "the other isn't the hub"
        wait_until(lambda: "shop-2" in actorq("inspect", "ping")[1], 20, "the other to find the broker again")
        code, _, errors = actorq("control", "start", "timers", "--node", "shop-2")
        assert code == 1
        assert "only the hub of a home runs it" in errors


def test_after_a_take_over_the_new_hub_is_there_at_once(tmp_path, folder, actorq):
    home = tmp_path / "home"
    with NodeProcess("steered", home, folder, slots=1, options=("-n", "first")) as first:
        with NodeProcess("steered", home, folder, slots=1, options=("-n", "second")):
            first.kill()
            where = ("--home", str(home), "--timeout", "20", "--json")
            wait_until(lambda: json.loads(actorq("status", *where)[1] or "{}").get("hub") == "second", 20, "a new hub")
            assert "second" in json.loads(actorq("inspect", "ping", *where)[1])
            assert "second" in json.loads(actorq("status", *where)[1])["nodes"]


def test_a_broker_stopped_by_force_answers_nobody(tmp_path, folder, actorq):
    home = tmp_path / "home"
    with NodeProcess("steered", home, folder, slots=1, options=("-n", "alone")):
        where = ("--home", str(home))
        code, told, errors = actorq("control", "stop", "broker", "--force", *where)
        assert (code, errors) == (0, "")
        assert told.splitlines()[1].split()[:3] == ["alone", "broker", "down"]
        assert actorq("tree", *where, "--timeout", "0.5")[0] == 69
