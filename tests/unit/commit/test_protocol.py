"""The two machines, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from support.memory_plans import item, plan
from tailrace.commit import protocol
from tailrace.commit.plan import Item, Plan
from tailrace.commit.protocol import Lost, Owner, Read, Swap, Upload, Write, after, cut, effect, uploaded
from tailrace.nouns import mark


def driven(owner: Owner, *replies: object) -> tuple[Owner, list[str]]:
    """Give each effect its reply; return the owner and what it asked for."""
    asked = []
    for reply in replies:
        what = effect(owner)
        asked.append(type(what).__name__)
        owner = after(owner, what, reply)  # type: ignore[arg-type]
    return owner, asked


def opened(stands: Item | None = None) -> Owner:
    owner, asked = driven(Owner(), None if stands is None else (7, stands), None)
    assert asked == ["Read", "Swap"]
    return owner


def test_an_owner_reads_and_opens() -> None:
    owner = opened()
    assert (owner.step, owner.generation, owner.revision) == ("fill", 1, 1)
    assert opened(item(generation=4)).generation == 5
    assert opened(item(generation=4)).revision == 8


def test_who_loses_the_race_to_open_looks_again() -> None:
    owner, asked = driven(Owner(), None, (1, item(generation=1)), None)
    assert asked == ["Read", "Swap", "Swap"]
    assert (owner.step, owner.generation) == ("fill", 2)


def test_a_stopped_shard_opens_as_stopped() -> None:
    owner = opened(item(stopped="why"))
    assert (owner.step, owner.why) == ("stopped", "why")


def test_a_cut_is_prepared_written_and_committed() -> None:
    owner = cut(opened(), plan()._replace(chain=0, generation=0))
    assert owner.step == "prepare"
    assert owner.plan == plan(chain=1, generation=1)
    owner, asked = driven(owner, None, None, None)
    assert asked == ["Swap", "Write", "Swap"]
    assert (owner.step, owner.plan, owner.item.watermark) == ("fill", None, mark("3", 0))


def test_the_next_plan_needs_no_reading() -> None:
    owner, _ = driven(cut(opened(), plan()), None, None, None)
    owner = cut(owner, plan(after=3, last=5))
    assert owner.plan is not None
    assert owner.plan.chain == 2
    assert isinstance(effect(owner), Swap)


@pytest.mark.parametrize("happened", [True, False])
def test_after_a_lost_reply_the_item_says_what_happened(happened: bool) -> None:
    owner = cut(opened(), plan())
    wanted = effect(owner)
    assert isinstance(wanted, Swap)
    owner = after(owner, wanted, Lost())
    assert effect(owner) == Read()
    owner = after(owner, Read(), (2, wanted.item) if happened else (1, item()))
    assert owner.step == ("write" if happened else "prepare")


def test_a_commit_whose_reply_was_lost_is_known_by_its_item() -> None:
    owner, _ = driven(cut(opened(), plan()), None, None)
    wanted = effect(owner)
    assert isinstance(wanted, Swap)
    owner = after(after(owner, wanted, Lost()), Read(), (3, wanted.item))
    assert (owner.step, owner.plan) == ("fill", None)


@pytest.mark.parametrize("step", ["prepare", "commit", "suspect", "leave"])
def test_a_later_generation_means_lost(step: str) -> None:
    owner = opened()
    match step:
        case "prepare":
            owner = cut(owner, plan())
        case "commit":
            owner, _ = driven(cut(owner, plan()), None, None)
        case "suspect":
            owner = protocol.suspect(owner, ("m", "m"))
        case "leave":
            owner = protocol.leave(owner)
    what = effect(owner)
    owner = after(owner, what, (9, item(generation=2)))
    assert (owner.step, owner.plan) == ("lost", None)
    assert owner.why == "opened later by another"


def found(open_plan: Plan, **other: Any) -> Owner:
    return opened(item(plan=open_plan, **other))


def test_an_open_plan_is_taken_over_with_ones_own_names_added_the_commit_file_last() -> None:
    theirs, mine = plan(), plan(names=("a/own", plan().names[-1]))._replace(chain=0, generation=0)
    owner = cut(found(theirs), mine)
    assert owner.step == "take_over"
    assert owner.plan == plan(generation=2, names=("a/own", *theirs.names))
    owner, asked = driven(owner, None, None, None)
    assert asked == ["Swap", "Write", "Swap"]
    assert owner.item.committed_generation == 2


@pytest.mark.parametrize("other", [{"records": 2}, {"positions_digest": "other"}, {"last": 2}])
def test_another_cut_than_the_open_plans_stops_the_shard(other: dict[str, Any]) -> None:
    owner = cut(found(plan()), plan(**other))
    assert owner.step == "stop"
    owner, asked = driven(owner, None)
    assert (owner.step, asked, owner.plan) == ("stopped", ["Swap"], None)
    assert owner.why.startswith("chain 1 planned 3 records after the start to ")
    assert owner.item.stopped == owner.why


def test_an_accepted_cut_ends_where_the_plan_ended() -> None:
    owner = cut(found(plan(), waived=1), plan(records=0, last=0, positions_digest="nothing"))
    assert owner.step == "take_over"
    assert owner.plan is not None
    assert (owner.plan.last, owner.plan.records) == (plan().last, 0)


def test_a_suspect_is_written_once() -> None:
    owner, asked = driven(protocol.suspect(opened(), ("m", "m")), None)
    assert (owner.step, owner.item.suspect, asked) == ("fill", ("m", "m"), ["Swap"])
    assert protocol.suspect(owner, ("m", "m")).step == "fill"


def test_a_goodbye_after_a_commit_writes_nothing() -> None:
    owner, _ = driven(cut(opened(), plan()), None, None, None)
    assert protocol.leave(owner).step == "gone"
    owner, asked = driven(protocol.leave(opened()), None)
    assert (owner.step, asked) == ("gone", ["Swap"])


def test_write_names_the_plan() -> None:
    owner, _ = driven(cut(opened(), plan()), None)
    assert effect(owner) == Write(plan())


OWN = Upload(5)


@pytest.mark.parametrize(
    ("upload", "reply", "step"),
    [
        (OWN, True, "done"),
        (OWN, False, "head"),
        (OWN, Lost(), "create"),
        (OWN._replace(step="head"), None, "create"),
        (OWN._replace(step="head"), ("etag", 4), "replace"),
        (OWN._replace(step="head"), ("etag", 5), "done"),
        (OWN._replace(step="head"), ("etag", 6), "superseded"),
        (OWN._replace(step="head"), Lost(), "create"),
        (OWN._replace(step="replace", etag="etag"), True, "done"),
        (OWN._replace(step="replace", etag="etag"), False, "head"),
        (OWN._replace(step="replace", etag="etag"), Lost(), "create"),
    ],
)
def test_an_upload_goes_on_by_what_stands_under_its_name(upload: Upload, reply: object, step: str) -> None:
    now = uploaded(upload, reply)  # type: ignore[arg-type]
    assert now.step == step
    assert now.etag == ("etag" if step == "replace" else upload.etag if step == "done" else "")


def test_a_reply_to_nothing_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        uploaded(OWN._replace(step="done"), True)
    with pytest.raises(AssertionError):
        effect(Owner(step="fill", revision=1))


def test_objects_say_who_put_them() -> None:
    assert protocol.meta("epoch", 3, 7) == {"epoch": "epoch", "chain": "3", "generation": "7"}
