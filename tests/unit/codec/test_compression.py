from __future__ import annotations

import zlib
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.codec import MSGPACK, Acceptance, Packing, decode_body, decode_result, encode_body, encode_result
from actorq.codec.compression import NONE, ZLIB, ZSTD, compress, decompress, get_compression
from actorq.errors import DecodeError, MessageTooLarge

LIMIT = 100_000
needs_zstd = pytest.mark.skipif(find_spec("zstandard") is None, reason="the package zstandard isn't installed")
FORMATS = [ZLIB, pytest.param(ZSTD, marks=needs_zstd)]


@pytest.mark.parametrize("number", FORMATS)
@given(data=st.binary(max_size=2_000))
def test_what_was_compressed_comes_back(number, data):
    assert decompress(number, compress(number, data), LIMIT, "x") == data


@pytest.mark.parametrize("number", FORMATS)
def test_a_bomb_is_refused_before_it_grows_beyond_the_bound(number):
    bomb = compress(number, bytes(200 * LIMIT))
    with pytest.raises(MessageTooLarge, match="message_max_bytes"):
        decompress(number, bomb, LIMIT, "the arguments of a task")
    assert len(decompress(number, compress(number, bytes(LIMIT)), LIMIT, "x")) == LIMIT


@pytest.mark.parametrize("number", FORMATS)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.booleans())
def test_damaged_bytes_never_unpack_to_something_else(number, place, bit, cut):
    data = b"".join(b"%d," % n for n in range(500))
    packed = bytearray(compress(number, data))
    place %= len(packed)
    if cut:
        del packed[place:]
    else:
        packed[place] ^= 1 << bit
    try:
        assert decompress(number, bytes(packed), LIMIT, "x") == data
    except (DecodeError, MessageTooLarge):
        pass


@needs_zstd
def test_zstd_that_doesnt_tell_its_size_is_refused():
    import zstandard

    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200 * LIMIT))
    with pytest.raises(DecodeError, match="size isn't told"):
        decompress(ZSTD, stream, LIMIT, "x")


def test_bytes_behind_the_end_and_unknown_formats_are_refused():
    with pytest.raises(DecodeError, match="too early or too late"):
        decompress(ZLIB, zlib.compress(b"x") + b"y", LIMIT, "x")
    with pytest.raises(DecodeError, match="number 9"):
        decompress(9, b"", LIMIT, "x")


def test_names_are_checked_and_get_a_suggestion(monkeypatch):
    assert (get_compression(None), get_compression("none"), get_compression("gzip")) == (NONE, NONE, ZLIB)
    with pytest.raises(ValueError, match="did you mean 'zlib'"):
        get_compression("zlb")
    monkeypatch.setattr("actorq.codec.compression.find_spec", lambda _: None)
    with pytest.raises(ValueError, match="pip install"):
        get_compression("zstd")


def test_only_what_is_large_enough_and_gets_smaller_is_compressed():
    packing = Packing(ZLIB, compress_from=100)
    assert packing.look_from == 100
    codec_id, packed = packing.pack(MSGPACK, bytes(1_000), "x")
    assert codec_id == MSGPACK | ZLIB << 4
    assert len(packed) < 100
    assert packing.pack(MSGPACK, bytes(range(200)), "x") == (MSGPACK, bytes(range(200)))
    assert packing.pack(MSGPACK, bytes(50), "x") == (MSGPACK, bytes(50))
    assert Packing(compress_from=100, max_bytes=500).look_from == 501


def test_the_bound_holds_before_compression_at_both_ends():
    packing = Packing(ZLIB, max_bytes=1_000)
    with pytest.raises(MessageTooLarge, match="the result of at most 1000 bytes, got 1001"):
        packing.pack(MSGPACK, bytes(1_001), "the result")
    codec_id, packed = Packing(ZLIB).pack(*encode_result(bytes(5_000)), "x")
    assert decode_result(codec_id, packed) == bytes(5_000)
    with pytest.raises(MessageTooLarge, match="at least 1001"):
        decode_result(codec_id, packed, Acceptance(max_bytes=1_000))


@pytest.mark.parametrize("number", FORMATS)
def test_arguments_say_themselves_how_they_are_compressed(number):
    codec_id, packed = Packing(number).pack(MSGPACK, encode_body(("x" * 5_000,), {"y": {1}}), "x")
    assert decode_body(codec_id, packed) == (("x" * 5_000,), {"y": {1}})
