"""The reference of actors and supervisors leaves nothing out that a user can see."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from actorq.actors import Actor, ActorRef, NameRef, Outcome, Reply, System, Watchdog
from actorq.actors.sockets import Sockets
from actorq.actors.timers import Timers
from actorq.supervisor import Backoff, ChildSpec, Component, DynamicSupervisor, Supervisor

REFERENCE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"
PAGES = {name: (REFERENCE / f"{name}.md").read_text() for name in ("actors", "supervisors")}
WORD = re.compile(r"\w+")
# Of the kernel's own, for its other modules.
INTERNAL = {
    System: "find_incarnation find_named forget forked killed local_ref make_clerk reaped report_end start_actor held lock",
    Actor: "start",
}


def words_in_code(page: str) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return {word for code in re.findall(r"`([^`]+)`", text) for word in WORD.findall(code)}


def public_functions(owner: type) -> dict[str, object]:
    internal = INTERNAL.get(owner, "").split()
    return {
        name: member
        for name, member in vars(owner).items()
        if not name.startswith("_")
        and name not in internal
        and (inspect.isfunction(member) or isinstance(member, property))
    }


@pytest.mark.parametrize("owner", [System, Actor, ActorRef, NameRef, Timers, Sockets, Reply, Outcome, Watchdog])
def test_every_method_of_an_actors_interface_and_each_of_its_parameters_is_in_the_reference(owner):
    known = words_in_code(PAGES["actors"])
    missing = []
    for name, member in public_functions(owner).items():
        parameters = list(inspect.signature(member).parameters)[1:] if inspect.isfunction(member) else []
        missing += [f"{name}.{word}" for word in [name, *parameters] if word not in known]
    assert missing == []


@pytest.mark.parametrize("supervisor", [Supervisor, DynamicSupervisor])
def test_every_flag_of_a_supervisor_is_in_the_reference(supervisor):
    known = words_in_code(PAGES["supervisors"])
    assert [name for name in inspect.signature(supervisor.init).parameters if name not in known | {"self"}] == []


@pytest.mark.parametrize("value", [ChildSpec, Component, Backoff])
def test_every_field_of_a_spec_is_in_the_reference(value):
    known = words_in_code(PAGES["supervisors"])
    assert [field.name for field in dataclasses.fields(value) if field.name not in known] == []
