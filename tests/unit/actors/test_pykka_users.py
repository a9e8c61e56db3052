"""What Pykka's documentation promises its users, on actorq's actors; what differs is in `docs/guides/pykka-users.md`."""

from __future__ import annotations

import queue
import threading

import pykka
import pytest
import structlog.testing

from actorq.actors import Actor, ActorDead, AskTimeout, Exit, System
from actorq.messages.reasons import Crashed
from actorq.testing.wait import wait_until


class Part:
    """An attribute that a proxy may look into."""

    def __init__(self):
        self.name = "part"

    def shout(self, text):
        return text.upper()


class Greeter(Actor):
    """Uses every point that Pykka's users override or call."""

    greeting = "hello"

    def init(self, events=None):
        self.events = [] if events is None else events
        self.part = pykka.traversable(Part())
        self.hidden = Part()
        self._private = "not for others"

    def on_start(self):
        self.events.append("start")

    def on_stop(self):
        self.events.append("stop")

    def on_failure(self, exception_type, exception_value, traceback):
        self.events.append(("failure", exception_type, str(exception_value), traceback is not None))

    def on_receive(self, message):
        if isinstance(message, dict):
            if message.get("fail"):
                raise ValueError("asked for")
            return {"echo": message}
        return super().on_receive(message)

    def greet(self, name, *, mark="!"):
        return f"{self.greeting} {name}{mark}"

    def fail(self):
        raise ValueError("asked for")

    def hold(self, gate):
        gate.wait(10)
        return "held"

    def me(self):
        return self.actor_ref

    @property
    def loud(self):
        return self.greeting.upper()


class PinnedGreeter(Greeter):
    pinned = True


@pytest.fixture(params=[Greeter, PinnedGreeter], ids=["light", "pinned"])
def cls(request):
    return request.param


@pytest.fixture
def greeter(system, cls):
    return system.spawn(cls)


# -- refs ------------------------------------------------------------------------------------------------------------------


def test_a_ref_is_a_pykka_ref_with_its_class_urn_and_inbox(greeter, cls):
    assert isinstance(greeter, pykka.ActorRef)
    assert greeter.actor_class is cls
    assert greeter.actor_urn.startswith("urn:uuid:")
    assert greeter.actor_inbox.empty()
    assert not greeter.actor_stopped.is_set()


def test_tell_returns_none_and_the_message_is_handled(greeter):
    assert greeter.tell({"a": 1}) is None
    assert greeter.ask({"b": 2}) == {"echo": {"b": 2}}


def test_any_object_is_a_message_and_its_identity_is_kept_as_nothing_is_copied(system):
    class Keeper(Actor):
        def on_receive(self, message):
            return id(message)

    message = object()
    assert system.spawn(Keeper).ask(message) == id(message)


def test_ask_blocks_or_gives_a_future(greeter):
    future = greeter.ask({"b": 2}, block=False)
    assert isinstance(future, pykka.Future)
    assert future.get() == {"echo": {"b": 2}}
    assert future.get(timeout=1) == {"echo": {"b": 2}}  # as often as one likes


def test_an_ask_that_takes_too_long_is_a_pykka_timeout(greeter):
    gate = threading.Event()
    greeter.proxy().hold.defer(gate)
    with pytest.raises(pykka.Timeout) as caught:
        greeter.ask({"b": 2}, timeout=0.02)
    assert isinstance(caught.value, AskTimeout)
    with pytest.raises(pykka.Timeout):
        greeter.ask({"b": 2}, block=False).get(timeout=0.02)
    gate.set()


def test_the_exception_of_an_ask_is_raised_where_it_was_asked_with_the_actors_frames(greeter):
    with structlog.testing.capture_logs(), pytest.raises(ValueError, match="asked for") as caught:
        greeter.ask({"fail": True})
    assert "on_receive" in [entry.name for entry in caught.traceback]


def test_telling_or_asking_a_stopped_actor_is_a_pykka_actor_dead_error(greeter):
    greeter.stop()
    for use in (lambda: greeter.tell({}), lambda: greeter.ask({}), lambda: greeter.ask({}, block=False).get()):
        with pytest.raises(pykka.ActorDeadError) as caught:
            use()
        assert isinstance(caught.value, ActorDead)


def test_a_proxy_of_a_stopped_actor_cannot_be_made_and_an_old_one_says_so(greeter):
    proxy = greeter.proxy()
    greeter.stop()
    with pytest.raises(pykka.ActorDeadError):
        greeter.proxy()
    with pytest.raises(pykka.ActorDeadError):
        proxy.greet("you").get()
    with pytest.raises(pykka.ActorDeadError):
        proxy.greeting.get()
    with pytest.raises(pykka.ActorDeadError):
        proxy.greeting = "too late"


