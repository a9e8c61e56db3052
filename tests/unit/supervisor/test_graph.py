from __future__ import annotations

import pytest

from actorq.actors import Actor, NameRef
from actorq.errors import ConfigError
from actorq.supervisor import Component, Cycle, MissingRequirement, Named, Supervisor, TwoProviders, plan_graph
from actorq.supervisor.graph import BadCapability, DuplicateComponent, UnknownReplacement


class Part(Actor):
    def init(self, **given):
        self.given = given


def part(id, **fields):
    return Component(id, Part, **fields)


def ids(specs):
    return [spec.id for spec in specs]


def test_components_come_after_what_they_need_with_the_id_as_tie_break():
    specs = plan_graph(
        [
            part("pool", requires=("broker",)),
            part("zoo"),
            part("broker", requires=("store",)),
            part("store"),
            part("ant"),
        ]
    )
    assert ids(specs) == ["ant", "store", "broker", "pool", "zoo"]


def test_an_actor_gets_its_own_keywords_and_one_ref_for_each_capability_it_declared(system):
    specs = plan_graph(
        [
            part("sqlite", provides=("engine",)),
            part("broker", requires=("engine",), wants=("tracing",), kwargs={"size": 3}),
        ]
    )
    assert dict(specs[1].kwargs) == {"size": 3, "engine": Named("sqlite"), "tracing": None}
    system.spawn(Supervisor, specs, strategy="dependents", intensity=1, period_s=5)
    given = system.whereis("broker").proxy().given.get()
    assert isinstance(given["engine"], NameRef)
    assert given["engine"].resolve() == system.whereis("sqlite")
    assert (given["size"], given["tracing"]) == (3, None)


def test_the_name_of_a_child_is_the_id_of_its_component():
    (spec,) = plan_graph([part("store", restart="transient", shutdown=9.0, exhausted="park")])
    assert (spec.name, spec.restart, spec.shutdown, spec.exhausted) == ("store", "transient", 9.0, "park")


def test_a_missing_requirement_names_who_wants_what():
    with pytest.raises(MissingRequirement) as caught:
        plan_graph([part("broker", requires=("store",)), part("http", requires=("metrics", "broker"))])
    assert str(caught.value) == (
        "'broker' requires 'store'; 'http' requires 'metrics', which nobody provides; provided here: broker, http"
    )
    assert isinstance(caught.value, ConfigError)


def test_a_present_want_counts_for_the_order():
    assert ids(plan_graph([part("a", wants=("z",)), part("z")])) == ["z", "a"]


def test_a_cycle_is_an_error_with_its_path():
    with pytest.raises(Cycle) as caught:
        plan_graph([part("a", requires=("b",)), part("b", requires=("c",)), part("c", requires=("b",)), part("d")])
    assert caught.value.path == ("b", "c", "b")
    assert "b → c → b" in str(caught.value)


def test_two_providers_of_one_capability_are_an_error():
    with pytest.raises(TwoProviders, match="expected one provider of 'engine', got 'a' and 'b'"):
        plan_graph([part("a", provides=("engine",)), part("b", provides=("engine",))])


def test_a_replacement_takes_the_place_and_the_name_of_what_it_replaces():
    specs = plan_graph([part("store"), part("redis", replaces="store"), part("broker", requires=("store",))])
    assert ids(specs) == ["redis", "broker"]
    assert specs[1].requires == ("redis",)
    assert specs[1].kwargs["store"] == Named("redis")


@pytest.mark.parametrize("others", [[], [part("a")], [part("x"), part("other", replaces="x")]])
def test_a_replacement_of_nobody_or_of_what_is_replaced_already_is_an_error(others):
    with pytest.raises(UnknownReplacement, match="expected replaces to name a component, got 'x'"):
        plan_graph([*others, part("mine", replaces="x")])


def test_disabled_components_are_not_there():
    components = [part("a", enabled=False), part("b", enabled=lambda settings: settings["b"]), part("c")]
    assert ids(plan_graph(components, {"b": True})) == ["b", "c"]
    with pytest.raises(MissingRequirement):
        plan_graph([*components, part("d", requires=("a",))], {"b": True})


def test_ids_are_unique_and_the_error_says_how_to_replace():
    with pytest.raises(DuplicateComponent, match="replaces='a'"):
        plan_graph([part("a"), part("a")])


def test_rebind_is_among_the_needs_and_reaches_the_spec():
    specs = plan_graph([part("broker"), part("pool", requires=("broker",), rebind=("broker",))])
    assert (specs[1].requires, specs[1].rebind) == (("broker",), ("broker",))
    with pytest.raises(BadCapability):
        plan_graph([part("broker"), part("pool", rebind=("broker",))])


def test_of_two_ties_to_one_provider_the_stronger_wins():
    components = [part("s", provides=("x", "y")), part("u", requires=("x", "y"), rebind=("x",))]
    assert plan_graph(components)[1].rebind == ()


def test_a_keyword_that_is_also_a_capability_is_an_error():
    with pytest.raises(BadCapability, match="'store' once"):
        plan_graph([part("store"), part("b", requires=("store",), kwargs={"store": 1})])
    with pytest.raises(BadCapability, match="identifier"):
        plan_graph([part("my-store"), part("b", requires=("my-store",))])
