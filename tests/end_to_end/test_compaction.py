"""`tailrace compact` over S3 and DynamoDB, killed around each kind of call, while the lake is written and read."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

from support.compacted import KINDS, PLANS_MAX, Reading, beside, compacted
from support.small_lake import EPOCH
from tailrace.commit.compacted import tables_of


def test_killed_around_any_call_the_view_has_each_row_once_at_every_moment(tmp_path: Path) -> None:
    with compacted(tmp_path) as world:
        world.write("shard-0", Event(), 4)
        stop, reading = Event(), Reading(world)
        writes = Thread(target=world.write, args=("shard-1", stop, PLANS_MAX))
        reads = Thread(target=reading.run, args=(stop,))
        with beside(writes, reads, stop=stop):
            killed = world.killed()
        assert reading.wrong == []
        assert killed == {f"{side} {kind}" for kind in KINDS for side in ("before", "after")}
        assert reading.views > len(KINDS)
        assert world.compact() == 0
        assert world.audit() == 0
        objects, wanted = reading.live()
        assert sum(entry.rows for entry in objects) == len(wanted)
        items = tables_of(world.ledger(), EPOCH)
        assert len(items) == 2
        assert all(item.swept == item.chain for item in items.values())
        assert any(item.folded for item in items.values())
