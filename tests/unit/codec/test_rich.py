from __future__ import annotations

import datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.codec import MSGPACK, PLAIN_CODECS, Acceptance, decode_body, decode_result, encode_body, encode_result
from actorq.errors import DecodeError, EncodeError

offsets = st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)))
hashable = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=offsets)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.frozensets(inner, max_size=3),
    max_leaves=8,
)
rich = st.recursive(
    hashable | st.sets(hashable | st.tuples(hashable, hashable), max_size=3) | st.binary().map(bytearray),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=12,
)


def by_way_of_msgpack(value):
    return decode_result(*encode_result(value))


@given(rich)
def test_every_type_of_the_table_arrives_as_it_was(value):
    found = by_way_of_msgpack(value)
    assert found == value
    assert type(found) is type(value)
    assert decode_body(MSGPACK, encode_body((value,), {"k": value})) == ((value,), {"k": value})


@given(st.datetimes(timezones=offsets))
def test_an_aware_datetime_keeps_its_offset(moment):
    assert by_way_of_msgpack(moment).utcoffset() == moment.utcoffset()


def test_a_decimal_keeps_its_digits_and_what_isnt_a_number():
    for text in ("1.10", "-0", "1E+5", "NaN", "-Infinity"):
        assert str(by_way_of_msgpack(Decimal(text))) == text


@pytest.mark.parametrize("size", [3, 1 << 17])
def test_buffers_arrive_in_their_own_type_whatever_their_size(size):
    data = bytes(range(256)) * (size // 256 + 1)
    for value in (bytearray(data), memoryview(data), [data, bytearray(data)]):
        found = by_way_of_msgpack(value)
        assert found == value
        assert type(found) is type(value)


def test_a_view_with_gaps_is_refused():
    with pytest.raises(EncodeError, match="memoryview"):
        encode_result(memoryview(b"abcdef")[::2])


def test_a_subclass_is_refused_where_it_would_arrive_as_its_base():
    class Money(Decimal):
        pass

    class Bag(frozenset[int]):
        pass

    for value in (Money(1), Bag()):
        with pytest.raises(EncodeError, match=type(value).__name__):
            encode_result([value])


def test_an_endless_set_of_lists_is_refused_by_its_key_or_depth():
    endless: list[object] = [UUID(int=1)]
    endless.append(endless)
    with pytest.raises(EncodeError):
        encode_result(endless)


@pytest.mark.parametrize("code", [*range(1, 17), 99, -1, -5])
@pytest.mark.parametrize(
    "data", [b"", b"\xc0", b"\x01", b"\x91\x80", b"\x92\xc4\x00\x05", b"\x92\x80\xa1x", b"\xa3abc"]
)
def test_an_extension_with_other_bytes_is_a_decode_error_or_a_value(code, data):
    body = b"\xc7" + bytes((len(data), code & 255)) + data
    try:
        decode_result(MSGPACK, body)
    except DecodeError as error:
        assert "expected" in str(error)  # noqa: PT017  some are values: an empty set is a set


def test_a_bomb_of_nested_sets_is_a_decode_error():
    body = b"\xc0"
    for _ in range(3_000):
        inner = b"\x91" + body
        body = b"\xc9" + len(inner).to_bytes(4, "big") + b"\x08" + inner
    with pytest.raises(DecodeError):
        decode_result(MSGPACK, body)


@given(st.binary(max_size=60))
def test_no_bytes_with_buffers_do_anything_but_decode_or_fail(data):
    for start in (b"\xc1\x01\x00\x00", b"\xc1\x01\x00\x00\x01\x00\x00\x00", b"\xc1"):
        for codec_id in PLAIN_CODECS:
            try:
                decode_result(codec_id, start + data, Acceptance())
            except DecodeError:
                continue


def test_ids_arrive_as_ids():
    key = uuid4()
    assert decode_body(MSGPACK, encode_body((key,), {"key": {key}})) == ((key,), {"key": {key}})
