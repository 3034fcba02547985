"""The account. Rule: whatever is not exactly once where it belongs is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local.flaws import BY_NAME
from local.readback import Account, Lake
from local.roundtrip import BROKEN
from local.send import Sent
from local.traffic import Made

GOOD = Made(b"{}", "click", "acme", "e-1", None)
CUT = Made(b"{", "click", "acme", "e-2", BY_NAME["cut short"])
SENT = [Sent(GOOD, "s", "7/0/0"), Sent(CUT, "s", "7/1/0")]
BACK = Sent(Made(b"{}", "purchase", "acme", "e-3", BROKEN), "s", "8/0/3")
LEFT = ("s", "8/0/3", "schema")
STORED = [("s", "7/0/0")]
REJECTED = [("s", "7/1/0", "parse")]


def test_each_once_in_its_place_holds() -> None:
    account = Account.of(SENT, STORED, REJECTED)
    assert account.holds
    assert (account.sent, account.stored, account.rejected) == (2, 1, 1)


def test_the_mended_are_in_the_lake_again_once_each() -> None:
    account = Account.of([*SENT, BACK], STORED, [*REJECTED, LEFT], [("s", "0008/0/3", "e-3")])
    assert account.holds
    assert (account.sent, account.stored, account.rejected, account.mended) == (3, 1, 2, 1)


@pytest.mark.parametrize(
    ("mended", "finding"),
    [
        ([], "mended, but not stored"),
        ([("s", "8/0/3", "e-3")] * 2, "mended, but stored more than once"),
        ([("s", "8/0/3", "other")], "mended, but stored under another event_id"),
        ([("s", "8/0/3", "e-3"), ("s", "7/1/0", "e-2")], "stored as mended, but never mended"),
        ([("s", "8/0/3", "e-3"), (None, None, "e-9")], "stored as mended, but never sent"),
    ],
)
def test_what_is_wrong_with_the_mended_is_named(mended: list[tuple[str, str, str]], finding: str) -> None:
    account = Account.of([*SENT, BACK], STORED, [*REJECTED, LEFT], mended)
    assert dict(account.findings) == {finding: 1}


def test_leading_zeros_do_not_matter() -> None:
    assert Account.of(SENT, [("s", "0007/0/0")], REJECTED).holds


@pytest.mark.parametrize(
    ("stored", "rejected", "finding"),
    [
        ([], REJECTED, "sent and found nowhere"),
        (STORED * 2, REJECTED, "found more than once"),
        (STORED, [*REJECTED, ("s", "7/0/0", "schema")], "found more than once"),
        ([], [*REJECTED, ("s", "7/0/0", "schema")], "good, but rejected"),
        ([*STORED, ("s", "7/1/0")], [], "broken, but stored"),
        (STORED, [("s", "7/1/0", "schema")], "rejected at schema, expected parse"),
        ([*STORED, ("t", "7/0/0")], REJECTED, "found, but never sent"),
    ],
)
def test_what_is_wrong_is_named(
    stored: list[tuple[str, str]], rejected: list[tuple[str, str, str]], finding: str
) -> None:
    account = Account.of(SENT, stored, rejected)
    assert not account.holds
    assert dict(account.findings) == {finding: 1}
    assert len(account.examples[finding]) == 1


def test_the_example_of_a_reason_is_one_of_the_commonest_path(tmp_path: Path) -> None:
    paths = ["$.session_id", "$.path", "$.path", "$.a"]
    rows = [
        {"row_id": f"r{at}", "shard": "s", "position": f"{at}/0/0", "stage": "schema", "keyword": "required",
         "path": path, "message": f"no {path}", "raw": path.encode()}
        for at, path in enumerate(paths)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    (reason,) = Lake({"quarantine": [str(tmp_path / "r.parquet")]}, 0).reasons(8)
    assert reason == ("schema", "required", "$.path", "no $.path", 4, b"$.path")