def test_messages_that_wait_when_an_actor_stops_are_answered_with_actor_dead_error(system):
    gate, entered = threading.Event(), threading.Event()

    class Slow(PinnedGreeter):
        def begin(self):
            entered.set()
            gate.wait(10)
            self.stop()

    ref = system.spawn(Slow)
    ref.proxy().begin.defer()
    entered.wait(5)
    before = ref.ask({"a": 1}, block=False)
    gate.set()
    ref.actor_stopped.wait(5)
    assert before.get() == {"echo": {"a": 1}}  # it came before the stop
    with pytest.raises(pykka.ActorDeadError):
        ref.ask({"a": 2})


# -- stop ------------------------------------------------------------------------------------------------------------------


def test_stop_is_true_once_and_false_for_the_dead(greeter):
    assert greeter.stop() is True
    assert greeter.stop() is False
    assert not greeter.is_alive()
    assert greeter.actor_stopped.is_set()


def test_stop_without_blocking_gives_a_future_of_the_same(greeter):
    future = greeter.stop(block=False)
    assert future.get(timeout=5) is True
    assert greeter.stop(block=False).get(timeout=5) is False


def test_stop_waits_no_longer_than_its_timeout(greeter):
    gate = threading.Event()
    greeter.proxy().hold.defer(gate)
    with pytest.raises(pykka.Timeout):
        greeter.stop(timeout=0.02)
    gate.set()
    greeter.actor_stopped.wait(5)


def test_an_actor_may_stop_itself(system, cls):
    class Leaver(cls):  # type: ignore[valid-type,misc]
        def leave(self):
            self.stop()
            return "last words"

    ref = system.spawn(Leaver)
    assert ref.proxy().leave().get() == "last words"
    assert ref.actor_stopped.wait(5)


def test_what_was_sent_before_a_stop_is_handled_first(greeter):
    futures = [greeter.ask({"n": number}, block=False) for number in range(20)]
    stopped = greeter.stop(block=False)
    assert [future.get()["echo"]["n"] for future in futures] == list(range(20))
    assert stopped.get() is True


# -- hooks -----------------------------------------------------------------------------------------------------------------


def test_on_start_and_on_stop_run_once_in_the_actors_context(system, cls):
    events: list[object] = []
    ref = system.spawn(cls, events)
    assert events == ["start"]
    ref.stop()
    assert events == ["start", "stop"]


def test_on_failure_gets_type_value_and_traceback_for_a_tell_and_then_on_stop_runs(system, cls):
    events: list[object] = []
    ref = system.spawn(cls, events)
    with structlog.testing.capture_logs():
        ref.tell({"fail": True})
        assert isinstance(system.wait_down(ref), Crashed)
    assert events == ["start", ("failure", ValueError, "asked for", True), "stop"]


def test_an_exception_in_on_start_is_a_start_that_failed(system, cls):
    class Broken(cls):  # type: ignore[valid-type,misc]
        def on_start(self):
            raise LookupError("not there")

    with structlog.testing.capture_logs(), pytest.raises(LookupError, match="not there"):
        system.spawn(Broken)


def test_an_exception_in_on_stop_keeps_nobody_waiting(system, cls):
    class Clumsy(cls):  # type: ignore[valid-type,misc]
        def on_stop(self):
            raise LookupError("dropped it")

    ref = system.spawn(Clumsy)
    with structlog.testing.capture_logs():
        assert ref.stop(timeout=5) is True
    assert not ref.is_alive()


def test_an_actor_knows_its_own_ref(greeter):
    assert greeter.proxy().me().get() == greeter


# -- proxies ---------------------------------------------------------------------------------------------------------------


def test_a_proxy_reads_attributes_and_properties_as_futures(greeter):
    proxy = greeter.proxy()
    assert proxy.greeting.get() == "hello"
    assert proxy.loud.get() == "HELLO"


def test_a_proxy_sets_attributes_and_waits_for_that(greeter):
    proxy = greeter.proxy()
    proxy.greeting = "good day"
    assert proxy.greeting.get() == "good day"
    assert proxy.greet("you").get() == "good day you!"


def test_a_proxy_calls_methods_with_positions_and_names(greeter):
    proxy = greeter.proxy()
    assert proxy.greet("you", mark="?").get() == "hello you?"
    assert proxy.greet.defer("you") is None


def test_a_deferred_call_that_fails_goes_to_on_failure_and_raises_nowhere(system, cls):
    events: list[object] = []
    ref = system.spawn(cls, events)
    with structlog.testing.capture_logs():
        assert ref.proxy().fail.defer() is None
        system.wait_down(ref)
    assert ("failure", ValueError, "asked for", True) in events


