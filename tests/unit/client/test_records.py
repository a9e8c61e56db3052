from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actorq.client.frames import pack_put
from actorq.client.records import iterate_records, pack_records
from actorq.messages.task import TaskMessage
from actorq.messages.wire import PUT, Put

records = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


@given(records)
def test_records_come_back_in_order(parts):
    assert list(iterate_records(pack_records(parts))) == parts


@given(records, st.integers(0, 400))
def test_a_file_cut_anywhere_gives_the_whole_records_before_the_cut(parts, cut):
    data = pack_records(parts)[:cut]
    found = list(iterate_records(data))
    assert found == parts[: len(found)]
    assert len(pack_records(found)) <= len(data)
    assert len(found) == len(parts) or len(pack_records(parts[: len(found) + 1])) > len(data)


@given(records, st.integers(0, 1 << 20), st.integers(1, 255))
def test_a_damaged_byte_never_gives_a_record_that_wasnt_there(parts, at, flip):
    data = bytearray(pack_records(parts))
    if not data:
        return
    data[at % len(data)] ^= flip
    found = list(iterate_records(bytes(data)))
    assert found == parts[: len(found)]


@given(st.integers(1, 40))
def test_a_put_frame_is_what_encoding_the_value_would_give(count):
    messages = [TaskMessage(number, "t", b"body") for number in range(1, count + 1)]
    frame = pack_put([msgspec.msgpack.encode(message) for message in messages])
    assert frame == PUT + msgspec.msgpack.encode(Put(messages))
