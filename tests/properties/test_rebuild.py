"""A lake made anew of the archive has the rows of the first one, each by its id, whatever the plans were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from faults.real import DATAS
from support.rebuilt import AGAIN, EPOCH, Lakes, settings_of
from tailrace.nouns import Reason, Record, Redriven
from tailrace.rows.redriven import wrap

NOON_MS = 1_760_011_200_000
REJECT = "r" * 32  # each record has another one: of what was redriven twice, another may stay
MENDED = wrap(Redriven(REJECT, "its-id"), b'{"eventType":"click","path":"/mended"}')
MANY = (
    *DATAS,
    MENDED,
    b'{"eventType":"click","timestamp":"2025-08-01T00:00:00Z"}',  # too old for a stream, not for a file
    b"\xf3\x89\x9a\xc2 a damaged aggregate",
)
FAULT = Reason("decode", "base64", "$", "found no base64")
record = st.tuples(
    st.sampled_from(MANY),
    st.sampled_from([0, 1, 1]),  # the next sequence number, or one of the same
    st.integers(-4_000_000, 4_000_000),  # arrivals that are not in order
    st.booleans() | st.just(value=True),
)
plans = st.lists(st.lists(record, min_size=1, max_size=12), min_size=1, max_size=4)


def records(made: list[list[Any]], ids: Iterator[int]) -> list[list[Record]]:
    out, sequence, sub = list[list[Record]](), 10**20, 0
    for plan in made:
        out.append([])
        for data, step, away, sound in plan:
            sequence, sub = sequence + step, 0 if step else sub + 1
            fault = None if sound else FAULT
            sent = data.replace(REJECT.encode(), b"%032d" % next(ids))
            out[-1].append(Record(sent, str(sequence), sub, NOON_MS + away, "key", fault))
    return out


@settings(max_examples=25, deadline=None)
@given(plans, plans, st.integers(1, 30), st.sampled_from(["snappy", "deflate"]), st.sampled_from([0, 48]))
def test_a_rebuilt_lake_has_the_rows_of_the_first(
    one: list[list[Any]], other: list[list[Any]], rows: int, codec: str, late_hours: int
) -> None:
    first, second = Lakes(), Lakes()
    ids = count()
    made = {"shardId-000000000000": records(one, ids), "shardId-000000000001": records(other, ids)}
    for shard, plans_of in made.items():
        first.stream(shard, plans_of, settings_of(avro_codec=codec, late_hours=late_hours))
    again = settings_of(rows=rows, late_hours=late_hours)
    for archive in first.archives():
        second.filing(again).bring_archive(archive, lambda _done: None)
    assert second.rows(AGAIN) == first.rows(EPOCH)
    assert first.findings(EPOCH) == second.findings(AGAIN) == []
    assert sorted(map(str, second.archived(AGAIN))) == sorted(map(str, first.archived(EPOCH)))
    assert len(first.archived(EPOCH)) == sum(len(plan) for plans_of in made.values() for plan in plans_of)
