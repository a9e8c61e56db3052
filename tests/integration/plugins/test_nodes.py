"""Plugins in real nodes: what doesn't fit is one line and exit code 3; what fits lives where it belongs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from actorq.testing.wait import wait_until
from tests.nodes import ROOT, NodeProcess, hub_pid

TASKS = """
import os

from actorq import App

app = App("shop")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task(bind=True)
def again(self, x: int) -> list:
    if not self.request.retries:
        raise self.retry(countdown=0.05)
    return [x, self.request.retries, self.request.headers]


@app.task
def seen() -> list[str]:
    return [plugin.name for plugin in app.plugins.load()]

"""
PLUGINS = """
import os
import sys
from contextlib import contextmanager

from actorq import Plugin
from actorq.actors import Actor
from actorq.node.timers import Timers
from actorq.plugins import NodePart
from actorq.supervisor import Component


class Idle(Actor):
    def init(self, **given):
        with open(os.environ["STARTED"], "a") as file:
            file.write(f"{type(self).__name__} {os.getpid()}\\n")


class Deaf(Actor):
    def init(self, *, store, broker):
        pass


class OwnTimers(Timers):
    def init(self, *, store, broker, lock):
        with open(os.environ["STARTED"], "a") as file:
            file.write(f"OwnTimers {os.getpid()}\\n")
        return super().init(store=store, broker=broker, lock=lock)


class Good(Plugin):
    name = "good"

    def components(self, settings):
        return [
            Component("everywhere", Idle, kwargs={"home": NodePart("home"), "node": NodePart("node")}),
            Component("on-hub", Idle, requires=("store",)),
            Component("above", Idle, requires=("everywhere",), wants=("broker",), rebind=("broker",)),
            Component("own-timers", OwnTimers, requires=("store", "broker"), replaces="timers",
                      kwargs={"lock": NodePart("lock")}),
        ]


class Lacking(Plugin):
    name = "lacking"

    def components(self, settings):
        return [Component("deaf", Deaf, requires=("store", "broker"), replaces="timers")]


class Ring(Plugin):
    name = "ring"

    def components(self, settings):
        return [Component("a", Idle, requires=("b",)), Component("b", Idle, requires=("a",))]


class Hole(Plugin):
    name = "hole"

    def components(self, settings):
        return [Component("a", Idle, requires=("moon",))]


class Double(Plugin):
    name = "double"

    def components(self, settings):
        return [Component("another-store", Idle, provides=("store",))]


class Same(Plugin):
    name = "same"

    def components(self, settings):
        return [Component("broker", Idle)]


class Taken(Plugin):
    name = "taken"

    def components(self, settings):
        return [Component("slot-1", Idle)]


class Raising(Plugin):
    name = "raising"

    def components(self, settings):
        yield Component("a", Idle)
        raise RuntimeError("no components today")


class Leaving(Plugin):
    name = "leaving"

    def components(self, settings):
        sys.exit("bye")


class Wrong(Plugin):
    name = "wrong"

    def components(self, settings):
        return [Idle]


class NoList(Plugin):
    name = "nolist"

    def components(self, settings):
        return None


class PartOfNothing(Plugin):
    name = "part"

    def components(self, settings):
        return [Component("a", Idle, kwargs={"x": NodePart("engine")})]


class Ping(Plugin):
    name = "ping"

    def commands(self):
        return {"ping": print}


class NoCommand(Plugin):
    name = "nocommand"

    def commands(self):
        return {"poke": 5}


class Failing(Plugin):
    name = "failing"

    def components(self, settings):
        return [Component("stillborn", Stillborn)]


class Stillborn(Actor):
    def init(self):
        raise OSError("no such device")
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "shop_tasks.py").write_text(TASKS)
    (tmp_path / "shop_plugins.py").write_text(PLUGINS)
    return tmp_path


def make_node(place, plugin="", **environ):
    return NodeProcess(
        "shop_tasks",
        place / "home",
        place,
        slots=1,
        environ={"STARTED": str(place / "started"), **({"ACTORQ_PLUGIN": plugin} if plugin else {}), **environ},
    )


def started(place):
    return (place / "started").read_text().split("\n")[:-1] if (place / "started").exists() else []


