"""Files that are bad in one way each: a stated outcome, and the next file is brought in all the same."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from support.faked_drops import World, record
from support.memory_ports import MemoryLedger
from tailrace.commit.committed import shards_of
from tailrace.drops.items import DONE, GONE, PROCESSING, REFUSED
from tailrace.edition import load as load_edition
from tailrace.filing import Filing
from tailrace.ops.clock import SystemClock
from tailrace.settings_load import load
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.rejects import Rejects, Wanted

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}, "t": {"type": "string"}}}
MAX = 1000
GOOD = b"n,t\n1,a\n"


class Bucket:
    """Objects by key; an error where one is kept."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes | Exception] = {}

    def get_object(self, **asked: Any) -> dict[str, Any]:
        found = self.objects[asked["Key"]]
        if isinstance(found, Exception):
            raise found
        return {"Body": io.BytesIO(found)}


class Bad(World):
    """The work over a folder as a lake."""

    def __init__(self, folder: Path) -> None:
        (folder / "schemas" / "row").mkdir(parents=True)
        (folder / "schemas" / "row" / "1.json").write_text(json.dumps(SCHEMA))
        self.settings = load(
            None,
            {
                "TAILRACE_LAKE_URI": str(folder / "lake"),
                "TAILRACE_SCHEMAS_PATH": str(folder / "schemas"),
                "TAILRACE_CSV_EVENT_TYPES": "*=row",
                "TAILRACE_CSV_REQUIRED": "n",
                "TAILRACE_LIMITS_EVENT_BYTES_MAX": str(MAX),
            },
        )
        self.place = DirectoryPlace(folder / "lake")
        store = MemoryLedger()
        filing = Filing(
            self.settings,
            load_edition(self.settings),
            stream="drops",
            epoch="e",
            store=store,
            place=self.place,
            clock=SystemClock(),
            claims=None,
            say=Mock(),
        )
        self.bucket = Bucket()
        super().__init__(self.bucket, ledger=store, filing=filing)

    def drop(self, key: str, data: bytes | Exception) -> dict[str, Any]:
        """Bring a file in, and a good one after it; return its item."""
        for name, held in ((key, data), ("good.csv", GOOD)):
            self.bucket.objects[name] = held
            size = 9 if isinstance(held, Exception) else len(held)
            self.queue.say(record(name, size))
            assert self.work.step()
        items = {item["key"]: item for item in self.items()}
        assert (items["good.csv"]["status"], items["good.csv"]["stored"]) == (DONE, 1)
        return items[key]

    def reasons(self) -> list[str]:
        """Return the first reason of each reject, in the files' order."""
        found = Rejects(self.place, Wanted()).run(shards_of(self.ledger, "e", "drops"))
        return [f"{one.reasons[0].stage}/{one.reasons[0].keyword}: {one.reasons[0].message}" for one in found]


def no(code: str, status: int) -> ClientError:
    about: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(about, "GetObject")


@pytest.fixture
def bad(tmp_path: Path) -> Bad:
    return Bad(tmp_path)


