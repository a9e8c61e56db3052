from __future__ import annotations

from typing import Protocol

import pytest

from actorq.actors import Actor, NameRef
from actorq.errors import ConfigError
from actorq.supervisor import (
    BadReplacement,
    Component,
    Cycle,
    Edge,
    MissingRequirement,
    Named,
    Supervisor,
    TwoProviders,
    plan_graph,
    resolve_graph,
)
from actorq.supervisor.graph import find_missing_methods
from actorq.supervisor.graph_errors import (
    BadCapability,
    BadComponent,
    DuplicateComponent,
    GraphError,
    UnknownReplacement,
)


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


def test_a_replacement_takes_the_place_the_name_and_the_capabilities_of_what_it_replaces():
    specs = plan_graph(
        [
            part("store", provides=("engine",)),
            part("redis", replaces="store"),
            part("broker", requires=("store",)),
            part("reader", requires=("engine",)),
        ]
    )
    assert ids(specs) == ["redis", "broker", "reader"]
    assert [spec.name for spec in specs] == ["store", "broker", "reader"]
    assert specs[1].requires == ("redis",)
    assert specs[1].kwargs["store"] == Named("store")
    assert specs[2].kwargs["engine"] == Named("store")


def test_refs_of_the_replaced_name_go_on_working(system):
    specs = plan_graph([part("store"), part("redis", replaces="store"), part("broker", requires=("redis",))])
    system.spawn(Supervisor, specs, strategy="dependents", intensity=1, period_s=5)
    given = system.whereis("broker").proxy().given.get()
    assert given["redis"].resolve() == system.whereis("store")
    assert system.ref("store").is_alive()


def test_a_replacement_may_itself_be_replaced():
    components = [
        part("store", provides=("engine",)),
        part("redis", replaces="store", provides=("pubsub",)),
        part("valkey", replaces="redis"),
        part("user", requires=("store", "redis", "engine", "pubsub")),
    ]
    specs = plan_graph(components)
    assert ids(specs) == ["valkey", "user"]
    assert specs[0].name == "store"
    assert specs[1].requires == ("valkey",)


def test_components_that_replace_each_other_are_an_error():
    with pytest.raises(UnknownReplacement, match="replaces it already"):
        plan_graph([part("a", replaces="b"), part("b", replaces="a"), part("c")])
    with pytest.raises(UnknownReplacement):
        plan_graph([part("a", replaces="a")])


# -- the graph as a value --------------------------------------------------------------------------------------------------


def test_the_graph_tells_components_in_start_order_edges_and_what_was_dropped():
    graph = resolve_graph(
        [
            part("broker", requires=("store",), wants=("events", "tracing"), rebind=("events",)),
            part("store", provides=("engine",)),
            part("off", enabled=False),
            part("events"),
        ]
    )
    assert [one.id for one in graph.components] == ["events", "store", "broker"]
    assert graph.edges == (
        Edge("broker", "store", "store", "requires", rebind=False),
        Edge("broker", "events", "events", "wants", rebind=True),
    )
    assert graph.dropped == (("broker", "tracing"),)


def test_edges_of_a_replacement_name_the_capability_that_was_asked_for():
    graph = resolve_graph([part("store"), part("redis", replaces="store"), part("b", requires=("store",))])
    assert graph.edges == (Edge("b", "redis", "store", "requires", rebind=False),)


# -- protocols -------------------------------------------------------------------------------------------------------------


class Keeping(Protocol):
    def on_put(self, message): ...

    def on_get(self, message): ...

    def _private(self): ...


class Wide(Keeping, Protocol):
    @property
    def size(self) -> int: ...

    def close(self): ...


class Half(Part):
    def on_put(self, message): ...


class Whole(Half):
    def on_get(self, message): ...


def test_a_replacement_that_lacks_methods_is_named_with_its_origin_and_each_of_them():
    with pytest.raises(BadReplacement) as caught:
        plan_graph(
            [
                Component("store", Whole, protocol=Keeping),
                Component("redis", Part, replaces="store", origin="plugin redis"),
            ]
        )
    assert caught.value.missing == ("on_get", "on_put")
    assert str(caught.value) == (
        "component 'redis' (of plugin redis) replaces 'store', but its actor Part has no on_get, on_put; "
        "expected every public method of the protocol (Keeping)"
    )


def test_a_component_is_held_to_its_own_protocol_and_a_replacement_of_a_replacement_to_all():
    with pytest.raises(BadReplacement, match="'store' has protocol Keeping, but its actor Half has no on_get"):
        plan_graph([Component("store", Half, protocol=Keeping)])
    chain = [
        Component("store", Whole, protocol=Keeping),
        Component("redis", Whole, replaces="store"),
        Component("valkey", Half, replaces="redis"),
    ]
    with pytest.raises(BadReplacement, match="'valkey' replaces 'store', but its actor Half has no on_get"):
        plan_graph(chain)
    assert ids(plan_graph([*chain[:2], Component("valkey", Whole, replaces="redis")])) == ["valkey"]


def test_the_public_methods_of_a_protocol_are_its_own_and_those_it_inherits():
    assert find_missing_methods(Part, Wide) == ["close", "on_get", "on_put"]
    assert find_missing_methods(Whole, Keeping) == []


# -- who is at fault -------------------------------------------------------------------------------------------------------

FAULTS = {
    "two of an id": [part("a"), part("a", origin="plugin p")],
    "unknown replacement": [part("a", replaces="x", origin="plugin p")],
    "two providers": [part("a", provides=("c",)), part("b", provides=("c",), origin="plugin p")],
    "missing requirement": [part("a", requires=("x",), origin="plugin p")],
    "cycle": [part("a", requires=("b",), origin="plugin p"), part("b", requires=("a",))],
    "taken keyword": [part("s"), part("a", requires=("s",), kwargs={"s": 1}, origin="plugin p")],
    "needless rebind": [part("a", rebind=("s",), origin="plugin p")],
    "not an actor": [Component("a", dict, origin="plugin p")],  # type: ignore[arg-type]
    "a bad shutdown": [part("a", shutdown=-1, origin="plugin p")],
    "a condition that raises": [part("a", enabled=lambda settings: settings["x"], origin="plugin p")],
    "lacks a method": [Component("a", Part, protocol=Keeping, origin="plugin p")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_error_of_a_graph_names_the_component_and_the_plugin_it_comes_from(fault):
    with pytest.raises(GraphError) as caught:
        resolve_graph(FAULTS[fault], {})
    assert "plugin p" in str(caught.value)
    assert "'a'" in str(caught.value) or " a " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError)


def test_a_component_that_is_no_child_says_what_was_expected_of_which_field():
    with pytest.raises(BadComponent, match=r"component 'a': expected shutdown to be seconds .*, got -1"):
        plan_graph([part("a", shutdown=-1)])


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
