"""Rejects as rows. Rule: whatever was refused is here with its bytes, its place and every reason."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec
import pyarrow as pa

from tailrace.nouns import Identity, Rejected, Rows
from tailrace.schema.book import QUARANTINE as TABLE
from tailrace.schema.book import TIME

QUARANTINE: Final = TABLE
ROW_ID_BYTES: Final = 16


def row_ids(identity: Identity, positions: Sequence[str]) -> list[str]:
    """Return the 128-bit hash of (stream, epoch, shard, position) of each position, in hex."""
    start = blake2b(msgspec.json.encode(identity), digest_size=ROW_ID_BYTES).copy
    out = []
    for position in positions:
        digest = start()
        digest.update(position.encode())
        out.append(digest.hexdigest())
    return out


def quarantine_rows(rejected: Sequence[Rejected], identity: Identity) -> Rows:
    """Return rejects as rows of the quarantine table."""
    positions = [f"{one.sequence}/{one.sub}/{one.index}" for one in rejected]
    firsts = [one.reasons[0] for one in rejected]
    columns = {
        "row_id": row_ids(identity, positions),
        "received_at": [one.arrival_ms * 1000 for one in rejected],
        "stage": [first.stage for first in firsts],
        "keyword": [first.keyword for first in firsts],
        "path": [first.path for first in firsts],
        "message": [first.message for first in firsts],
        "reasons": [msgspec.json.encode([reason._asdict() for reason in one.reasons]).decode() for one in rejected],
        "event_type": [one.event_type for one in rejected],
        "schema": [one.schema for one in rejected],
        "tenant": [one.tenant for one in rejected],
        "event_id": [one.event_id for one in rejected],
        "shard": [identity.shard] * len(rejected),
        "position": positions,
        "redrive_of": [one.redrive_of for one in rejected],
        "raw": [one.raw for one in rejected],
    }
    arrays = [
        pa.array(columns[field.name], pa.int64()).cast(TIME)
        if field.type == TIME
        else pa.array(columns[field.name], field.type)
        for field in QUARANTINE.schema
    ]
    return Rows(QUARANTINE, pa.RecordBatch.from_arrays(arrays, schema=QUARANTINE.schema))
