"""The KPL's bytes. Rule: what is packed comes out again, here and in another decoder, and sizes are exact."""

from __future__ import annotations

import hashlib

import pytest
from aws_kinesis_agg import deaggregator
from hypothesis import given
from hypothesis import strategies as st

from tailrace_producer.aggregate import (
    HASH_KEY_MAX,
    MAGIC,
    OUTER_KEY,
    Aggregate,
    DamagedAggregateError,
    Packed,
    UserRecord,
    hash_of,
    is_aggregate,
    pack,
    unpack,
)

KEYS = st.one_of(
    st.sampled_from(["u-1", "u-2", "ké", "用户"]), st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
)
HASH_KEYS = st.one_of(st.none(), st.integers(0, HASH_KEY_MAX).map(str), st.sampled_from(["0", "7"]))
DATA = st.one_of(st.binary(max_size=300), st.binary(max_size=20).map(lambda tail: MAGIC + tail))
RECORDS = st.lists(st.builds(UserRecord, KEYS, DATA, HASH_KEYS), min_size=1, max_size=40)


def records_in(packed: Packed) -> list[UserRecord]:
    if not is_aggregate(packed.data):
        return [UserRecord(packed.partition_key, packed.data, packed.explicit_hash_key)]
    return unpack(packed.data)


@given(RECORDS, st.integers(64, 4000))
def test_what_is_packed_comes_out_in_order(records: list[UserRecord], bytes_max: int) -> None:
    packed = list(pack(records, bytes_max))
    assert [record for one in packed for record in records_in(one)] == records
    assert [record for one in packed for record in one.records] == records


@given(RECORDS)
def test_sizes_are_known_before_and_exact(records: list[UserRecord]) -> None:
    aggregate = Aggregate(bytes_max=10**9)
    for record in records:
        expected = aggregate.size_with(record)
        aggregate.add(record)
        assert aggregate.size == expected
    size, count = aggregate.size, len(aggregate)
    packed = aggregate.seal()
    if packed.aggregated:
        assert len(packed.data) == size
    assert count == len(packed.records)
    assert len(aggregate) == 0
    assert aggregate.size == Aggregate().size


@given(RECORDS, st.integers(64, 4000))
def test_no_aggregate_of_several_is_over_the_limit(records: list[UserRecord], bytes_max: int) -> None:
    for packed in pack(records, bytes_max):
        assert len(packed.records) == 1 or len(packed.data) <= bytes_max


@given(RECORDS)
def test_another_decoder_reads_the_same(records: list[UserRecord]) -> None:
    for packed in pack(records):
        if not packed.aggregated:
            continue
        message = packed.data[len(MAGIC) : -16]
        theirs = deaggregator.messages_pb2.AggregatedRecord()
        theirs.ParseFromString(message)
        read = [
            UserRecord(
                theirs.partition_key_table[one.partition_key_index],
                one.data,
                theirs.explicit_hash_key_table[one.explicit_hash_key_index]
                if one.HasField("explicit_hash_key_index")
                else None,
            )
            for one in theirs.records
        ]
        assert read == list(packed.records)
        assert len(set(theirs.partition_key_table)) == len(theirs.partition_key_table)
        assert theirs.SerializeToString() == message


def test_a_single_record_goes_raw_under_its_own_key() -> None:
    (packed,) = pack([UserRecord("u-1", b"{}", "5")])
    assert packed == Packed("u-1", "5", b"{}", (UserRecord("u-1", b"{}", "5"),), aggregated=False)


def test_a_single_record_that_looks_like_an_aggregate_is_wrapped() -> None:
    record = UserRecord("u-1", MAGIC + b"not one")
    (packed,) = pack([record])
    assert packed.aggregated
    assert unpack(packed.data) == [record]