def test_a_call_that_fails_raises_at_the_future(greeter):
    with structlog.testing.capture_logs(), pytest.raises(ValueError, match="asked for"):
        greeter.proxy().fail().get()


def test_a_proxy_goes_through_traversable_attributes_and_no_others(greeter):
    proxy = greeter.proxy()
    assert proxy.part.name.get() == "part"
    assert proxy.part.shout("hey").get() == "HEY"
    assert isinstance(proxy.hidden.get(), Part)
    with pytest.raises(AttributeError):
        proxy.hidden.shout("hey")


def test_private_and_unknown_attributes_are_not_reachable_through_a_proxy(greeter):
    proxy = greeter.proxy()
    for name in ("_private", "no_such_thing"):
        with pytest.raises(AttributeError):
            getattr(proxy, name)


def test_two_proxies_of_one_actor_are_equal_and_a_proxy_knows_its_ref(greeter):
    assert greeter.proxy() == greeter.proxy()
    assert greeter.proxy().actor_ref == greeter
    assert isinstance(greeter.proxy(), pykka.ActorProxy)
    assert "greet" in dir(greeter.proxy())


# -- futures ---------------------------------------------------------------------------------------------------------------


def test_futures_map_filter_join_and_reduce_lazily(greeter):
    calls = []

    def double(value):
        calls.append(value)
        return value * 2

    mapped = greeter.proxy().greet("you").map(double)
    assert calls == []
    assert mapped.get() == "hello you!hello you!"
    listed = _future([1, 2, 3, 4])
    assert listed.filter(lambda number: number > 2).get() == [3, 4]
    assert listed.reduce(lambda total, number: total + number).get() == 10
    assert listed.reduce(lambda total, number: total + number, 5).get() == 15
    assert _future(1).join(_future(2), _future(3)).get() == [1, 2, 3]
    assert listed.map(len).get() == 4


def _future(value):
    from actorq.actors import Future

    future = Future()
    future.set(value)
    return future


def test_a_future_takes_one_value_and_hands_out_exceptions():
    from actorq.actors import Future

    future = Future()
    try:
        raise KeyError("k")
    except KeyError:
        future.set_exception()
    with pytest.raises(KeyError):
        future.get()
    with pytest.raises(queue.Full):
        future.set(1)


def test_a_future_can_be_given_a_hook_that_makes_its_value(greeter):
    future = type(greeter.ask({}, block=False))()
    future.set_get_hook(lambda timeout: ("made", timeout))
    assert future.get(timeout=3) == ("made", 3)
    assert future.get(timeout=4) == ("made", 3)  # kept


def test_get_all_gathers_in_order_with_one_timeout(greeter):
    futures = [greeter.ask({"n": number}, block=False) for number in range(5)]
    assert [answer["echo"]["n"] for answer in pykka.get_all(futures, timeout=5)] == list(range(5))


def test_a_future_can_be_awaited(greeter):
    import asyncio

    async def wait():
        return await greeter.proxy().greet("you")

    assert asyncio.run(wait()) == "hello you!"


# -- beside Pykka's own ------------------------------------------------------------------------------------------------------


def test_pykkas_actors_and_ours_talk_to_each_other(greeter):
    class Stock(pykka.ThreadingActor):
        use_daemon_thread = True

        def on_receive(self, message):
            return message["ref"].ask({"from": "stock"})

    stock = Stock.start()
    try:
        assert stock.ask({"ref": greeter}) == {"echo": {"from": "stock"}}
    finally:
        stock.stop()


def test_stop_all_of_pykkas_registry_leaves_ours_alone(greeter):
    assert greeter not in pykka.ActorRegistry.get_all()
    pykka.ActorRegistry.stop_all()
    assert greeter.is_alive()


def test_a_plain_pykka_actor_class_is_refused_with_what_to_do():
    system = System("strict")

    class Stock(pykka.ThreadingActor):
        pass

    with pytest.raises(TypeError, match=r"expected a subclass of actorq\.actors\.Actor"):
        system.spawn(Stock)  # type: ignore[type-var]
    system.shutdown()


def test_ending_with_a_reason_is_what_pykka_has_no_word_for(system, cls):
    class Leaver(cls):  # type: ignore[valid-type,misc]
        def leave(self):
            raise Exit("because")

    ref = system.spawn(Leaver)
    with structlog.testing.capture_logs():
        with pytest.raises(pykka.ActorDeadError):
            ref.proxy().leave().get()
        wait_until(lambda: not ref.is_alive())
