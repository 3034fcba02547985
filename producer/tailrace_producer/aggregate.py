"""The bytes of a KPL aggregate. Rule: pure, and a size is known before a record is added, never after.

Layout: magic `F3 89 9A C2`, then a proto2 message, then the MD5 of that message:

    message AggregatedRecord {
      repeated string partition_key_table = 1;
      repeated string explicit_hash_key_table = 2;
      repeated Record records = 3;
    }
    message Record {
      required uint64 partition_key_index = 1;
      optional uint64 explicit_hash_key_index = 2;
      required bytes data = 3;
      repeated Tag tags = 4;                          // not written here, skipped when read
    }

Every user record of one aggregate must belong to the same shard: KCL drops the whole aggregate, without a word,
when one of them lies outside its shard's hash range. `shard_map` predicts the shard, `put` checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST_BYTES = 16  # MD5
FRAME_BYTES = len(MAGIC) + DIGEST_BYTES
AGGREGATE_BYTES_MAX = 51_200  # the KPL's AggregationMaxSize
OUTER_KEY = "a"  # the KPL's partition key of an aggregate; the explicit hash key decides the shard
HASH_KEY_MAX = 2**128 - 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf wire types
_TAG_KEY, _TAG_HASH, _TAG_RECORD = b"\x0a", b"\x12", b"\x1a"  # fields 1, 2, 3 of AggregatedRecord
_TAG_KEY_INDEX, _TAG_HASH_INDEX, _TAG_DATA = b"\x08", b"\x10", b"\x1a"  # fields 1, 2, 3 of Record
_VARINT_BYTES_MAX = 10


class UserRecord(NamedTuple):
    """One record as the sender has it, before it is packed with others."""

    partition_key: str
    data: bytes
    explicit_hash_key: str | None = None  # decimal text, 0 to 2^128 - 1; decides the shard in place of the key


class Packed(NamedTuple):
    """One Kinesis record to put, and the user records in it, in order of their sub-sequence numbers."""

    partition_key: str
    explicit_hash_key: str | None
    data: bytes
    records: tuple[UserRecord, ...]
    aggregated: bool

    @property
    def size(self) -> int:
        """Return what PutRecords counts: data and partition key, in bytes."""
        return len(self.data) + len(self.partition_key.encode())


class DamagedAggregateError(ValueError):
    """The bytes begin as an aggregate does, and then are none. The message says where and why."""


def hash_of(record: UserRecord) -> int:
    """Return the 128-bit hash that decides the record's shard."""
    if record.explicit_hash_key is not None:
        return int(record.explicit_hash_key)
    # Kinesis itself places keys by MD5; nothing here is secret.
    return int.from_bytes(hashlib.md5(record.partition_key.encode(), usedforsecurity=False).digest(), "big")