def test_the_outer_record_goes_where_its_first_user_record_goes() -> None:
    first = UserRecord("u-1", b"1")
    (packed,) = pack([first, UserRecord("u-2", b"2")])
    assert packed.partition_key == OUTER_KEY
    assert packed.explicit_hash_key == str(int(hashlib.md5(b"u-1").hexdigest(), 16)) == str(hash_of(first))


def test_equal_keys_are_stored_once() -> None:
    aggregate = Aggregate()
    aggregate.add(UserRecord("a long partition key", b"1"))
    before = aggregate.size
    aggregate.add(UserRecord("a long partition key", b"1"))
    assert aggregate.size - before == 7  # tag, length, index of 2 bytes, data of 3


def test_the_bytes_of_a_known_aggregate() -> None:
    (packed,) = pack([UserRecord("a", b"x"), UserRecord("b", b"y", "7")])
    message = bytes.fromhex("0a01610a01621201371a0508001a01781a07080110001a0179")
    assert packed.data == MAGIC + message + hashlib.md5(message).digest()


def test_too_much_is_refused_not_cut() -> None:
    aggregate = Aggregate(bytes_max=64)
    aggregate.add(UserRecord("a", b"x" * 100))
    with pytest.raises(ValueError, match=r"145 bytes with this record, 64 allowed"):
        aggregate.add(UserRecord("a", b"x" * 10))
    with pytest.raises(ValueError, match="aggregate of nothing"):
        Aggregate().seal()


def framed(message: bytes) -> bytes:
    return MAGIC + message + hashlib.md5(message).digest()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with nothing"),
        (b'{"a":1}', "begins with 7b226122, not with the magic f3899ac2"),
        (MAGIC + b"short", "9 bytes, too short"),
        (framed(b"\x0a\x01a")[:-1] + b"\x00", "its MD5 says .*, that of its 3 bytes is"),
        (framed(b"\x0a\x05a"), "message: field 1 at byte 0 wants 5 bytes, 1 are left"),
        (framed(b"\x0a\x01\xff"), "the key at byte 0 of the message is not UTF-8"),
        (framed(b"\x0b"), "message: wire type 3 at byte 0"),
        (framed(b"\x08\x01"), "field 1 at byte 0 of the message is a number"),
        (framed(b"\x02\x01a"), "message: field number 0 at byte 0"),
        (framed(b"\x80"), "message: cut short in a number at byte 0"),
        (framed(b"\xff" * 11), "a number of more than 10 bytes at byte 0"),
        (framed(b"\x1a\x02\x08\x00"), "user record 0 has no data"),
        (framed(b"\x1a\x03\x1a\x01x"), "user record 0 has no partition key index"),
        (framed(b"\x1a\x05\x08\x03\x1a\x01x"), "user record 0: partition key 3 of a table of 0"),
        (framed(b"\x0a\x01a\x1a\x07\x08\x00\x10\x02\x1a\x01x"), "user record 0: explicit hash key 2 of a table of 0"),
        (framed(b"\x0a\x01a\x1a\x04\x08\x00\x18\x01"), "user record 0: field 3 at byte 2 has the wrong wire type"),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    with pytest.raises(DamagedAggregateError, match=message):
        unpack(data)


def test_tags_and_later_fields_are_skipped() -> None:
    tagged = b"\x08\x00\x1a\x01x" + b"\x22\x03\x0a\x01t" + b"\x29" + b"8bytes!!" + b"\x35" + b"4byt"
    message = b"\x0a\x01a\x1a" + bytes([len(tagged)]) + tagged + b"\x28\x01"
    assert unpack(framed(message)) == [UserRecord("a", b"x")]


@given(RECORDS, st.data())
def test_any_changed_byte_is_noticed(records: list[UserRecord], data: st.DataObject) -> None:
    aggregate = Aggregate()
    for record in [*records, UserRecord("one more", b"")]:
        aggregate.add(record)
    whole = aggregate.seal().data
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(DamagedAggregateError):
        unpack(changed)
