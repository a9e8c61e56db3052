from __future__ import annotations

import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.codec import (
    ALL_CODECS,
    CLOUDPICKLE,
    MSGPACK,
    PICKLE,
    Acceptance,
    decode_body,
    decode_result,
    encode_body,
    encode_result,
)
from actorq.codec.arrays import pack_array
from actorq.codec.buffers import has_buffers, join_buffers, split_buffers
from actorq.errors import DecodeError, EncodeError

numpy = pytest.importorskip("numpy", reason="numpy isn't installed; nothing of actorq needs it")

ALL = Acceptance(ALL_CODECS)
TYPES = ["?", "i1", "<i8", ">i4", "u2", "f2", "<f8", "c16", "S5", "<U3", "<M8[ns]", "m8[s]", "V4"]


def same(left, right):
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4), (70_000,)])
@pytest.mark.parametrize("codec_id", [MSGPACK, PICKLE, CLOUDPICKLE])
def test_an_array_arrives_with_its_type_its_shape_and_its_bytes_and_is_read_only(dtype, shape, codec_id):
    count = int(numpy.prod(shape))
    size = numpy.dtype(dtype).itemsize * count
    # Ones and zeroes: a bool may be nothing else, and they are characters, too.
    array = (
        numpy.frombuffer(bytes(n % 2 for n in range(size)), dtype).reshape(shape) if size else numpy.empty(shape, dtype)
    )
    found = decode_result(*encode_result([array], codec_id), ALL)[0]
    assert same(found, array)
    # numpy itself doesn't give its dates to a pickle as buffers.
    assert not found.flags.writeable or (codec_id != MSGPACK and array.dtype.kind in "mM")


@given(st.lists(st.floats(allow_nan=False), max_size=50))
def test_arrays_of_arguments_are_equal_to_what_was_given(values):
    args, kwargs = decode_body(MSGPACK, encode_body((numpy.array(values),), {"deep": [{"a": numpy.array(values)}]}))
    assert args[0].tolist() == kwargs["deep"][0]["a"].tolist() == values


def test_a_scalar_stays_one():
    for value in (numpy.float64(1.5), numpy.int8(-3), numpy.bool_(True), numpy.str_("ü")):
        found = decode_result(*encode_result(value))
        assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("make", [lambda a: a[::2], lambda a: a.T, numpy.asfortranarray])
def test_a_view_with_gaps_or_another_order_arrives_with_the_same_elements(make):
    array = make(numpy.arange(40_000.0).reshape(200, 200))
    for codec_id in (MSGPACK, PICKLE):
        assert numpy.array_equal(decode_result(*encode_result(array, codec_id), ALL), array)


@pytest.mark.parametrize("codec_id", [MSGPACK, PICKLE, CLOUDPICKLE])
def test_a_large_array_is_never_in_the_serialized_bytes_and_is_copied_once(codec_id):
    array = numpy.arange(1 << 20, dtype="u8")
    body = encode_body((array, 1), {"again": array}, codec_id)
    assert has_buffers(body)
    head, buffers = split_buffers(body)
    assert len(head) < 1_000
    assert [buffer.nbytes for buffer in buffers] in (
        [array.nbytes] * 2,
        [array.nbytes],
    )  # a pickle tells it is the same
    args, kwargs = decode_body(codec_id, body, ALL)
    for found in (args[0], kwargs["again"]):
        assert numpy.shares_memory(found, numpy.frombuffer(body, "u1"))
        assert found.flags.aligned


def test_a_contiguous_array_is_described_without_a_copy():
    array = numpy.arange(100_000)
    assert numpy.shares_memory(pack_array(array, "x")[1], array)


@pytest.mark.parametrize("make", [
    lambda: numpy.array([object()]), lambda: numpy.zeros(2, "i4,f8"), lambda: numpy.ma.array([1], mask=[1]),
])  # fmt: skip
def test_arrays_of_objects_structures_and_subclasses_are_refused_by_name(make):
    with pytest.raises(EncodeError, match="numpy"):
        encode_result(make())


def test_an_array_that_doesnt_fit_its_bytes_is_a_decode_error():
    _, body = encode_result(numpy.arange(3, dtype="<i8"))
    for old, new in (
        (b"<i8", b"|O8"),
        (b"<i8", b"<i4"),
        (b"<i8", b"xyz"),
        (b"\x91\x03", b"\x91\x04"),
        (b"\x91\x03", b"\x91\x02"),
    ):
        assert old in body
        with pytest.raises(DecodeError):
            decode_result(MSGPACK, body.replace(old, new))


def test_where_numpy_is_missing_an_array_is_a_decode_error_that_names_it(monkeypatch):
    _, body = encode_result(numpy.arange(3))
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(DecodeError, match="numpy"):
        decode_result(MSGPACK, body)


@given(st.binary(max_size=100), st.lists(st.binary(max_size=100), max_size=5))
def test_buffers_come_apart_as_they_were_joined_at_aligned_places(head, buffers):
    body = join_buffers(head, buffers)
    found, parts = split_buffers(body)
    assert (found, parts) == (head, buffers)
    with pytest.raises(DecodeError):
        split_buffers(body + b"x")
    with pytest.raises(DecodeError):
        split_buffers(body[:-1] if buffers and buffers[-1] else body[:7])


def test_a_pickle_without_arrays_is_a_plain_pickle():
    assert pickle.loads(encode_body(({1},), {}, PICKLE)) == (({1},), {})