@pytest.mark.parametrize(
    ("data", "stored", "reasons"),
    [
        (b'n,t\n1,"a\n2,b\n', 1, ["decode/csv: found a quoted cell that does not end before the file does"]),
        (b'n,t\n1,"a"b\n2,b\n', 1, ["decode/csv: found text after a closing quote, expected the end of the cell"]),
        (b'n,t\n1,a"b\n2,b\n', 1, ["decode/csv: found a quote inside a cell that does not begin with one"]),
        (b"\xef\xbb\xbfn,t\n1,a\n", 1, []),
        (b"n,t\r\n1,a\r\n", 1, []),
        (b"n,t\n1\n1,2,3\n1,a\n", 1, ["decode/cells: found 1 cells", "decode/cells: found 3 cells, expected 2"]),
        (b"n,t\n1,\xff\n2,b\n", 1, ['decode/encoding: found bytes in the column "t" that are not utf-8']),
        (b"n,t\n,a\n2,b\n", 1, ['contract/required: found nothing in the column "n"']),
        (b"n,t\n1," + b"x" * MAX + b"\n2,b\n", 1, [f"decode/size: found a line of {MAX + 2} bytes, expected at most"]),
        (b"n,t\n1,a\0b\n", 1, []),
        (b"", 0, []),
        (b"n,t\n", 0, []),
        (b"\n\n", 0, []),
    ],
    ids=[
        "a quote that does not end", "text after a quote", "a quote in a cell", "a byte order mark", "CRLF",
        "other numbers of cells", "another encoding", "nothing in a required column", "a long line", "NUL in a cell",
        "an empty file", "a header alone", "empty lines",
    ],
)  # fmt: skip
def test_bad_rows_cost_themselves(bad: Bad, data: bytes, stored: int, reasons: list[str]) -> None:
    item = bad.drop("bad.csv", data)
    assert (item["status"], item["why"]) == (DONE, "")
    assert (item["stored"], item["rejected"]) == (stored, len(reasons))
    found = bad.reasons()
    assert len(found) == len(reasons)
    assert all(one.startswith(said) for one, said in zip(sorted(found), sorted(reasons), strict=True)), found


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"m,t\n1,a\n", 'it lacks the required column "n"; found "m", "t"'),
        (b"n,n\n1,a\n", 'its header names "n" twice'),
        (b"n,t\r1,a\r", "its header has a carriage return in it: expected lines that end with a line feed"),
        ("n,t\n1,a\n".encode("utf-16"), "it is UTF-16: expected it as UTF-8"),
        ("n,t\n1,a\n".encode("utf-16-le"), "its header has a NUL byte in it, as UTF-16 has: expected it as utf-8"),
        (b'"n,t\n1,a\n', "its header cannot be read: found a quoted cell that does not end"),
        (b"n,\xff\n1,a\n", "its header is not utf-8"),
        (b"x" * 5000 + b"\n", "its header cannot be read: found a line of 5000 bytes"),
    ],
    ids=["a column lacks", "a name twice", "CR alone", "UTF-16", "UTF-16 without a mark", "quote", "encoding", "long"],
)
def test_a_file_that_is_no_such_table_is_refused_whole(bad: Bad, data: bytes, why: str) -> None:
    item = bad.drop("bad.csv", data)
    assert item["status"] == REFUSED
    assert item["why"].startswith(f"s3://b/bad.csv: {why}")
    assert (item["received"], len(bad.queue.did)) == (0, 2)


@pytest.mark.parametrize(
    ("error", "status", "why", "deleted"),
    [
        (no("NoSuchKey", 404), GONE, "read s3://b/bad.csv: there is no such object", 2),
        (no("PreconditionFailed", 412), GONE, "read s3://b/bad.csv: found another object there", 2),
        (no("AccessDenied", 403), PROCESSING, "read s3://b/bad.csv: AccessDenied: no", 1),
        (no("SlowDown", 503), PROCESSING, "read s3://b/bad.csv: SlowDown: no", 1),
    ],
    ids=["deleted", "replaced", "denied", "never read"],
)
def test_an_object_that_cannot_be_had_has_a_reason(
    bad: Bad, error: Exception, status: str, why: str, deleted: int
) -> None:
    item = bad.drop("bad.csv", error)
    assert item["status"] == status
    assert item["why"].startswith(why)
    assert len(bad.queue.did) == deleted


def cut(packed: bytes) -> bytes:
    return packed[: len(packed) * 2 // 3]


def flipped(packed: bytes) -> bytes:
    return packed[:-6] + bytes(6)


@pytest.mark.parametrize(
    ("damage", "why", "least"),
    [(cut, "ended before", 1), (flipped, "CRC check failed", 3000), (lambda packed: b"no gzip", "Not a gzipped", 0)],
    ids=["cut", "another checksum", "no gzip"],
)
def test_of_a_damaged_gzip_all_before_the_damage_is_stored(
    bad: Bad, damage: Callable[[bytes], bytes], why: str, least: int
) -> None:
    packed = gzip.compress(b"n,t\n" + b"".join(b"%d,%d\n" % (n, n * 7919 % 10007) for n in range(3000)), mtime=0)
    item = bad.drop("bad.csv.gz", damage(packed))
    assert item["status"] == REFUSED
    assert why in item["why"]
    assert least <= item["stored"] <= 3000
    assert item["rejected"] == 0 or damage is cut  # the row at which it was cut


def test_a_gzip_that_is_a_thousand_times_larger_unpacked_is_one_reject(bad: Bad) -> None:
    packed = gzip.compress(b"n,t\n1,a\n" + bytes(64 << 20) + b"\n2,b\n", mtime=0)
    assert len(packed) < 100_000
    item = bad.drop("bad.csv.gz", packed)
    assert (item["status"], item["stored"], item["rejected"]) == (DONE, 2, 1)
    assert bad.reasons()[0].startswith(f"decode/size: found a line of {64 << 20} bytes")
