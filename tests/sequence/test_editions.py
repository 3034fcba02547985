"""When a child goes on under another edition: between two plans, and each names the one its rows were made with."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from sequence.play import STOP, TICK, Feed, Play, Wait
from support.memory_sink import MemoryPipeline, MemorySink
from support.simulated_world import IDENTITY, KEY, LANE
from tailrace.commit import rules
from tailrace.commit.plan import Item, commit_name, item_from_dict, item_to_dict
from tailrace.edition import Edition
from tailrace.kcl.renewal import Renewal
from tailrace.nouns import mark
from tailrace.shard import Shard

OPENING = ["Opened", "Answered"]
PLAN = ["Prepared", "Put", "PutCommitFile", "Committed"]
ONES = (b"1",) * 8


class Editions:
    """Editions that a script has ready; each files rows in so many folders."""

    def __init__(self) -> None:
        self._ready: list[int] = []
        self.adopted: list[int] = []
        self.renew = Renewal(
            lambda: cast("Edition", self._ready.pop(0)) if self._ready else None,
            self._adopt,
            lambda new: self.adopted.append(cast("int", new)),
        )

    def come(self, edition: int) -> None:
        self._ready.append(edition)

    def _adopt(self, shard: Shard, new: Edition) -> bool:
        edition = cast("int", new)
        return shard.adopt(MemoryPipeline(), {LANE: MemorySink(edition)}, (("book", str(edition)),))


def plans(play: Play) -> list[tuple[dict[str, str], int, set[str]]]:
    """Return (digests, records, folders) of each committed plan, oldest first."""
    found = []
    for chain in range(1, play.world.item.chain + 1):
        file: Any = json.loads(play.world.place.read(commit_name(IDENTITY, chain)))
        folders = {one["name"].split("/p=")[1].partition("/")[0] for one in file["objects"] if one["rows"]}
        found.append((file["digests"], file["records"], folders))
    return found


def test_what_is_in_hand_is_cut_first_and_names_the_edition_before() -> None:
    play, editions = Play(*ONES, partitions=(1,)), Editions()
    done = play.child(Feed(2), lambda: editions.come(3), Feed(4), STOP, renew=editions.renew)
    assert done == [
        *OPENING, "Answered", *PLAN, "Answered",
        "Prepared", *["Put"] * 2, "PutCommitFile", "Committed", "Checkpointed", "Answered",
    ]  # fmt: skip
    assert plans(play) == [({"code": "0"}, 2, {"0"}), ({"book": "3"}, 4, {"0", "2"})]
    assert editions.adopted == [3]


def test_an_edition_is_taken_up_without_records_and_without_a_plan() -> None:
    play, editions = Play(*ONES, partitions=(1,)), Editions()
    editions.come(3)
    assert play.child(TICK, TICK, renew=editions.renew) == [*OPENING, "Answered", "Answered"]
    assert editions.adopted == [3]
    assert play.world.item.chain == 0


def test_an_open_plan_is_replayed_first() -> None:
    play, editions = Play(*ONES, partitions=(1,)), Editions()
    play.child(Feed(3), STOP, strikes={("swap.prepare", 1): "kill after"})
    assert play.world.item.plan is not None
    editions.come(3)
    done = play.child(Feed(2), Feed(2), Feed(1), STOP, renew=editions.renew)
    assert done[: done.index("Committed") + 1] == [
        *OPENING, "Answered", "TakenOver", "Put", "PutCommitFile", "Committed",
    ]  # fmt: skip
    assert [(digests, records) for digests, records, _ in plans(play)] == [
        ({"code": "1"}, 3), ({"code": "1"}, 1), ({"book": "3"}, 1),
    ]  # fmt: skip
    assert editions.adopted == [3]


def test_the_ledger_names_the_edition_of_an_open_plan() -> None:
    play, editions = Play(*ONES, partitions=(1,), rows=3), Editions()
    script = Feed(1), lambda: editions.come(3), Feed(3)
    play.child(*script, strikes={("swap.prepare", 2): "kill after"}, renew=editions.renew)
    plan = play.world.item.plan
    assert plan is not None
    assert plan.digests == (("book", "3"),)
    play.child(Feed(8), STOP)
    assert [(digests, records) for digests, records, _ in plans(play)] == [
        ({"code": "0"}, 1), ({"code": "1"}, 3), ({"code": "1"}, 4),
    ]  # fmt: skip
    assert len(play.stored()) == 8


def test_a_child_that_dies_while_it_adopts_has_committed_nothing_twice() -> None:
    for kind in ("swap.prepare", "create.object", "create.commit_file", "swap.commit"):
        for fault in ("kill before", "kill after", "lose the reply"):
            play, editions = Play(*ONES, partitions=(1,)), Editions()
            script = Feed(2), lambda: editions.come(3), Feed(2), STOP  # noqa: B023 - run before the next turn
            play.child(*script, strikes={(kind, 1): fault}, renew=editions.renew)
            play.child(Feed(8), STOP)
            assert play.stored() == sorted(f"{100 + at // 2}/{at % 2}/0" for at in range(8)), (kind, fault)


@pytest.mark.parametrize("state", ["lost", "stopped"])
def test_a_shard_that_is_lost_or_stopped_adopts_nothing(state: str) -> None:
    play, editions = Play(*ONES, partitions=(1,), rows=2), Editions()
    if state == "lost":
        script: tuple[Any, ...] = (lambda: another_opens(play), Feed(2), TICK)
    else:
        play.child(Feed(2), strikes={("swap.prepare", 1): "kill after"})
        del play.world.records[:1]
        script = (Feed(2), TICK)
    play.child(*script, lambda: editions.come(3), TICK, Wait(1), TICK, renew=editions.renew)
    assert (play.said(state), editions.adopted) == (1, [])


def another_opens(play: Play) -> None:
    found = play.world.ledger.read(KEY)
    assert found is not None
    opened = rules.opening(item_from_dict(found[1])).item
    assert play.world.ledger.swap(KEY, found[0], item_to_dict(opened)) is None


def test_who_turns_out_to_be_lost_after_it_adopted_has_committed_nothing() -> None:
    play, editions = Play(*ONES, partitions=(1,)), Editions()
    script = Feed(2), lambda: another_opens(play), lambda: editions.come(3), Feed(2), TICK
    assert play.child(*script, renew=editions.renew) == [*OPENING, *["Answered"], "Prepared", *["Answered"] * 2]
    assert (play.said("lost"), editions.adopted, play.world.item.chain) == (1, [3], 0)


def test_the_careful_mode_adopts_between_its_plans_too() -> None:
    play, editions = Play(*ONES, partitions=(1,), item=Item(generation=7, failures=3)), Editions()
    play.child(Feed(2), lambda: editions.come(3), Feed(2), STOP, renew=editions.renew)
    assert [(digests, records) for digests, records, _ in plans(play)] == [({"code": "0"}, 2), ({"book": "3"}, 2)]
    assert play.world.item.suspect == ()
    assert play.world.checkpoint == mark("101", 1)
