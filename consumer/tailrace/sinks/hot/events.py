"""Events as items. Rule: an event is put under its row id, so that to put it twice is to put it once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from tailrace.sinks.hot import keys
from tailrace.sinks.hot.gather import Gathered
from tailrace.sinks.hot.options import Options, fits
from tailrace.sinks.hot.values import Item, Value, json_text, size

ITEM_BYTES_MAX: Final = 400 * 1024
_SLICE: Final = 1000  # rows that are Python objects at once
_MILLION: Final = 1_000_000


def items(rows: Gathered, options: Options) -> Iterator[Item]:
    """Yield an item an event, of those types that have one. One that is too large has no body, but says its size."""
    meant, start = fits(options.events), 0
    for batch in rows.batches:
        slim = batch.select([name for name in batch.schema.names if batch.column(name).null_count < batch.num_rows])
        for first in range(0, batch.num_rows, _SLICE):
            yield from _items(slim.slice(first, _SLICE), rows, start + first, options, meant)
        start += batch.num_rows


def _items(part: pa.RecordBatch, rows: Gathered, start: int, options: Options, meant: object) -> Iterator[Item]:
    assert callable(meant)
    times = rows.iso.slice(start, part.num_rows).to_pylist()
    received = rows.received.slice(start, part.num_rows).to_pylist()
    for row, time, arrived_us in zip(part.to_pylist(), times, received, strict=True):
        if not meant(row["event_type"]):
            continue
        tenant, row_id = row["tenant"], row["row_id"]
        shard = keys.spread(row_id, options.write_shards)
        user = row.get("user_id")
        body = json_text({name: value for name, value in row.items() if value is not None}).decode()
        item: dict[str, Value] = {
            keys.PK: keys.user_pk(tenant, user) if user else keys.nobody_pk(tenant, shard),
            keys.SK: keys.event_sk(time, row_id),
            keys.GSI_PK: keys.type_pk(tenant, row["event_type"], shard),
            keys.GSI_SK: f"{time}#{row_id}",
            keys.TTL: arrived_us // _MILLION + options.ttl_s,
            "event_type": row["event_type"],
            "body": body,
        }
        if len(body) * 4 > ITEM_BYTES_MAX and (too_large := size(item)) > ITEM_BYTES_MAX:
            item = {name: value for name, value in item.items() if name != "body"} | {"oversize": too_large}
        yield item
