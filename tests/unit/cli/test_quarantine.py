"""`tailrace quarantine`. Rule: what is there is shown by reason, newest first or whole, and masked unless asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.rejected_lake import MONDAY_MS, RejectedLake
from support.small_lake import EPOCH
from tailrace import cli
from tailrace.cli import quarantine, selection
from tailrace.cli.selection import moment
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.commit.redrives import Redrives
from tailrace.nouns import Record
from tailrace.settings import SettingsError
from tailrace.world import WorldDenied, WorldError

SECRET = "Ada Lovelace"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[RejectedLake]:
    made = RejectedLake(tmp_path)
    clicks = [
        {"eventType": "click", "tenant": f"t{n % 2}", "path": SECRET, "items": [{}] * n + [{"qty": SECRET[:n]}]}
        for n in range(3)
    ]
    bodies = [*(json.dumps(one).encode() for one in clicks), SECRET.encode(), b'{"event_type":"reading"}']
    made.take("s-0", *(Record(body, str(n), 0, MONDAY_MS + 1000 * n) for n, body in enumerate(bodies, 1)))
    yield made
    made.close()


def ask(lake: RejectedLake, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    quarantine.configure(parser)
    args = parser.parse_args([arguments[0], "--files", *arguments[1:]])
    args.settings = lake.settings()
    return quarantine.run(args)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_stats_group_what_is_wrong_alike(lake: RejectedLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "stats", "--json") == 0
    groups = {(one["event_type"], one["stage"], one["keyword"]): one for one in lines(capsys)}
    assert {key: one["count"] for key, one in groups.items()} == {
        ("click", "schema", "type"): 3,
        ("-", "parse", "json"): 1,
        ("reading", "schema", "required"): 1,
    }
    clicks = groups["click", "schema", "type"]
    assert clicks["path"] == "$.items[*].qty"
    assert (clicks["tenants"], clicks["redriven"]) == (["t0", "t1"], 0)
    assert (clicks["first"], clicks["last"]) == ("2025-10-13T00:00:01+00:00", "2025-10-13T00:00:03+00:00")
    assert len(clicks["example"]["row_id"]) == 32


def test_stats_for_a_person(lake: RejectedLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "stats") == 0
    out = capsys.readouterr().out
    assert "        3  click  schema/type $.items[*].qty: " in out
    assert "2025-10-13 00:00:01 to 2025-10-13 00:00:03; tenants: t0, t1" in out
    assert out.endswith("5 rejects in 3 groups, 0 sent again.\n")


@pytest.mark.parametrize("kind", [["stats"], ["stats", "--json"], ["list"], ["list", "--json"]])
def test_values_are_masked_unless_asked_for(
    lake: RejectedLake, capsys: pytest.CaptureFixture[str], kind: list[str]
) -> None:
    assert ask(lake, *kind) == 0
    assert "Ad" not in capsys.readouterr().out
    assert ask(lake, *kind, "--raw") == 0
    assert "Ad" in capsys.readouterr().out


def test_the_example_shows_what_its_reason_speaks_of(
    tmp_path: Path, lake: RejectedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"eventType": "click", "data": {f"k{n}": n for n in range(60)}, "path": 7}
    lake.take("s-1", Record(json.dumps(body).encode(), "1", 0, MONDAY_MS))
    assert ask(lake, "stats", "--shard", "s-1") == 0
    example = capsys.readouterr().out.splitlines()[2]
    assert example.endswith('"path":"#"}')
    assert ": ..." in example
    assert len(example) < 220


def test_the_settings_file_may_stand_after_the_subcommand(
    lake: RejectedLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.toml"
    file.write_text(f'[lake]\nuri = "{lake.root}"\n[ledger]\npath = "{lake.ledger_path}"\n')
    for arguments in (["list", "--files", "--config", str(file)], ["--config", str(file), "list", "--files"]):
        assert cli.main(["quarantine", *arguments], {}) == 0
        assert capsys.readouterr().out.endswith("5 of 5 rejects.\n")


def test_list_shows_the_newest_first(lake: RejectedLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "list", "--limit", "2") == 0
    first, second, sums = capsys.readouterr().out.splitlines()
    assert first.startswith("2025-10-13 00:00:05  ")
    assert "reading  none  schema/required" in first.replace("  -  ", "  none  ")
    assert "parse/json $: found no JSON" in second
    assert sums == "2 of 5 rejects."


def test_list_as_json_is_a_line_each(lake: RejectedLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "list", "--json", "--type", "click") == 0
    rows = lines(capsys)
    assert [row["received_at"][17:19] for row in rows] == ["03", "02", "01"]
    assert all("raw" not in row and row["reasons"] for row in rows)


def test_show_has_everything_of_one(lake: RejectedLake, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "list", "--json", "--type", "click") == 0
    row_id = lines(capsys)[0]["row_id"]
    assert ask(lake, "show", row_id) == 0
    out = capsys.readouterr().out
    for expected in (row_id, "click/1-0-0", "s-0", "reason      schema/type $.items[2].qty", '"path":"•••(12)"'):
        assert expected in out
    assert "Ad" not in out
    assert ask(lake, "show", row_id, "--raw") == 0
    assert f'"path": "{SECRET}"' in capsys.readouterr().out
    assert ask(lake, "show", row_id, "--raw", "--json") == 0
    (facts,) = lines(capsys)
    assert json.loads(facts["raw"])["path"] == SECRET


def test_what_was_sent_again_is_marked_and_can_be_left_out(
    lake: RejectedLake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(lake, "list", "--json") == 0
    rows = [row["row_id"] for row in lines(capsys)]
    redrives = Redrives(lake.store, EPOCH)
    redrives.sent(redrives.sending(rows[:2], 1), rows[:2], 2)
    redrives.sending(rows[2:3], 3)
    assert ask(lake, "list", "--json") == 0
    assert [row["redriven"] for row in lines(capsys)] == ["sent", "sent", "sending", "", ""]
    assert ask(lake, "list", "--json", "--pending") == 0
    assert [row["row_id"] for row in lines(capsys)] == rows[2:]
    assert ask(lake, "list", "--limit", "1") == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("[sent]")
    assert ask(lake, "stats") == 0
    assert "5 rejects in 3 groups, 3 sent again." in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["list", "--tenant", "x"], ["stats", "--since", "1m"], ["show", "x"]])
def test_nothing_found_is_1(lake: RejectedLake, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert ask(lake, *arguments) == 1
    assert "ound" in capsys.readouterr().out


def test_many_kinds_are_counted_together(
    lake: RejectedLake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "GROUPS_MAX", 1)
    assert ask(lake, "stats", "--json") == 0
    counts = {one["event_type"]: one["count"] for one in lines(capsys)}
    assert sum(counts.values()) == 5
    assert len(counts) == 2
    assert "(others)" in counts


def test_an_application_that_never_ran_cannot_be_asked(lake: RejectedLake, tmp_path: Path) -> None:
    lake.ledger_path = tmp_path / "other.sqlite"
    with pytest.raises(SettingsError, match=r"found no ledger at .*other\.sqlite: has a `backfill` run here\?"):
        ask(lake, "list")
    assert not lake.ledger_path.exists()
    SqliteLedger(lake.ledger_path)
    with pytest.raises(SettingsError, match="knows no application `tailrace`"):
        ask(lake, "list")


def test_times_are_iso_or_ago() -> None:
    assert moment("2026-01-31T08:00Z") == moment("2026-01-31T08:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert abs(datetime.now(UTC) - timedelta(days=3) - moment("3d")) < timedelta(minutes=1)
    assert moment("2026-01-31T10:00+02:00") == moment("2026-01-31T08:00Z")
    for wrong in (
        "soon",
        "",
        "2026-13-01",
        "9" * 20 + "d",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
        "0001-01-01",
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=f"found {wrong!r}, expected a time".replace("+", r"\+")):
            moment(wrong)


def test_times_far_away_are_times(lake: RejectedLake) -> None:
    assert ask(lake, "list", "--since", "0002-01-02", "--until", "9998-12-31") == 0
    assert ask(lake, "list", "--since", "9998-12-31T23:59+02:00") == 1


def test_no_id_is_no_question(lake: RejectedLake, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ask(lake, "show", "")
    assert "found nothing, expected an id" in capsys.readouterr().err


def test_names_that_senders_chose_move_no_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lake = RejectedLake(tmp_path)
    name = "\x1b[2J\n\x9b31m" + "n" * 200
    body = json.dumps({"eventType": name, "tenant": name, "eventId": name, name: name}).encode()
    lake.take("s-0", Record(body, "1", 0, MONDAY_MS))
    try:
        for kind in (
            ["list"],
            ["stats"],
            ["list", "--raw"],
            ["stats", "--raw"],
            ["show", name],
            ["show", name, "--raw"],
        ):
            assert ask(lake, *kind) == 0
            out = capsys.readouterr().out
            assert all(char == "\n" or char.isprintable() for char in out), kind
            if kind[0] != "show":
                assert "n" * 65 not in out.partition("for example")[0].partition("contract/")[0]
    finally:
        lake.close()


def test_other_reasons_of_an_example_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = RejectedLake(tmp_path)
    body = {"eventType": "click", "path": 7, "items": [{"qty": SECRET} for _ in range(6)]}
    lake.take("s-0", Record(json.dumps(body).encode(), "1", 0, MONDAY_MS))
    try:
        assert ask(lake, "stats") == 0
        out = capsys.readouterr().out
        assert "which has also schema/type $." in out
        assert out.count("schema/type") == 1 + quarantine.ALSO_MAX
        assert ", ...\n" in out
        assert "2025-10-13 00:00:00; tenants: -\n" in out
        assert ask(lake, "stats", "--json") == 0
        (group,) = lines(capsys)
        assert len(group["example"]["also"]) == 6
        assert SECRET not in json.dumps(group)
    finally:
        lake.close()


@pytest.mark.parametrize("error", [WorldError, WorldDenied])
def test_who_asks_a_ledger_that_is_away_hears_of_the_other(
    lake: RejectedLake, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def away(*_: object) -> None:
        raise error("no credentials")

    monkeypatch.setattr(selection, "ledger_of", lambda _settings, *, file_run: lake.store)
    monkeypatch.setattr(selection, "epoch_of", away)
    parser = argparse.ArgumentParser()
    quarantine.configure(parser)
    args = parser.parse_args(["list"])
    args.settings = lake.settings()
    with pytest.raises(error, match=r"no credentials \(what `backfill` stored is found with --files\)"):
        quarantine.run(args)


@pytest.mark.parametrize("limit", ["0", "10001", "x", "-1", "1.5"])
def test_a_limit_that_is_none_is_refused(lake: RejectedLake, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    with pytest.raises(SystemExit):
        ask(lake, "list", f"--limit={limit}")
    assert f"found {limit}, expected a number from 1 to 10000" in capsys.readouterr().err
