"""The laws of a lane's item, one by one."""

from __future__ import annotations

import pytest

from support.memory_plans import item, plan
from tailrace.commit import rules
from tailrace.commit.plan import Counts, Item, Since
from tailrace.commit.rules import Already, Next, Refused, Verdict
from tailrace.nouns import mark

LAWS = {
    "preparing": lambda it: rules.preparing(it, 1, plan()),
    "taking over": lambda it: rules.taking_over(it, 1, plan()),
    "committing": lambda it: rules.committing(it, 1, 1),
    "suspecting": lambda it: rules.suspecting(it, 1, ("m", "m")),
    "leaving": lambda it: rules.leaving(it, 1),
    "stopping": lambda it: rules.stopping(it, 1, "why"),
}


def written(verdict: Verdict) -> Item:
    assert isinstance(verdict, Next), verdict
    return verdict.item


@pytest.mark.parametrize("law", LAWS)
def test_who_opened_earlier_is_refused_everything(law: str) -> None:
    for later in (2, 3):
        assert isinstance(LAWS[law](item(generation=later, plan=plan())), Refused)


def test_opening_raises_the_generation_and_counts_a_failure_until_proven_otherwise() -> None:
    first = rules.opening(None).item
    assert first == Item(generation=1, failures=1)
    assert rules.opening(first).item == Item(generation=2, failures=2)


def test_opening_keeps_the_open_plan_and_all_that_is_committed() -> None:
    before = item(plan=plan(), watermark="w", chain=3, totals=Counts(9, 9), records=9, stopped="s", waived=1)
    assert rules.opening(before).item == before._replace(generation=2, failures=2)


def test_opening_takes_what_was_in_hand_apart_and_blames_one_record_only_the_second_time() -> None:
    group = rules.opening(item(suspect=("l", "n"), poison=("a",))).item
    assert (group.suspect, group.hot, group.poison) == ((), ("l", "n"), ("a",))
    alone = rules.opening(group._replace(suspect=("m", "m"))).item
    assert (alone.suspect, alone.hot, alone.poison) == ((), ("m", "m"), ("a",))
    other = rules.opening(alone._replace(suspect=("l", "l"))).item
    assert (other.hot, other.poison) == (("l", "l"), ("a",))
    again = rules.opening(alone._replace(suspect=("m", "m"))).item
    assert (again.suspect, again.hot, again.poison) == ((), (), ("a", "m"))
    assert rules.opening(again).item.poison == ("a", "m")


def test_preparing_adds_the_plan_and_clears_the_suspect() -> None:
    assert written(rules.preparing(item(suspect=("m", "m"), hot=("l", "n")), 1, plan())) == item(plan=plan())


def test_preparing_what_is_prepared_is_done() -> None:
    assert rules.preparing(item(plan=plan()), 1, plan()) == Already()


@pytest.mark.parametrize(
    "stands", [item(plan=plan(last=2)), item(chain=1), item(watermark=mark("1", 0)), item(chain=2, watermark="x")]
)
def test_preparing_what_cannot_be_is_a_mistake(stands: Item) -> None:
    with pytest.raises(AssertionError):
        rules.preparing(stands, 1, plan())


def test_taking_over_writes_the_new_owners_generation_and_names() -> None:
    stands = item(generation=2, plan=plan(), suspect=("m", "m"))
    mine = plan(generation=2, names=(*plan().names[:1], "more", plan().names[1]))
    assert written(rules.taking_over(stands, 2, mine)) == item(generation=2, plan=mine)
    assert rules.taking_over(item(generation=2, plan=mine), 2, mine) == Already()


@pytest.mark.parametrize(
    "mine",
    [plan(last=2), plan(records=2), plan(positions_digest="other"), plan(after=1), plan(names=plan().names[1:])],
)
def test_taking_over_with_another_cut_or_fewer_names_is_a_mistake(mine: object) -> None:
    with pytest.raises(AssertionError):
        rules.taking_over(item(plan=plan()), 1, mine._replace(generation=1, chain=1, digests=()))  # type: ignore[attr-defined]


