"""What compactions came to: whole, and folded into one file."""

from __future__ import annotations

import random

import pytest

from support.memory_ports import MemoryPlace
from tailrace.commit.committed import CommitFileError, StoredObject
from tailrace.commit.compacted import (
    Compaction,
    View,
    Whole,
    decode_fold,
    encode,
    encode_fold,
    read_file,
    table_view,
    wrong_folds,
)
from tailrace.commit.compaction import Input, TableItem, file_name, fold_name
from tailrace.commit.ledger import BytesBody

TABLE = "click/v1"


def small(folder: int, shard: int, chain: int) -> str:
    return f"{TABLE}/dt=2027-01-15/hh={folder:02d}/e-clicks-shard-{shard}-{chain:010d}.parquet"


def history(seed: int, count: int = 40) -> tuple[list[Compaction], list[str]]:
    """Return compactions as they might follow each other, and the names of objects that none of them took."""
    rng = random.Random(seed)
    names = [small(folder, shard, chain) for folder in range(4) for shard in range(3) for chain in range(1, 30)]
    rng.shuffle(names)
    kept, live, done = names[:60], names[60:], list[Compaction]()
    for number in range(1, count + 1):
        folder = rng.choice(live).rpartition("/")[0]
        here = [name for name in live if name.startswith(folder)]
        taken = rng.sample(here, rng.randint(1, min(9, len(here))))
        output = StoredObject(f"{folder}/e-compacted-{number:010d}.parquet", TABLE, 10, 100, "d")
        inputs = tuple(Input(name, 1, 1, "d", 1, 1) for name in taken)
        nothing = number % 10 == 0  # what was planned could not be done
        done.append(
            Compaction("e", TABLE, number, 1, () if nothing else inputs, (output._replace(rows=0 if nothing else 10),))
        )
        if not nothing:
            live = [name for name in live if name not in taken] + [output.name]
    return done, kept


@pytest.mark.parametrize("seed", range(20))
def test_a_fold_and_what_comes_after_it_say_what_all_files_say(seed: int) -> None:
    done, kept = history(seed)
    whole = Whole(done)
    by = {entry.name: one for one in done for entry in one.inputs}
    for at in range(len(done) + 1):
        fold = decode_fold(encode_fold(View(done[:at]).fold("e", TABLE, at)))
        assert fold == View(done[:at]).fold("e", TABLE, at)
        folded = View(done[at:], fold)
        assert folded.fold("e", TABLE, 40) == whole.fold("e", TABLE, 40)
    names = [
        *kept,
        *(entry.name for one in done for entry in one.objects),
        *(e.name for one in done for e in one.inputs),
    ]
    for name in names:
        assert folded.replaced(name) == (whole.input(name) is not None)
        holder = by.get(name)
        while holder is not None and holder.objects[0].name in by:
            holder = by[holder.objects[0].name]
        assert holder is None or whole.holder(name) == holder._replace(inputs=())
        assert folded.holder(name) == whole.holder(name)
    rows = {entry.name for one in done for entry in one.objects if entry.rows and whole.input(entry.name) is None}
    assert {entry.name for _, entry in folded.outputs()} == rows


def test_runs_of_plans_take_little_room() -> None:
    done = []
    for number in range(100):
        chains = range(30 * number + 1, 30 * number + 31)
        inputs = [Input(small(1, shard, chain), 1, 1, "d" * 64, chain, 1) for shard in range(3) for chain in chains]
        name = f"{TABLE}/dt=2027-01-15/hh=01/e-compacted-{number + 1:010d}.parquet"
        done.append(Compaction("e", TABLE, number + 1, 1, tuple(inputs), (StoredObject(name, TABLE, 9, 9, "d" * 64),)))
    fold = View(done).fold("e", TABLE, 100)
    assert [runs for one in fold.held for runs in one.names.values()] == [
        ((30 * number + 1, 30 * number + 30),) for number in range(100) for _ in range(3)
    ]
    assert len(encode_fold(fold)) < sum(len(encode(one)) for one in done) / 100


def test_a_reader_opens_the_fold_and_the_files_after_it_and_all_files_without_it() -> None:
    place, (done, _) = MemoryPlace(), history(1)
    for one in done:
        assert place.create(file_name("e", TABLE, one.chain), BytesBody(encode(one)), {})
    item = TableItem(chain=40, swept=40, folded=32)
    name = fold_name("e", TABLE, 32)
    assert table_view(place, "e", TABLE, item).fold("e", TABLE, 40) == Whole(done).fold("e", TABLE, 40)
    assert place.create(name, BytesBody(encode_fold(View(done[:32]).fold("e", TABLE, 32))), {})
    for one in done[:32]:
        del place.objects[file_name("e", TABLE, one.chain)]
    assert table_view(place, "e", TABLE, item).fold("e", TABLE, 40) == Whole(done).fold("e", TABLE, 40)
    del place.objects[name]
    with pytest.raises(CommitFileError, match=r"0000000001\.json is missing"):
        table_view(place, "e", TABLE, item)


FOLD = encode_fold(View().fold("e", TABLE, 1))


def test_what_is_no_file_of_a_compaction_is_told_by_its_name() -> None:
    place = MemoryPlace()
    for name in (file_name("e", TABLE, 1), fold_name("e", TABLE, 1)):
        assert place.create(name, BytesBody(b"{}"), {})
    with pytest.raises(CommitFileError, match=r"^_compactions/e/.+/0000000001\.json: no file of a compaction: "):
        read_file(place, "e", TABLE, 1)
    (said,) = wrong_folds(place, "e", {TABLE: TableItem(chain=1, swept=1, folded=1)}, Whole())
    assert said.startswith(f"{fold_name('e', TABLE, 1)}: no fold of compactions: ")


@pytest.mark.parametrize("data", [b"", b"{}", FOLD[:-9], FOLD[:10] + b"\xff" + FOLD[11:]])
def test_what_is_no_fold_is_told(data: bytes) -> None:
    with pytest.raises(CommitFileError, match="no fold"):
        decode_fold(data)
