from __future__ import annotations

import pytest

from actorq.actors import Actor
from actorq.supervisor import ChildSpec, DynamicSupervisor, SpecError, Supervisor
from actorq.supervisor import spec as faults


class Child(Actor):
    pass


def good(**fields):
    return ChildSpec(**{"id": "a", "actor": Child, **fields})


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"id": ""}, faults.MissingId, "id"),
        ({"id": None}, faults.MissingId, "id"),
        ({"actor": None}, faults.MissingActor, "actor"),
        ({"actor": dict}, faults.MissingActor, "actor"),
        ({"restart": "always"}, faults.BadRestart, "restart"),
        ({"shutdown": -1}, faults.BadShutdown, "shutdown"),
        ({"shutdown": "soon"}, faults.BadShutdown, "shutdown"),
        ({"shutdown": True}, faults.BadShutdown, "shutdown"),
        ({"type": "boss"}, faults.BadType, "type"),
        ({"exhausted": "cry"}, faults.BadExhausted, "exhausted"),
        ({"significant": True}, faults.BadSignificant, "significant"),
        ({"significant": True, "restart": "transient"}, faults.BadSignificant, "significant"),
        ({"requires": ("b",)}, faults.BadRequirement, "requires"),
        ({"rebind": ("b",)}, faults.BadRequirement, "rebind"),
    ],
)
def test_each_fault_of_a_spec_has_an_error_that_names_field_and_value(fields, error, field):
    with pytest.raises(error) as caught:
        faults.check_specs([good(**fields)])
    assert caught.value.field == field
    assert repr(caught.value.value) in str(caught.value)
    assert isinstance(caught.value, SpecError | ValueError)


def test_ids_are_unique():
    with pytest.raises(faults.DuplicateId, match="unique among its siblings, got 'a'"):
        faults.check_specs([good(), good()])


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ({"strategy": "one-for-one"}, faults.BadStrategy),
        ({"intensity": -1}, faults.BadIntensity),
        ({"intensity": 1.5}, faults.BadIntensity),
        ({"intensity": True}, faults.BadIntensity),
        ({"period_s": 0}, faults.BadPeriod),
        ({"period_s": "5"}, faults.BadPeriod),
        ({"auto_shutdown": "sometimes"}, faults.BadAutoShutdown),
    ],
)
def test_each_fault_of_the_flags_has_its_error_and_nothing_starts(system, flags, error):
    started = []

    class Telltale(Actor):
        def init(self):
            started.append(1)

    right = {"strategy": "one_for_one", "intensity": 1, "period_s": 5.0}
    with pytest.raises(error):
        system.spawn(Supervisor, [ChildSpec("a", Telltale)], **{**right, **flags})
    assert started == []


def test_the_message_says_what_was_expected():
    with pytest.raises(faults.BadStrategy) as caught:
        faults.check_flags("one-for-one", 1, 5.0)
    assert str(caught.value) == (
        "supervisor: expected strategy to be one of 'one_for_one', 'one_for_all', 'rest_for_one', 'dependents', "
        "got 'one-for-one'"
    )


@pytest.mark.parametrize("max_children", [0, -1, 1.5, True])
def test_a_bound_on_children_is_positive(system, max_children):
    with pytest.raises(faults.BadMaxChildren):
        system.spawn(DynamicSupervisor, intensity=1, period_s=5, max_children=max_children)


def test_there_is_no_silent_default_for_intensity_and_period(system):
    with pytest.raises(TypeError, match="intensity"):
        system.spawn(Supervisor, [], strategy="one_for_one")


def test_a_supervisor_child_has_all_the_time_it_needs_unless_told_otherwise():
    assert good(type="supervisor").shutdown_s is None
    assert good().shutdown_s == 5.0
    assert good(shutdown="brutal_kill").shutdown_s == 0.0
    assert good(shutdown="infinity").shutdown_s is None
