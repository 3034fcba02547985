"""`tailrace redrive`. Rule: a dry run writes nothing; what is sent is sent once, and a crash loses nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.aws import options
from support.fake_kinesis import FakeKinesis
from support.ministack import ministack
from support.rejected_lake import MONDAY_MS, RejectedLake
from support.small_lake import EPOCH
from tailrace.cli import redrive, selection
from tailrace.commit.claims import LedgerClaims
from tailrace.commit.committed import shards_of
from tailrace.commit.redrives import Redrives
from tailrace.nouns import Record, Redriven
from tailrace.rows.duplicates import redriven_key
from tailrace.rows.redriven import unwrapped, wrap
from tailrace.settings import Aws, Settings, SettingsError
from tailrace.settings import Stream as SourceStream
from tailrace.sinks.lake.rejects import Reject, Rejects, Wanted
from tailrace_producer.aggregate import unpack
from tailrace_producer.put import Putter

OLD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "path"],
    "properties": {"type": {"const": "buy"}, "path": {"type": "string"}, "id": {"type": "string"}},
}
NEW = OLD | {"properties": OLD["properties"] | {"coupon": {"type": "string"}}}  # type: ignore[operator]
GOOD = ["b-1", "b-2", None]
BODIES = [
    *({"type": "buy", "page": "/x", "coupon": "c"} | ({"id": one} if one else {}) for one in GOOD),
    {"type": "buy", "path": "/x", "id": "other", "color": "red"},
    {"type": "never"},
]
PATCH = [{"op": "move", "from": "/page", "path": "/path"}]


class World:
    """A lake with rejects, a schema folder that knows better by now, a stream."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.lake, self.kinesis = folder, RejectedLake(folder), FakeKinesis()
        bodies = [*(json.dumps(one).encode() for one in BODIES), b"no JSON"]
        records = [Record(body, str(n), 0, MONDAY_MS + n) for n, body in enumerate(bodies, 1)]
        self.lake.take("s-0", *records, schemas={("buy", "1-0-0"): OLD})
        for version, schema in (("1-0-0", OLD), ("1-1-0", NEW)):
            file = folder / "schemas" / "buy" / f"{version}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(schema))
        self.patch = folder / "patch.json"
        self.patch.write_text(json.dumps(PATCH))
        monkeypatch.setattr(selection, "ledger_of", lambda _settings, *, file_run: self.lake.store)
        putter = Putter(self.kinesis, "clicks", sleep=lambda _s: None)
        monkeypatch.setattr(redrive.Stream, "of", lambda _settings: redrive.Stream(putter))

    def settings(self) -> Settings:
        return self.lake.settings(self.folder / "schemas", "clicks")

    def ask(self, *arguments: str, patch: bool = True) -> int:
        parser = argparse.ArgumentParser()
        redrive.configure(parser)
        more = ["--patch", str(self.patch)] if patch else []
        args = parser.parse_args([*arguments, *more, "--rate", "100000"])
        args.settings = self.settings()
        return redrive.run(args)

    def rejects(self) -> list[Reject]:
        return list(Rejects(self.lake.place, Wanted()).run(shards_of(self.lake.store, EPOCH, "")))

    def arrived(self) -> list[Record]:
        return [unwrapped(Record(one.data, "1", 0, 0)) for one in self.kinesis.read()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    made.lake.close()


def sums(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def test_a_dry_run_says_what_would_be_and_writes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    keys = list(world.lake.store.keys(""))
    assert world.ask() == 0
    assert capsys.readouterr().out.splitlines() == [
        "6 rejects",
        "        3 would be stored    buy/v1 3",
        "        0 would be rejected again",
        "        1 not patchable: no JSON",
        "        2 not patchable: the patch does not fit",
        "                 2 operation 1, move from /page to /path: no such place",
        "Nothing was sent; --send sends the 3.",
    ]
    assert world.kinesis.calls == []
    assert list(world.lake.store.keys("")) == keys


def test_what_is_sent_is_the_mended_event_under_its_own_id(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.ask("--send") == 0
    assert capsys.readouterr().out.endswith("\n3 sent.\n")
    rejects = {one.row_id: one for one in world.rejects()}
    arrived = world.arrived()
    assert len(arrived) == 3
    for one in arrived:
        assert one.redriven is not None
        reject = rejects[one.redriven.row_id]
        event = json.loads(one.data)
        assert one.redriven.event_id == (reject.event_id or reject.row_id)
        assert event.get("id") == reject.event_id
        assert {"path": "/x", "coupon": "c"}.items() <= event.items()
        assert "page" not in event
    assert {one.partition_key for one in world.kinesis.read()} <= set(rejects)


def test_run_again_it_sends_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.ask("--send") == 0
    capsys.readouterr()
    assert world.ask("--send", "--json") == 0
    found = sums(capsys)
    assert (found["found"], found["before"], found["stored"], found["sent"]) == (6, 3, 0, 0)
    assert len(world.arrived()) == 3
    assert world.ask("--text", "$.page", "--send") == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 rejects",
        "        3 were sent before (--again sends them once more)",
        "0 sent.",
    ]
    assert world.ask("--text", "$.page", "--again") == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "3 rejects",
        "        3 were sent before, and are tried once more",
    ]
    assert world.ask("--send", "--again", "--json") == 0
    assert sums(capsys)["sent"] == 3


def test_filters_choose(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.ask("--text", "$.color", "--json", patch=False) == 0
    found = sums(capsys)
    assert (found["found"], found["stored"], found["rejected"]) == (1, 0, 1)
    (kind,) = found["reasons"]
    assert (kind["event_type"], kind["stage"], kind["count"]) == ("buy", "schema", 1)
    assert world.ask("--type", "none-such") == 1
    assert capsys.readouterr().out == "No rejects found.\n"


def test_without_a_patch_the_bytes_go_as_they_came(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    good = b' {"type": "buy",  "path": "/y", "coupon": "c"} '
    world.lake.take("s-1", Record(good, "9", 0, MONDAY_MS), schemas={("buy", "1-0-0"): OLD})
    assert world.ask("--send", "--json", patch=False) == 0
    found = sums(capsys)
    assert (found["stored"], found["rejected"], found["sent"]) == (1, 6, 1)
    assert [one.data for one in world.arrived()] == [good]


def test_an_event_that_was_rejected_again_keeps_its_first_mark(world: World) -> None:
    assert world.ask("--send") == 0
    sent = world.kinesis.read()
    world.lake.take(
        "s-1",
        *(Record(one.data, str(n), 0, MONDAY_MS) for n, one in enumerate(sent, 1)),
        schemas={("buy", "1-0-0"): OLD},
    )
    marks = {one.redrive_of for one in world.rejects() if one.redrive_of}
    assert len(marks) == 3
    assert world.ask("--send", patch=False) == 0
    arrived = world.arrived()
    assert len(arrived) == 6
    assert {one.redriven.row_id for one in arrived if one.redriven} == marks


def test_a_mark_whose_row_was_rejected_after_all_is_free_again(world: World) -> None:
    """It was to be stored, a child died, and then it was rejected: it is not in the lake, and may go again."""
    claims = LedgerClaims(world.lake.store)
    first, other = world.rejects()[:2]
    again = wrap(Redriven(first.row_id, "b-1"), b'{"type": "buy", "page": "/x", "id": "b-1"}')
    world.lake.take("s-1", Record(again, "1", 0, MONDAY_MS), schemas={("buy", "1-0-0"): OLD})
    (second,) = [one.row_id for one in world.rejects() if one.redrive_of]
    key = redriven_key(EPOCH, first.row_id)
    assert claims.claim({key: second}, 0, 0) == {key: second}
    stored = redriven_key(EPOCH, other.row_id)
    assert claims.claim({stored: "its row"}, 0, 0) == {stored: "its row"}
    assert world.ask() == 0
    assert claims.claim({key: "new"}, 0, 0) == {key: second}, "a dry run frees nothing"
    assert world.ask("--send") == 0
    assert claims.claim({key: "new"}, 0, 0) == {key: "new"}
    assert world.ask("--send", "--again") == 0
    assert claims.claim({key: "newer", stored: "newer"}, 0, 0) == {key: "new", stored: "its row"}


@pytest.mark.parametrize("mark", ["x" * 3000, "m\u00fcller", ""])
def test_a_mark_that_somebody_made_up_does_not_stop_the_others(world: World, mark: str) -> None:
    forged = wrap(Redriven(mark, "e"), b'{"type": "buy", "page": "/x", "id": "b-9"}')
    world.lake.take("s-1", Record(forged, "1", 0, MONDAY_MS), schemas={("buy", "1-0-0"): OLD})
    assert world.ask("--send") == 0
    assert len(world.arrived()) == 4
    assert all(0 < len(one.partition_key) <= 256 for one in world.kinesis.read())
    if mark:
        assert mark in {one.redriven.row_id for one in world.arrived() if one.redriven}


@pytest.mark.parametrize("before", ["sending", "the put", "sent"])
def test_after_a_crash_it_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], before: str
) -> None:
    """Each event is in the stream in the end; twice at most, where it died between the put and the note of it."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if before == "the put":
            patched.setattr(redrive.Stream, "send", dies)
        else:
            patched.setattr(Redrives, before, dies)
        with pytest.raises(KeyboardInterrupt):
            world.ask("--send")
    assert capsys.readouterr().err == "tailrace: cut off: 6 rejects looked at, 0 sent; run again, it goes on\n"
    assert len(world.arrived()) == (3 if before == "sent" else 0)
    assert world.ask("--send", "--json") == 0
    assert sums(capsys)["sent"] == 3
    ids = [one.redriven.row_id for one in world.arrived() if one.redriven]
    assert len(set(ids)) == 3
    assert len(ids) == (6 if before == "sent" else 3)
    assert world.ask("--send", "--json") == 0
    assert sums(capsys)["sent"] == 0


def test_what_the_stream_does_not_take_is_said_and_sent_the_next_time(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.kinesis.troubles = ["AccessDeniedException"]
    assert world.ask("--send") == 1
    said = capsys.readouterr()
    assert "0 sent." in said.out
    assert "not all was taken: 3 events: AccessDeniedException" in said.err
    assert world.ask("--send", "--json") == 0
    assert sums(capsys)["sent"] == 3


def test_what_is_too_large_is_said_and_not_sent(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive, "RECORD_BYTES_MAX", 100)
    assert world.ask("--send", "--json") == 0
    found = sums(capsys)
    assert (found["too_large"], found["stored"], found["sent"]) == (3, 0, 0)


def test_events_can_go_to_a_file(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    out = world.folder / "mended.jsonl"
    assert world.ask("--send", "--out", str(out), "--json") == 0
    assert sums(capsys)["sent"] == 3
    lines = out.read_bytes().splitlines()
    assert len({unwrapped(Record(line, "1", 0, 0)).redriven for line in lines}) == 3
    assert world.kinesis.calls == []
    assert out.stat().st_mode & 0o077 == 0, "personal data: for its owner only"
    with pytest.raises(SettingsError, match="File exists; expected the name of a new file"):
        world.ask("--send", "--out", str(out))
    none = world.folder / "none.jsonl"
    assert world.ask("--send", "--out", str(none), "--json") == 0
    assert sums(capsys)["sent"] == 0
    assert not none.exists()


def test_the_rate_is_kept(world: World) -> None:
    rejects = world.rejects()
    assert [len(batch) for batch in redrive.batches(rejects, 4, 10**9)] == [4, 2]
    assert [len(batch) for batch in redrive.batches(rejects, 4, 1)] == [1] * 6
    assert [one for batch in redrive.batches(rejects, 500, 150) for one in batch] == rejects


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), ("{}", "expected a JSON Patch"), ('[{"op":"mend","path":"/a"}]', "operation 1: ")],
)
def test_a_patch_that_is_none_is_refused(world: World, text: str | None, said: str) -> None:
    world.patch.unlink()
    if text is not None:
        world.patch.write_text(text)
    with pytest.raises(SettingsError, match=said):
        world.ask()


def test_what_came_by_the_stream_should_go_back_by_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.ask("--send", "--out", str(world.folder / "a.jsonl")) == 0
    assert "a backfill cannot know which of them the consumer has stored" in capsys.readouterr().err
    assert world.ask("--send", "--again", "--files", "--out", str(world.folder / "b.jsonl")) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast"])
def test_a_rate_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], rate: str) -> None:
    parser = argparse.ArgumentParser()
    redrive.configure(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--rate={rate}"])
    assert f"found {rate}, expected events a second, more than none" in capsys.readouterr().err


def test_sending_needs_a_stream_or_a_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "settings", lambda self: self.lake.settings(self.folder / "schemas"))
    with pytest.raises(SettingsError, match="no stream to send to"):
        world.ask("--send")
    with pytest.raises(SettingsError, match="what `backfill` rejected goes back through a file: add --out FILE"):
        world.ask("--send", "--files")
    assert world.kinesis.calls == []


def test_a_real_put_is_what_a_consumer_unwraps(tmp_path: Path) -> None:
    with ministack(tmp_path) as server:
        kinesis = boto3.client("kinesis", **options(server.url))
        kinesis.create_stream(StreamName="clicks", ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName="clicks", WaiterConfig={"Delay": 1})
        settings = Settings(stream=SourceStream(name="clicks"), aws=Aws(kinesis_endpoint=server.url))
        marks = [Redriven(f"{at:032x}", f"e-{at}") for at in range(50)]
        ready = [redrive.Ready(mark.row_id, mark.row_id, wrap(mark, b"{}")) for mark in marks]
        assert redrive.Stream.of(settings).send(ready) == ([one.row_id for one in ready], "")
        records = []
        for shard in kinesis.list_shards(StreamName="clicks")["Shards"]:
            at = kinesis.get_shard_iterator(
                StreamName="clicks", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            records += [one["Data"] for one in kinesis.get_records(ShardIterator=at)["Records"]]
    users = [user for data in records for user in unpack(data)]
    assert len(records) < 50  # they travel packed
    assert {unwrapped(Record(user.data, "1", 0, 0)).redriven for user in users} == set(marks)
    assert all(user.partition_key == unwrapped(Record(user.data, "1", 0, 0)).redriven.row_id for user in users)  # type: ignore[union-attr]
