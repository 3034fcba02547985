"""Row groups on their way into one Avro object container file. Rule: the same rows give the same bytes, the marker too.

Blocks are encoded as they come and wait in the spool. The header is written last, for epoch, chain and generation stand
in it: so no two owners of a plan write the same bytes. Compressed by snappy or deflate, or not at all.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final

import pyarrow as pa

from tailrace.nouns import Table
from tailrace.sinks.lake.avro_encode import datums, long
from tailrace.sinks.lake.avro_schema import avro_schema
from tailrace.sinks.lake.formats import Format
from tailrace.sinks.lake.spool import Budget, Headed, Spool

MAGIC: Final = b"Obj\x01"
SYNC_BYTES: Final = 16
META_PREFIX: Final = "tailrace."
SCHEMA, CODEC = "avro.schema", "avro.codec"
CODECS: Final = {"snappy": "snappy", "deflate": "deflate", "none": "null"}  # the settings' name -> Avro's
ENCODED_AT_ONCE: Final = 16_384  # rows; more would not fit in the processor's caches
BLOCK_BYTES: Final = 1024 * 1024  # before compression, about
SAMPLE_BYTES: Final = 4096
_SNAPPY: Final = pa.Codec("snappy")


class AvroFile:
    """One object in the making."""

    def __init__(self, folder: str, table: Table, form: Format, budget: Budget) -> None:
        self._folder = folder
        self._table = table
        self._codec = CODECS[form.avro_codec]
        self._compress = COMPRESS[self._codec]
        self._spool = Spool(budget, hashed=False)
        self._sync = b""

    @property
    def rows(self) -> int:
        return self._spool.rows

    def write(self, rows: pa.Table, *, last: bool = False) -> None:
        """Encode one row group: some blocks."""
        for batch in rows.combine_chunks().to_batches(max_chunksize=ENCODED_AT_ONCE):
            self._blocks(datums(batch))
        self._spool.rows += rows.num_rows

    def _blocks(self, encoded: pa.Array) -> None:
        count = len(encoded)
        _, starts, data = encoded.buffers()
        bounds = pa.Array.from_buffers(pa.int32(), count + 1, [None, starts], offset=encoded.offset)
        first, last = bounds[0].as_py(), bounds[-1].as_py()
        if not self._sync:
            self._sync = _sync(self._folder, data.slice(first, min(last - first, SAMPLE_BYTES)).to_pybytes())
        step = max(1, count * BLOCK_BYTES // (last - first))
        for start in range(0, count, step):
            end = min(start + step, count)
            at = bounds[start].as_py()
            body = self._compress(data.slice(at, bounds[end].as_py() - at))
            for part in (long(end - start) + long(len(body)), body, self._sync):
                self._spool.write(part)

    def close(self, meta: Mapping[str, str]) -> Headed:
        """Make the header with the metadata; return the finished body."""
        schema = avro_schema(self._table.name, self._table.schema)
        said = {SCHEMA: json.dumps(schema, separators=(",", ":")), CODEC: self._codec}
        said |= {META_PREFIX + key: value for key, value in meta.items()}
        return Headed(_header(said, self._sync or _sync(self._folder, b"")), self._spool)

    def drop(self) -> None:
        """Forget everything."""
        self._spool.close()


def _sync(folder: str, sample: bytes) -> bytes:
    """Return what stands between blocks. The sample holds row ids, or the epoch: no client knows the marker."""
    return blake2b(f"{folder}\n".encode() + sample, digest_size=SYNC_BYTES).digest()


def _header(meta: Mapping[str, str], sync: bytes) -> bytes:
    out = [MAGIC, long(len(meta))]
    for key, value in meta.items():
        for text in (key.encode(), value.encode()):
            out += (long(len(text)), text)
    return b"".join((*out, long(0), sync))


def _snappy(block: pa.Buffer) -> bytes:
    packed: bytes = _SNAPPY.compress(block, asbytes=True)
    return packed + zlib.crc32(block).to_bytes(4, "big")


def _deflate(block: pa.Buffer) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(block) + packer.flush()


COMPRESS: Final[Mapping[str, Callable[[pa.Buffer], bytes]]] = {
    "snappy": _snappy,
    "deflate": _deflate,
    "null": pa.Buffer.to_pybytes,
}
