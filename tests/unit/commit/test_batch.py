"""Batches: when they are due, and where records are split."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.commit.batch import Batch, FlushLimits, part_of, parts
from tailrace.commit.plan import Counts, PositionsDigest
from tailrace.nouns import START, Outcome, Record, mark

LIMITS = FlushLimits(rows=10, bytes=100, age_ms=1_000, objects=5)


def record(sequence: int, sub: int = 0, data: bytes = b"xx") -> Record:
    return Record(data, str(sequence), sub, 0)


def outcome(received: int, stored: int, rejected: int = 0, filtered: int = 0) -> Outcome:
    return Outcome([], received, stored, rejected, filtered, Counter(), Counter())


def filled(rows: int = 1, bytes_: int = 1, at_ms: int = 0) -> Batch:
    batch = Batch(START)
    batch.add(part_of([record(1, data=b"x" * bytes_)]), outcome(rows, rows), at_ms)
    return batch


def test_an_empty_batch_is_never_due() -> None:
    assert Batch("w").due(10**12, 10**6, LIMITS) == ""
    assert not Batch("w")


@pytest.mark.parametrize(
    ("batch", "now_ms", "objects", "why"),
    [
        (filled(), 999, 4, ""),
        (filled(rows=9, bytes_=99), 999, 4, ""),
        (filled(rows=10), 0, 0, "rows"),
        (filled(bytes_=100), 0, 0, "bytes"),
        (filled(), 0, 5, "objects"),
        (filled(), 1_000, 0, "age"),
        (filled(at_ms=500), 1_499, 0, ""),
        (filled(rows=10, bytes_=100), 1_000, 5, "rows"),
    ],
)
def test_a_batch_is_due_at_its_first_limit(batch: Batch, now_ms: int, objects: int, why: str) -> None:
    assert batch.due(now_ms, objects, LIMITS) == why


def test_rejects_count_as_rows_and_filtered_events_do_not() -> None:
    batch = Batch(START)
    batch.add(part_of([record(1)]), outcome(20, 4, 5, 11), 0)
    assert batch.rows == 9
    assert batch.counts == Counts(20, 4, 5, 11)


def test_age_counts_from_the_first_record() -> None:
    batch = filled(at_ms=100)
    batch.add(part_of([record(2)]), outcome(1, 1), 1_050)
    assert batch.due(1_100, 0, LIMITS) == "age"


def test_a_draft_says_all_but_chain_and_generation() -> None:
    batch = Batch(mark("1", 0))
    batch.add(part_of([record(2), record(3, 1)]), outcome(3, 2, 1), 0)
    batch.add(part_of([record(4)]), outcome(1, 1), 0)
    digest = PositionsDigest()
    digest.add(["2/0", "3/1", "4/0"])
    draft = batch.draft(("name",), (("code", "1"),))
    assert (draft.chain, draft.generation, draft.after, draft.last) == (0, 0, mark("1", 0), mark("4", 0))
    assert (draft.records, draft.positions_digest) == (3, digest.hexdigest())
    assert (draft.counts, draft.names, draft.digests) == (Counts(4, 3, 1), ("name",), (("code", "1"),))


def test_a_part_knows_its_positions_and_bytes() -> None:
    part = part_of([record(7), record(7, 3, b"xyz")])
    assert (part.positions, part.last, part.bytes) == (["7/0", "7/3"], mark("7", 3), 5)


def test_no_records_make_no_parts() -> None:
    assert parts([], ["x"]) == []


numbers = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, unique=True).map(sorted)


@given(numbers, st.lists(st.tuples(st.integers(0, 31), st.integers(0, 2)), max_size=3))
def test_parts_hold_every_record_in_order_and_no_boundary(
    positions: list[tuple[int, int]], cuts: list[tuple[int, int]]
) -> None:
    records = [record(sequence, sub) for sequence, sub in positions]
    boundaries = [mark(str(sequence), sub) for sequence, sub in cuts]
    found = parts(records, [*boundaries, START])
    assert [r for part in found for r in part.records] == records
    assert all(part.records for part in found)
    for part in found:
        first = mark(part.records[0].sequence, part.records[0].sub)
        assert not [b for b in boundaries if first <= b < part.last]
    assert len(found) <= len(set(boundaries)) + 1