def test_another_cut_may_be_taken_over_where_a_person_accepted_it() -> None:
    mine = plan(records=2, positions_digest="other")
    assert written(rules.taking_over(item(plan=plan(), waived=1), 1, mine)).plan == mine
    with pytest.raises(AssertionError):
        rules.taking_over(item(plan=plan(), waived=2), 1, mine)


def test_committing_moves_the_watermark_adds_the_totals_and_clears_the_plan() -> None:
    stands = item(
        generation=4, plan=plan(chain=3, after=5, last=9), chain=2, watermark=mark("5", 0), totals=Counts(7, 6, 1),
        records=7, failures=3, suspect=("m", "m"), waived=3, poison=(mark("8", 0), mark("12", 0)), resolved=("r",),
    )  # fmt: skip
    now = written(rules.committing(stands, 4, 3))
    assert now == Item(
        generation=4, watermark=mark("9", 0), chain=3, committed_generation=4, totals=Counts(11, 10, 1), records=11,
        poison=(mark("12", 0),), resolved=("r",),
    )  # fmt: skip
    assert rules.committing(now, 4, 3) == Already()


def test_committing_another_plan_than_the_open_one_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        rules.committing(item(plan=plan(chain=2)), 1, 1)
    with pytest.raises(AssertionError):
        rules.committing(item(chain=1, committed_generation=7), 1, 1)


def test_skipping_leaves_an_open_plan_out_whole_and_uses_its_chain() -> None:
    stands = item(
        generation=4, plan=plan(chain=3, after=5, last=9, sent="7/0/0"), chain=2, watermark=mark("5", 0),
        totals=Counts(7, 6, 1), records=5, stopped="s", waived=3, suspect=("m", "m"), hot=("m", "m"), resolved=("r",),
    )  # fmt: skip
    now = written(rules.skipping(stands, 4, mark("7", 0), "why"))
    noted = "skipped after 5/0 to 9/0: why; chain 3 was open, its messages sent up to 7/0/0"
    assert now == item(
        generation=4, chain=3, watermark=mark("9", 0), totals=Counts(7, 6, 1), records=5, resolved=("r", noted),
        since=Since(mark("9", 0), 5, 7),
    )  # fmt: skip
    assert rules.skipping(now, 4, mark("7", 0), "why") == Already()
    assert isinstance(rules.skipping(stands, 3, mark("7", 0), "why"), Refused)


def test_skipping_with_no_plan_open_ends_where_it_is_told_to() -> None:
    now = written(rules.skipping(item(chain=2), 1, mark("7", 0), "why"))
    assert (now.chain, now.watermark, now.since) == (2, mark("7", 0), Since(mark("7", 0)))


def test_suspecting_notes_one_record_and_forgets_it() -> None:
    noted = written(rules.suspecting(item(), 1, ("l", "m")))
    assert noted == item(suspect=("l", "m"))
    assert rules.suspecting(noted, 1, ("l", "m")) == Already()
    assert written(rules.suspecting(noted, 1, ())) == item()


def test_leaving_makes_the_open_no_failure() -> None:
    gone = written(rules.leaving(item(failures=4, suspect=("m", "m")), 1))
    assert gone == item(failures=0)
    assert rules.leaving(gone, 1) == Already()


def test_stopping_says_why_once_and_is_no_failure() -> None:
    stopped = written(rules.stopping(item(plan=plan()), 1, "why"))
    assert stopped == item(plan=plan(), stopped="why", failures=0)
    assert rules.stopping(stopped, 1, "another why") == Already()


def test_resolving_needs_a_stopped_shard() -> None:
    assert isinstance(rules.resolving(item(), accept=True), Refused)


@pytest.mark.parametrize("accept", [False, True])
def test_resolving_refuses_everyone_who_saw_the_shard_before(accept: bool) -> None:
    now = written(rules.resolving(item(stopped="why", plan=plan(chain=5)), accept=accept))
    assert (now.generation, now.stopped, now.failures) == (2, "", 0)
    assert now.waived == (5 if accept else 0)
    assert now.resolved == (("chain 5: 3 records were planned; why",) if accept else ())
    assert now.plan == plan(chain=5)


def test_accepting_without_a_plan_waives_nothing() -> None:
    now = written(rules.resolving(item(stopped="why"), accept=True))
    assert (now.waived, now.resolved) == (0, ())
