from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.codec import (
    ALL_CODECS,
    CLOUDPICKLE,
    CODEC_NAMES,
    JSON,
    MSGPACK,
    PICKLE,
    PLAIN_CODECS,
    Acceptance,
    decode_body,
    decode_result,
    encode_body,
    encode_result,
    get_codec_id,
)
from actorq.errors import ContentDisallowed, DecodeError, EncodeError

ALL = Acceptance(ALL_CODECS)


@dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = 1


class Text(str):
    __slots__ = ()


text = st.text(st.characters(exclude_categories=["Cs"]))
atoms = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | text
plain = st.recursive(
    atoms | st.floats(allow_nan=False) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(text | st.integers(-100, 100), inner),
    max_leaves=20,
)
jsonable = st.recursive(
    atoms | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=20,
)


@given(st.lists(plain).map(tuple), st.dictionaries(text, plain))
def test_msgpack_carries_plain_values_unchanged(args, kwargs):
    assert decode_body(MSGPACK, encode_body(args, kwargs, MSGPACK)) == (args, kwargs)


@given(st.lists(jsonable).map(tuple), st.dictionaries(text, jsonable))
def test_json_carries_its_values_unchanged(args, kwargs):
    assert decode_body(JSON, encode_body(args, kwargs, JSON)) == (args, kwargs)


@given(plain)
def test_results_come_back_as_they_were(value):
    codec_id, payload = encode_result(value)
    assert decode_result(codec_id, payload) == value


def test_a_tuple_becomes_a_list():
    assert decode_body(MSGPACK, encode_body(((1, 2),), {})) == (([1, 2],), {})


def test_an_aware_datetime_stays_the_same_instant():
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert decode_body(MSGPACK, encode_body((moment,), {}))[0] == (moment,)


@pytest.mark.parametrize(
    "value",
    [Point(1), Colour.RED, object(), Text("x"), len, int, msgspec.UNSET],
)
@pytest.mark.parametrize("codec_id", [MSGPACK, JSON])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"k": v}, lambda v: (1, [2, {"k": [v]}])])
def test_what_would_change_on_the_way_is_refused_by_the_name_of_its_type(value, codec_id, wrap):
    for encode in (lambda v: encode_body((v,), {}, codec_id), lambda v: encode_body((), {"k": v}, codec_id),
                   lambda v: encode_result(v, codec_id)):  # fmt: skip
        with pytest.raises(EncodeError, match=type(value).__qualname__) as caught:
            encode(wrap(value))
        assert 'serializer="pickle"' in str(caught.value)


@pytest.mark.parametrize("value", [b"x", {1: 2}, float("nan"), float("inf"), bytearray()])
def test_json_refuses_what_only_msgpack_carries(value):
    encode_body((value,), {}, MSGPACK)
    with pytest.raises(EncodeError, match="json"):
        encode_body((value,), {}, JSON)


def test_a_key_that_isnt_plain_is_refused():
    with pytest.raises(EncodeError, match=r"as a key .* tuple"):
        encode_body(({(1, 2): 3},), {})


def test_endless_deep_and_enormous_values_are_refused():
    endless: list[object] = []
    endless.append(endless)
    for value in (endless, 2**70, "\ud800"):
        for codec_id in (MSGPACK, JSON):
            if value == 2**70 and codec_id == JSON:
                continue
            with pytest.raises(EncodeError):
                encode_body((value,), {}, codec_id)


@pytest.mark.parametrize("codec_id", [PICKLE, CLOUDPICKLE])
def test_pickles_carry_objects_where_they_are_allowed(codec_id):
    body = encode_body(({1, 2},), {"p": Point(3)}, codec_id)
    assert decode_body(codec_id, body, ALL) == (({1, 2},), {"p": Point(3)})
    for allowed in (PLAIN_CODECS, frozenset({MSGPACK}), frozenset()):
        for decode in (decode_body, decode_result):
            with pytest.raises(ContentDisallowed, match=rf"got {CODEC_NAMES[codec_id]};.* accept_content"):
                decode(codec_id, body, Acceptance(allowed))


def test_only_formats_that_are_data_are_decoded_unless_somebody_says_more():
    for codec_id in (PICKLE, CLOUDPICKLE):
        with pytest.raises(ContentDisallowed):
            decode_body(codec_id, encode_body((), {}, codec_id))
        with pytest.raises(ContentDisallowed):
            decode_result(*encode_result(1, codec_id))


def test_cloudpickle_carries_closures():
    three = 3
    body = encode_body((lambda x: x + three,), {}, CLOUDPICKLE)
    assert decode_body(CLOUDPICKLE, body, ALL)[0][0](4) == 7
    with pytest.raises(EncodeError, match="pickle"):
        encode_body((lambda x: x + three,), {}, PICKLE)


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x92\x90", b"\x01", b"\x92\x01\x80", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000]
)
@pytest.mark.parametrize("codec_id", [*sorted(ALL_CODECS), 9, -1])
def test_bytes_that_arent_arguments_are_a_decode_error(data, codec_id):
    with pytest.raises(DecodeError):
        decode_body(codec_id, data, ALL)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_decode_or_fail(data):
    for codec_id in PLAIN_CODECS:
        for decode in (decode_body, decode_result):
            try:
                decode(codec_id, data)
            except DecodeError:
                continue


def test_a_result_that_was_not_kept_is_none():
    assert decode_result(MSGPACK, b"") is None


def test_a_serializer_that_isnt_there_gets_a_suggestion():
    assert get_codec_id("json") == JSON
    with pytest.raises(ValueError, match="did you mean 'pickle'"):
        get_codec_id("pikle")