def call(place, expression):
    code = f"from shop_tasks import *; print({expression})"
    environ = {**os.environ, "PYTHONPATH": f"{place}:{ROOT}", "ACTORQ_HOME": str(place / "home")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


REFUSED = [
    ("Lacking", "'deaf' (of lacking)", "on_tasks_due"),
    ("Ring", "a (of ring) → b (of ring) → a (of ring)", "ring"),
    ("Hole", "'a' (of hole) requires 'moon'", "which nobody provides"),
    ("Double", "expected one provider of 'store'", "'another-store' (of double)"),
    ("Same", "expected one component of id 'broker'", "of same"),
    ("Taken", "plugin 'taken' (environment)", "expected a free id for its component, got 'slot-1'"),
    ("Raising", "plugin 'raising' (environment): its components() raised RuntimeError: no components today", "(at "),
    ("Leaving", "plugin 'leaving' (environment): its components() raised it called sys.exit('bye')", ""),
    ("Wrong", "plugin 'wrong' (environment): expected components() to return an iterable of Component", "got one of "),
    ("NoList", "plugin 'nolist' (environment): expected components() to return", "got NoneType None"),
    ("PartOfNothing", "plugin 'part' (environment): expected NodePart of one of home", "got 'engine'"),
    ("Ping", "plugin 'ping' (environment): expected a free name for its control command, got 'ping'", "actorq itself"),
    ("NoCommand", "plugin 'nocommand' (environment): expected commands() to return names and callables", "5"),
    ("Nowhere", "plugin 'shop_plugins:Nowhere' (environment)", "has no attribute 'Nowhere'"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("plugin", "said", "also"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_does_not_fit_is_one_line_and_exit_code_3_and_nothing_is_half_started(place, plugin, said, also):
    node = make_node(place, f"shop_plugins:{plugin}").start()
    assert node.process is not None
    assert node.process.wait(30) == 3, node.output
    (line,) = node.output.splitlines()
    assert said in line
    assert also in line
    assert not (place / "home").exists()
    assert started(place) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [("1 / 0", "ZeroDivisionError: division by zero (at "), ("raise SystemExit(0)", "it called sys.exit(0)")],
)
def test_a_plugin_that_raises_when_it_is_imported_is_named(place, text, said):
    (place / "bad_plugin.py").write_text(text + "\n")
    node = make_node(place, "bad_plugin:X").start()
    assert node.process is not None
    assert node.process.wait(30) == 3
    (line,) = node.output.splitlines()
    assert "plugin 'bad_plugin:X' (environment): can't import bad_plugin: " in line
    assert said in line


@pytest.mark.slow
def test_a_hard_component_that_cannot_start_undoes_the_boot_and_is_named_with_its_cause(place):
    node = make_node(place, "shop_plugins:Failing").start()
    assert node.process is not None
    assert node.process.wait(30) != 0
    assert "stillborn" in node.output
    assert "no such device" in node.output
    assert hub_pid(place / "home") is None


@pytest.mark.slow
def test_components_of_the_hub_start_on_the_hub_only_and_elsewhere_when_a_node_takes_over(place):
    with make_node(place, "shop_plugins:Good") as first, make_node(place, "shop_plugins:Good") as second:
        assert sorted(started(place)) == sorted(
            [*[f"Idle {first.pid}"] * 3, f"OwnTimers {first.pid}", *[f"Idle {second.pid}"] * 2]
        )
        first.kill()
        wait_until(lambda: hub_pid(place / "home") == second.pid, 20, "the take-over")
        wait_until(lambda: started(place).count(f"Idle {second.pid}") == 3, 20, "the plugin's component of the hub")
        assert call(place, "add.apply_async((2, 3), countdown=0.2).get(timeout=20)") == "5"
        assert f"OwnTimers {second.pid}" in started(place)


@pytest.mark.slow
def test_the_application_s_own_plugin_has_components_in_the_node_and_is_loaded_in_slots(place):
    with (place / "shop_tasks.py").open("a") as tasks:
        tasks.write("app.plugins.add('shop_plugins:Good')\n")
    with make_node(place) as node:
        assert f"Idle {node.pid}" in started(place)
        assert call(place, "seen.delay().get(timeout=20)") == "['good']"


@pytest.mark.slow
def test_an_application_that_only_the_node_cannot_import_is_an_error_that_says_why_it_is_imported(place):
    # The zygote is a leader of a session of its own; the node of this test isn't.
    text = "\nif os.getsid(0) != os.getpid():\n    raise RuntimeError('not here')\n"
    with (place / "shop_tasks.py").open("a") as tasks:
        tasks.write("app.plugins.add('shop_plugins:Good')\n" + text)
    node = make_node(place).start()
    assert node.process is not None
    assert node.process.wait(30) == 3
    (line,) = node.output.splitlines()
    assert "the node has to import the application, because its plugins 'good' have components or commands" in line
    assert "not here" in line


@pytest.mark.slow
def test_an_application_without_plugins_for_the_node_is_not_imported_by_it(place):
    with (place / "shop_tasks.py").open("a") as tasks:
        tasks.write(
            "\nif os.getsid(0) != os.getpid() and 'NODE_ONLY' in os.environ:\n    raise RuntimeError('not here')\n"
        )
    with make_node(place, NODE_ONLY="1"):
        assert call(place, "add.delay(2, 3).get(timeout=20)") == "5"


@pytest.mark.slow
def test_headers_stay_with_a_task_that_runs_again(place):
    with make_node(place):
        sent = "again.apply_async((5,), headers={'trace': [1, 'a']}).get(timeout=20)"
        assert call(place, sent) == "[5, 1, {'trace': [1, 'a']}]"
