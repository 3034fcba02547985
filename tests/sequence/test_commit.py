"""What a child does, in order: prepare, put, commit, checkpoint."""

from __future__ import annotations

from sequence.play import END, LOST, STOP, TICK, Feed, Play, Wait
from support.simulated_world import IDENTITY, KEY
from tailrace.commit.plan import commit_name
from tailrace.nouns import START, mark

OPENING = ["Opened", "Answered"]
PLAN = ["Prepared", "Put", "Put", "PutCommitFile", "Committed"]
ONES = (b"1",) * 8


def test_a_plan_is_prepared_put_committed_and_then_checkpointed() -> None:
    play = Play(*ONES, rows=4)
    assert play.child(Feed(4), TICK) == [*OPENING, *PLAN, "Answered", "Checkpointed", "Answered"]
    assert play.world.checkpoint == play.world.item.watermark == mark("101", 1)


def test_nothing_is_written_before_a_batch_is_due() -> None:
    play = Play(*ONES, rows=9)
    assert play.child(Feed(4), Feed(4), TICK) == [*OPENING, "Answered", "Answered", "Answered"]


def test_age_makes_a_batch_due_without_records() -> None:
    play = Play(*ONES, age_ms=60_000)
    assert play.child(Feed(2), Wait(60), TICK) == [
        *OPENING, "Answered", "Prepared", "Put", "PutCommitFile", "Committed", "Answered",
    ]  # fmt: skip


def test_the_commit_file_comes_after_every_object_is_on_disk() -> None:
    play = Play(*ONES, rows=4)
    play.child(Feed(4))
    kinds = [done.kind for done in play.world.done]
    written = kinds[kinds.index("swap.prepare") + 1 : kinds.index("swap.commit")]
    assert written == ["create.object", "create.object", "sync.object", "create.commit_file", "sync.commit_file"]


def test_records_before_the_watermark_are_skipped() -> None:
    play = Play(*ONES, rows=4)
    play.child(Feed(4), strikes={("checkpoint", 1): "kill before"})
    assert play.world.checkpoint == START
    assert play.child(Feed(3), Feed(5)) == [
        *OPENING, "Checkpointed", "Answered", *PLAN, "Checkpointed", "Answered",
    ]  # fmt: skip
    assert play.said("replayed") == 2
    assert len(play.stored()) == 8


def test_a_checkpoint_never_passes_what_was_delivered() -> None:
    play = Play(*ONES, rows=4)
    play.child(Feed(4), strikes={("checkpoint", 1): "kill before"})
    play.child(Feed(1))
    assert play.world.checkpoint == mark("100", 0)


def test_an_open_plan_is_taken_over_and_cut_in_the_middle_of_a_turn() -> None:
    play = Play(*ONES, rows=3)
    play.child(Feed(3), strikes={("swap.prepare", 1): "kill after"})
    done = play.child(Feed(8))
    assert done == [
        *OPENING, "TakenOver", "Put", "Put", "PutCommitFile", "Committed",
        *PLAN, "Checkpointed", "Answered",
    ]  # fmt: skip
    assert play.world.item.chain == 2
    assert len(play.stored()) == 8


def test_who_takes_over_replaces_what_the_one_before_put() -> None:
    play = Play(*ONES[:3], rows=3)
    play.child(Feed(3), strikes={("create.commit_file", 1): "kill after"})
    assert play.child(Feed(3)) == [
        *OPENING,
        *("TakenOver", "Put", "Replaced", "Put", "Replaced", "PutCommitFile", "ReplacedCommitFile", "Committed"),
        "Answered",
    ]
    assert {play.world.place.objects[name].meta["generation"] for name, _ in play.world.place.names("")} == {"2"}


def test_another_version_fills_the_names_it_does_not_need_with_nothing() -> None:
    play = Play(*ONES[:3], rows=3, partitions=(2, 1))
    play.child(Feed(3), strikes={("swap.prepare", 1): "kill after"})
    play.child(Feed(3))
    objects = [name for name, _ in play.world.place.names("events")]
    assert {name: len(play.kind.rows(play.world.place, name)) for name in objects} == {objects[0]: 3, objects[1]: 0}
    assert len(play.stored()) == 3


def test_a_plan_whose_last_record_is_gone_stops_the_shard_and_nothing_is_checkpointed() -> None:
    play = Play(*ONES, rows=4)
    play.child(Feed(4), strikes={("swap.prepare", 1): "kill after"})
    del play.world.records[3]
    assert play.child(Feed(7), TICK, STOP, LOST) == [*OPENING, "Stopped", *["Answered"] * 4]
    assert play.world.item.stopped.startswith("chain 1 planned 4 records")
    assert play.world.checkpoint == START
    assert play.said("stopped") == 1


def test_a_plan_that_waits_in_vain_stops_the_shard_after_some_ticks_at_the_end() -> None:
    play = Play(*ONES[:3], rows=3)
    play.child(Feed(3), strikes={("swap.prepare", 1): "kill after"})
    del play.world.records[2]
    behind = Feed(0, behind_ms=5)
    assert play.child(Feed(2), TICK, TICK, behind, TICK, TICK) == [*OPENING, *["Answered"] * 6]
    assert "Stopped" in play.child(Feed(2), TICK, TICK, TICK)


def test_a_stop_of_the_daemon_in_the_middle_of_a_replay_is_no_loss() -> None:
    play = Play(*ONES, rows=4)
    play.child(Feed(4), strikes={("swap.prepare", 1): "kill after"})
    assert play.child(Feed(2), STOP, LOST) == [*OPENING, "Answered", "Left", "Answered", "Answered"]
    assert not play.world.item.stopped
    play.child(Feed(8), END)
    assert len(play.stored()) == 8


def test_a_large_plan_stands_on_a_shelf_and_comes_back_equal() -> None:
    play = Play(*ONES[:4], rows=4, pad=70_000)
    play.child(Feed(4), strikes={("create.commit_file", 1): "kill after"})
    raw = play.world.ledger.read(KEY)
    assert raw is not None
    assert raw[1]["plan"]["names"] == []
    done = play.child(Feed(4), END)
    assert done[:2] == ["Unshelved", "Shelved"]  # who opens writes the item again; the shelf's name is taken
    assert done.count("Replaced") == 2
    assert sorted(play.world.place.objects)[-2:] == sorted(n for n, _ in play.world.place.names("events"))
    assert commit_name(IDENTITY, 1) in play.world.place.objects
    assert len(play.stored()) == 4


def test_a_lost_reply_is_asked_after_and_nothing_is_done_twice() -> None:
    play = Play(*ONES[:4], rows=4)
    lost = {
        (kind, 1): "lose the reply"
        for kind in ("swap.open", "swap.prepare", "create.object", "create.commit_file", "swap.commit")
    }
    done = play.child(Feed(4), TICK, strikes=lost)  # type: ignore[arg-type]
    # An open whose reply is lost cannot be told from another's: it is done again. A put finds its own.
    assert done == [
        *("Opened", "Opened", "Answered", "Prepared", "Put", "Put", "Put", "PutCommitFile", "PutCommitFile"),
        *("Committed", "Answered", "Checkpointed", "Answered"),
    ]
    assert play.world.item.chain == 1
    assert play.world.item.generation == 2
    assert len(play.stored()) == 4
