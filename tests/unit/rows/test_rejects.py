"""Rejects as rows."""

from __future__ import annotations

import json

from support.pipelines import IDENTITY
from tailrace.nouns import Identity, Reason, Rejected
from tailrace.rows.rejects import QUARANTINE, quarantine_rows, row_ids


def test_a_reject_keeps_bytes_place_and_all_reasons() -> None:
    reasons = (Reason("schema", "type", "$.x", "found a"), Reason("schema", "required", "$", "found b"))
    whole = Rejected(reasons, "123", 4, 5, 1_760_000_000_001, b"\x00\xff", "click", "click/1-0-0", "t", "e")
    bare = Rejected(reasons[1:], "124", 0, 0, 0, b"")
    rows = quarantine_rows([whole, bare], IDENTITY)
    assert rows.table is QUARANTINE
    assert rows.batch.schema == QUARANTINE.schema
    first, second = rows.batch.to_pylist()
    assert json.loads(first["reasons"]) == [reason._asdict() for reason in reasons]
    assert [first[name] for name in ("stage", "keyword", "path", "message")] == list(reasons[0])
    assert (first["raw"], first["position"], first["shard"]) == (b"\x00\xff", "123/4/5", IDENTITY.shard)
    assert first["received_at"].timestamp() == 1_760_000_000.001
    assert (first["event_type"], first["schema"], first["tenant"], first["event_id"]) == (
        "click",
        "click/1-0-0",
        "t",
        "e",
    )
    assert (second["event_type"], second["raw"], second["keyword"]) == (None, b"", "required")


def test_no_rejects_are_no_rows() -> None:
    assert quarantine_rows([], IDENTITY).batch.num_rows == 0


def test_a_row_id_names_one_place_in_the_world() -> None:
    identities = [
        IDENTITY,
        IDENTITY._replace(stream="other"),
        IDENTITY._replace(epoch="other"),
        IDENTITY._replace(shard="other"),
        Identity("a,b", "c", "d"),
        Identity("a", "b,c", "d"),
        Identity('a","b', "c", "d"),
    ]
    ids = [one for identity in identities for one in row_ids(identity, ["1/0/0", "1/0/1", "1/1/0", "11/0/0"])]
    assert len(set(ids)) == len(ids)
    assert {len(one) for one in ids} == {32}
    assert row_ids(IDENTITY, ["1/0/0"]) == row_ids(IDENTITY, ["1/0/0"])
