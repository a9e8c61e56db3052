from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.transport.handshake import Handshake


class Side:
    """One gateway as far as the handshake goes: links with serials, and frames on their way over each."""

    def __init__(self):
        self.handshake = Handshake()
        self.serial = 0
        self.links = {}  # serial -> frames on their way to the other side
        self.session = None  # (mine, theirs) while up

    def open(self):
        self.serial += 1
        self.links[self.serial] = deque()
        self.handshake.opened(self.serial)
        self.greet()

    def greet(self):
        self.links[self.handshake.mine].append((self.handshake.mine, self.handshake.greet()))

    def lose(self):
        self.handshake = self.handshake.next()

    def hear(self, serial, echo):
        if self.handshake.hear(serial, echo) == "anew":
            self.lose()
            assert self.handshake.hear(serial, echo) == "taken"
        if self.handshake.theirs != serial:
            return
        if self.handshake.must_open:
            self.open()
        elif self.handshake.must_greet:
            self.greet()


def deliver(one, other, serial):
    if one.links.get(serial):
        other.hear(*one.links[serial].popleft())


actions = st.lists(
    st.tuples(st.sampled_from(["open", "lose", "deliver"]), st.booleans(), st.integers(0, 30)), max_size=80
)


@given(actions)
@settings(max_examples=1_000)
def test_both_sides_find_together_whatever_happened_before(actions):
    sides = Side(), Side()
    for what, first, pick in actions:
        side, other = sides if first else sides[::-1]
        if what == "open" and not side.handshake.mine:
            side.open()
        elif what == "lose":
            side.lose()
        elif what == "deliver" and side.links:
            deliver(side, other, sorted(side.links)[pick % len(side.links)])
    # From here on nothing is lost; whoever has no link, or whose link the other gave up, begins anew (it would be fenced).
    one, two = sides[0].handshake, sides[1].handshake
    for _ in range(10):
        for side, other in (sides, sides[::-1]):
            fenced = side.handshake.mine and side.handshake.mine <= other.handshake.floor
            if fenced and not side.handshake.reopen():
                side.lose()
            if not side.handshake.mine:
                side.open()
            for serial in sorted(side.links):
                deliver(side, other, serial)
        one, two = sides[0].handshake, sides[1].handshake
        if one.is_up and two.is_up:
            break
    assert one.is_up
    assert two.is_up
    assert (one.mine, one.theirs) == (two.theirs, two.mine)


def test_a_late_hello_of_an_earlier_link_means_nothing():
    handshake = Handshake()
    handshake.opened(1)
    assert handshake.hear(5, 0) == "taken"
    assert handshake.hear(4, 1) == "stale"
    assert handshake.hear(5, 1) == "taken"
    assert handshake.hear(6, 0) == "anew"
    assert handshake.next().hear(5, 0) == "stale"


def test_a_later_link_before_anything_was_confirmed_ends_nothing():
    handshake = Handshake()
    handshake.opened(1)
    assert handshake.hear(5, 0) == "taken"
    assert handshake.hear(6, 0) == "taken"
    assert handshake.theirs == 6


def test_one_that_gives_every_link_up_is_left_alone_in_the_end():
    handshake = Handshake()
    handshake.hear(5, 0)
    for serial in range(1, 4):
        handshake.opened(serial)
        assert handshake.reopen()
        assert handshake.must_open
    assert not handshake.reopen()


def test_nobody_is_up_before_both_have_heard_of_their_own_link():
    handshake = Handshake()
    handshake.opened(1)
    handshake.greet()
    assert not handshake.is_up
    handshake.hear(7, 1)
    assert not handshake.is_up
    assert handshake.greet() == 7
    assert handshake.is_up
