"""What must hold of events that come again, whatever goes wrong. Rule: judged from the world's side, by keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from faults.real import BOOK, CONTRACT
from faults.simulation import Story, record_of
from support.memory_sink import INTERNAL
from support.simulated_world import IDENTITY, World, committed
from tailrace.nouns import Record, Redriven
from tailrace.rows.duplicates import Keyed, keys, redriven_keys
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.redriven import wrap
from tailrace.settings import Limits


def click(event_id: str, tenant: str = "north") -> bytes:
    return f'{{"eventType":"click","eventId":"{event_id}","tenant":"{tenant}"}}'.encode()


AGAIN = wrap(Redriven("r" * 32, "r-id"), b'{"eventType":"click","path":"/mended"}')
SEVERAL = wrap(Redriven("s" * 32, "s" * 32), b'[{"eventType":"click"},{"event_type":"reading"},{"eventType":"click"}]')
DATAS = (
    click("a"),
    click("b"),
    click("a", "south"),
    b'[{"eventType":"click","eventId":"a"},{"eventType":"click","eventId":"a"},{"eventType":"click","tenant":"north"}]',
    b'{"event_type":"reading","value":"high","event_id":"a"}',
    AGAIN,
    SEVERAL,
)


def keyed(records: Sequence[Record], *, dedup: bool) -> dict[str, list[Keyed]]:
    """Return the rows that each key should be stored of once, by key, in the order of their positions."""
    rows = Pipeline(CONTRACT, BOOK, Limits(), IDENTITY)(records).rows
    found = [*redriven_keys(rows, IDENTITY.epoch), *(keys(rows, "event_id", IDENTITY.epoch) if dedup else ())]
    by_key: defaultdict[str, list[Keyed]] = defaultdict(list)
    for one in found:
        by_key[one.key].append(one)
    return by_key


def judge(story: Story, all_rows: Counter[str]) -> None:
    """`all_rows` are a calm run's in which nothing is filtered but what was sent again."""
    world, scenery = story.world, story.scenery
    found = story.rows()
    story.judge_sums(found)
    places = {row.rpartition(":")[2] for row in found}
    internal = {record_of(row) for row in found if row.startswith(INTERNAL)}
    again = keyed(world.records, dedup=False)
    by_key = keyed(world.records, dedup=bool(scenery.dedup))
    may_go = {one.position for rows in by_key.values() if len(rows) > 1 for one in rows}
    gone = {row for row in all_rows if row not in found and record_of(row) not in internal}
    world.expect({row.rpartition(":")[2] for row in gone} <= may_go, f"left out without a twin: {sorted(gone)}")
    for key, rows in by_key.items():
        stays = [one for one in rows if one.position in places]
        excused = any(one.position.rpartition("/")[0] in internal for one in rows)
        world.expect(stays or excused, f"no event of {key} is stored: {rows}")
        if key in again:
            world.expect(len(stays) <= 1, f"sent again and stored twice: {stays}")
        elif scenery.dedup == "table":
            _apart(world, key, stays, scenery.ttl_s)
    for chain in range(1, world.item.chain + 1):
        _once_in(chain, committed(world, lambda name: story.kind.rows(world.place, name), chain), by_key, world)
    assert not world.wrong, story.told()


def _once_in(chain: int, rows: Counter[str], by_key: Mapping[str, Sequence[Keyed]], world: World) -> None:
    places = {row.rpartition(":")[2] for row in rows}
    for key, some in by_key.items():
        stays = [one.position for one in some if one.position in places]
        world.expect(len(stays) <= 1, f"plan {chain} stores {key} at {stays}")


def _apart(world: World, key: str, stays: Sequence[Keyed], ttl_s: int) -> None:
    """The second of two stored rows got the key when the time of the first was over."""
    owners = {one.row_id for one in stays}
    last: tuple[str, int] | None = None
    for grant in world.grants:
        if grant.key == key and grant.owner in owners:
            over = last is None or last[0] == grant.owner or grant.now_s > last[1] + ttl_s
            world.expect(over, f"{key} belonged to {last} and was given to {grant}")
            last = (grant.owner, grant.now_s)
    granted = {grant.owner for grant in world.grants if grant.key == key}
    world.expect(owners <= granted, f"{key} is stored for {owners - granted}, who never got it")
