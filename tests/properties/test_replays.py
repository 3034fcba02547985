"""Laws of the real pipeline, lane and sink together: however records come again, the lake is the calm run's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import real
from faults.simulation import Scenery, calm_rows
from sequence.play import END, Feed, Play
from tailrace.commit.committed import SUFFIXES
from tailrace.nouns import mark

datas = st.lists(st.sampled_from(real.DATAS), min_size=1, max_size=10).map(tuple)
turns = st.lists(st.integers(0, 5), max_size=8)
partitions = st.sampled_from([(1,), (2,), (1, 2), (2, 1)])  # of the first and the second child's version
formats = st.sampled_from(
    [("parquet",), ("both",), ("avro",), ("parquet", "both"), ("both", "avro"), ("avro", "parquet")]
)


def play_of(
    found: tuple[bytes, ...], versions: tuple[int, ...], rows: int = 10**6, written: tuple[str, ...] = ("parquet",)
) -> Play:
    return Play(*found, kind=real.REAL, partitions=versions, rows=rows, formats=written)


def replayed(play: Play, sizes: list[int]) -> None:
    """A second child gets everything, in turns of these sizes, to the shard's end."""
    play.child(*(Feed(size, behind_ms=1) for size in sizes), Feed(1_000), END)
    assert play.world.item.watermark == play.world.last
    play.judge(calm_rows(Scenery(datas=play.scenery.datas), real.REAL))


@given(found=datas, versions=partitions, upto=st.integers(1, 10), sizes=turns, written=formats)
def test_a_forced_cut_anywhere_gives_the_calm_runs_rows(
    found: tuple[bytes, ...], versions: tuple[int, ...], upto: int, sizes: list[int], written: tuple[str, ...]
) -> None:
    play = play_of(found, versions, rows=1, written=written)
    upto = min(upto, len(found))
    play.child(Feed(upto), strikes={("swap.prepare", 1): "kill after"})
    plan = play.world.item.plan
    assert plan is not None
    assert plan.last == mark(play.world.records[upto - 1].sequence, play.world.records[upto - 1].sub)
    replayed(play, sizes)


@given(found=datas, version=st.sampled_from([1, 2]), sizes=turns, written=st.sampled_from(["parquet", "both", "avro"]))
def test_a_replay_gives_the_same_names_with_the_same_rows_under_a_later_generation(
    found: tuple[bytes, ...], version: int, sizes: list[int], written: str
) -> None:
    play = play_of(found, (version,), written=(written,))
    play.child(Feed(1_000), END, strikes={("swap.commit", 1): "kill before"})
    place = play.world.place
    before = {name: sorted(play.kind.rows(place, name)) for name in place.objects if name.endswith(SUFFIXES)}
    assert {name.rpartition(".")[2] for name in before} == ({"parquet", "avro"} if written == "both" else {written})
    replayed(play, sizes)
    after = {name: sorted(play.kind.rows(place, name)) for name in place.objects if name.endswith(SUFFIXES)}
    assert after == before
    assert {stored.meta["generation"] for stored in place.objects.values()} == {"2"}


@given(found=datas, versions=partitions, rows=st.integers(1, 6), sizes=turns, again=turns, written=formats)
def test_how_records_are_parted_into_turns_and_plans_changes_no_row(
    found: tuple[bytes, ...],
    versions: tuple[int, ...],
    rows: int,
    sizes: list[int],
    again: list[int],
    written: tuple[str, ...],
) -> None:
    play = play_of(found, versions, rows=rows, written=written)
    play.child(*(Feed(size, behind_ms=1) for size in sizes))
    replayed(play, again)


@pytest.mark.parametrize("version", [1, 2])
def test_the_law_of_counts_holds_in_every_commit(version: int) -> None:
    play = play_of(real.DATAS, (version,), rows=2)
    replayed(play, [1] * len(real.DATAS))
    totals = play.world.item.totals
    assert totals.received == totals.stored + totals.rejected == len(play.stored()) == 11
    assert play.world.item.chain > 3
