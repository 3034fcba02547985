"""What must hold of the archive, whatever goes wrong. Rule: judged from the stream's side, byte for byte."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from faults.simulation import Story
from support.simulated_world import IDENTITY
from tailrace.commit.committed import ARCHIVE, CommitFile, decode
from tailrace.commit.plan import commit_name
from tailrace.nouns import Record, mark
from tailrace.rows.archive import record_of
from tailrace.sinks.lake.avro_read import Container


def judge(story: Story) -> int:
    """Hold each plan that was made with the archive on against the stream; return how many there were."""
    world = story.world
    on = 0
    for chain in range(1, world.item.chain + 1):
        commit = decode(world.place.read(commit_name(IDENTITY, chain)))
        facts, found = commit.facts, list(_records(story, commit))
        of_plan = [one for one in world.records if facts.after < mark(one.sequence, one.sub) <= facts.last]
        wanted = of_plan if facts.digests.get(ARCHIVE) else []
        world.expect(found == wanted, f"chain {chain}: archived {found}, expected {wanted}")
        on += bool(wanted)
    assert not world.wrong, story.told()
    return on


def _records(story: Story, commit: CommitFile) -> Iterator[Record]:
    for entry in commit.objects:
        if entry.table == ARCHIVE:
            source = io.BytesIO(story.world.place.read(entry.name))
            rows: list[dict[str, Any]] = [row for block in Container(source).blocks() for row in block.values()]
            yield from map(record_of, rows)