class Aggregate:
    """User records of one shard, on their way into one Kinesis record of at most `bytes_max` bytes."""

    def __init__(self, bytes_max: int = AGGREGATE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._keys: dict[str, int] = {}
        self._hash_keys: dict[str, int] = {}
        self._records: list[UserRecord] = []
        self._size = FRAME_BYTES

    def __len__(self) -> int:
        return len(self._records)

    @property
    def size(self) -> int:
        """Return the exact length of the aggregate as it stands, frame included."""
        return self._size

    def size_with(self, record: UserRecord) -> int:
        """Return the exact length the aggregate would have with the record in it."""
        return self._size + self._cost(record)

    def fits(self, record: UserRecord) -> bool:
        """Say whether the record may be added. The first always may: alone it is sent raw, with no frame."""
        return not self._records or self.size_with(record) <= self._bytes_max

    def add(self, record: UserRecord) -> None:
        """Take the record in. ValueError when it does not fit: `fits` says so before."""
        cost = self._cost(record)
        if self._records and self._size + cost > self._bytes_max:
            raise ValueError(f"{self._size + cost} bytes with this record, {self._bytes_max} allowed")
        self._size += cost
        self._keys.setdefault(record.partition_key, len(self._keys))
        if record.explicit_hash_key is not None:
            self._hash_keys.setdefault(record.explicit_hash_key, len(self._hash_keys))
        self._records.append(record)

    def seal(self) -> Packed:
        """Return what to put, and start anew. A single user record goes raw, as it would without the KPL.

        The one exception: a raw record that itself begins with the magic would be taken for an aggregate by its
        reader, so it is wrapped.
        """
        if not self._records:
            raise ValueError("an aggregate of nothing")
        records = tuple(self._records)
        first = records[0]
        if len(records) == 1 and not is_aggregate(first.data):
            packed = Packed(first.partition_key, first.explicit_hash_key, first.data, records, aggregated=False)
        else:
            packed = Packed(OUTER_KEY, str(hash_of(first)), self._encode(), records, aggregated=True)
        self._keys, self._hash_keys, self._records, self._size = {}, {}, [], FRAME_BYTES
        return packed

    def _cost(self, record: UserRecord) -> int:
        key, hash_key = record.partition_key, record.explicit_hash_key
        cost = 0
        key_index = self._keys.get(key)
        if key_index is None:
            key_index = len(self._keys)
            cost += _field_size(len(key.encode()))
        body = 1 + _varint_size(key_index) + _field_size(len(record.data))
        if hash_key is not None:
            hash_index = self._hash_keys.get(hash_key)
            if hash_index is None:
                hash_index = len(self._hash_keys)
                cost += _field_size(len(hash_key.encode()))
            body += 1 + _varint_size(hash_index)
        return cost + _field_size(body)

    def _encode(self) -> bytes:
        out = bytearray(MAGIC)
        for key in self._keys:
            _put_field(out, _TAG_KEY, key.encode())
        for key in self._hash_keys:
            _put_field(out, _TAG_HASH, key.encode())
        for record in self._records:
            body = bytearray(_TAG_KEY_INDEX + _varint(self._keys[record.partition_key]))
            if record.explicit_hash_key is not None:
                body += _TAG_HASH_INDEX + _varint(self._hash_keys[record.explicit_hash_key])
            _put_field(body, _TAG_DATA, record.data)
            _put_field(out, _TAG_RECORD, bytes(body))
        out += hashlib.md5(memoryview(out)[len(MAGIC) :], usedforsecurity=False).digest()
        return bytes(out)


def pack(records: Sequence[UserRecord], bytes_max: int = AGGREGATE_BYTES_MAX) -> Iterator[Packed]:
    """Yield the records packed in order, each aggregate as full as the limit allows. All must share a shard."""
    aggregate = Aggregate(bytes_max)
    for record in records:
        if not aggregate.fits(record):
            yield aggregate.seal()
        aggregate.add(record)
    if aggregate:
        yield aggregate.seal()


def is_aggregate(data: bytes) -> bool:
    """Say whether the bytes begin as an aggregate does. Whether they are one, `unpack` finds out."""
    return data.startswith(MAGIC)


def unpack(data: bytes) -> list[UserRecord]:
    """Return the user records of an aggregate. DamagedAggregateError when the bytes are not a whole one."""
    if not is_aggregate(data):
        begin = data[: len(MAGIC)].hex() or "nothing"
        raise DamagedAggregateError(f"begins with {begin}, not with the magic {MAGIC.hex()}")
    if len(data) < FRAME_BYTES:
        raise DamagedAggregateError(f"{len(data)} bytes, too short for the magic and an MD5 ({FRAME_BYTES})")
    message, digest = data[len(MAGIC) : -DIGEST_BYTES], data[-DIGEST_BYTES:]
    found = hashlib.md5(message, usedforsecurity=False).digest()
    if found != digest:
        raise DamagedAggregateError(f"its MD5 says {digest.hex()}, that of its {len(message)} bytes is {found.hex()}")
    keys: list[str] = []
    hash_keys: list[str] = []
    bodies: list[bytes] = []
    for number, value, at in _fields(message, "message"):
        if number > 3:  # a field of a later version
            continue
        if not isinstance(value, bytes):
            raise DamagedAggregateError(f"field {number} at byte {at} of the message is a number, not bytes")
        if number == 3:
            bodies.append(value)
        else:
            (keys if number == 1 else hash_keys).append(_text(value, at))
    return [_user_record(body, at, keys, hash_keys) for at, body in enumerate(bodies)]


def _user_record(body: bytes, index: int, keys: Sequence[str], hash_keys: Sequence[str]) -> UserRecord:
    where = f"user record {index}"
    found: dict[int, int | bytes] = {}
    for number, value, at in _fields(body, where):
        if number <= 3 and isinstance(value, bytes) != (number == 3):
            raise DamagedAggregateError(f"{where}: field {number} at byte {at} has the wrong wire type")
        found[number] = value
    for number, name in ((1, "partition key index"), (3, "data")):
        if number not in found:
            raise DamagedAggregateError(f"{where} has no {name}")
    data = found[3]
    assert isinstance(data, bytes)
    key = _look_up(keys, found[1], f"{where}: partition key")
    hash_key = _look_up(hash_keys, found[2], f"{where}: explicit hash key") if 2 in found else None
    return UserRecord(key, data, hash_key)


def _look_up(table: Sequence[str], index: int | bytes, what: str) -> str:
    assert isinstance(index, int)
    if index >= len(table):
        raise DamagedAggregateError(f"{what} {index} of a table of {len(table)}")
    return table[index]


def _text(value: bytes, at: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise DamagedAggregateError(f"the key at byte {at} of the message is not UTF-8: {error.reason}") from None


def _fields(message: bytes, what: str) -> Iterator[tuple[int, int | bytes, int]]:
    """Yield (field number, number or bytes, offset) of each field. Fixed-width fields come as bytes."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at, what)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise DamagedAggregateError(f"{what}: field number 0 at byte {start}")
        if wire == _VARINT:
            value, at = _read_varint(message, at, what)
            yield number, value, start
            continue
        if wire == _BYTES:
            length, at = _read_varint(message, at, what)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise DamagedAggregateError(f"{what}: wire type {wire} at byte {start}")
        left = len(message) - at
        if length > left:
            raise DamagedAggregateError(f"{what}: field {number} at byte {start} wants {length} bytes, {left} are left")
        yield number, message[at : at + length], start
        at += length


def _read_varint(message: bytes, at: int, what: str) -> tuple[int, int]:
    value = 0
    for count in range(_VARINT_BYTES_MAX):
        if at + count >= len(message):
            raise DamagedAggregateError(f"{what}: cut short in a number at byte {at}")
        byte = message[at + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    raise DamagedAggregateError(f"{what}: a number of more than {_VARINT_BYTES_MAX} bytes at byte {at}")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_size(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)


def _field_size(length: int) -> int:
    """Return the bytes of a length-delimited field: a tag of one byte, the length, the content."""
    return 1 + _varint_size(length) + length


def _put_field(out: bytearray, tag: bytes, content: bytes) -> None:
    out += tag
    out += _varint(len(content))
    out += content
