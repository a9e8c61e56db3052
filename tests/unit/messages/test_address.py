from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.messages.address import Address

names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=60)
boots = st.integers(0, 2**64 - 1).map("{:016x}".format)
ids = st.integers(1, 2**63 - 1)


@given(node=names, path=names, boot=boots, number=ids)
def test_an_address_is_read_as_it_was_written(node, path, boot, number):
    for address in (Address(node, path), Address(node, path, boot, number), Address(node, "", boot, number)):
        text = str(address)
        assert text.isascii()
        assert text.startswith("actorq://")
        assert Address.parse(text) == address


@given(st.text(max_size=100))
def test_any_text_is_an_address_or_refused_with_a_value_error(text):
    for candidate in (text, f"actorq://{text}", f"actorq://node/{text}"):
        try:
            address = Address.parse(candidate)
        except ValueError:
            continue
        assert Address.parse(str(address)) == address


def test_a_path_reads_like_a_path():
    assert str(Address("shop 1", "pool/slots/ü")) == "actorq://shop%201/pool/slots/%C3%BC"
    assert Address.parse("actorq://shop/pool/slots").path == "pool/slots"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "counter",
        "http://node/x",
        "actorq://",
        "actorq://node",
        "actorq://node/",
        "actorq:///x",
        "actorq://node/x#",
        "actorq://node/x#12",
        "actorq://node/x#0123456789abcdef.0",
        "actorq://node/x#0123456789ABCDEF.1",
        "actorq://node/x?y",
        "actorq://node/x\n",
        "actorq://node/%00",
        "actorq://node/%ff",
        "actorq://no de/" + "x" * 2_000,
        "actorq://n/" + "x" * 100_000,
    ],
)
def test_nonsense_is_refused_with_one_error_that_shows_the_form(text):
    with pytest.raises(ValueError, match=r"^expected an address like actorq://node/path or .*, got '") as caught:
        Address.parse(text)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "parts",
    [("", "x"), ("n", ""), ("n" * 101, "x"), ("n", "\x7f"), ("n", "x", "", 3), ("n", "x", "0" * 16), ("n", "\ud800")],
)
def test_parts_that_cannot_be_an_address_are_refused(parts):
    with pytest.raises(ValueError, match="expected"):
        Address(*parts)


def test_an_incarnation_knows_the_address_of_its_name():
    address = Address("n", "x", "0" * 16, 3)
    assert (address.is_name, address.of_name) == (False, Address("n", "x"))
    assert Address("n", "", "0" * 16, 3).of_name is None
