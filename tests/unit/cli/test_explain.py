"""`tailrace explain`: the verdict, the schema, every reason, and the row as the pipeline would store it."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.pipelines import CLICK, READING
from tailrace.cli import main

CLICKED = {"eventType": "click", "eventId": "e1", "timestamp": "2026-01-01T00:00:00Z", "target": {"id": "buy"}}
READ = {"event_type": "reading", "value": 1.5}


class Explain:
    """Two schemas, and a file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self._capsys = folder / "events.json", capsys
        for name, schema in (("click", CLICK), ("reading", READING)):
            (folder / name).mkdir()
            (folder / name / "1-0-0.json").write_text(json.dumps(schema))
        self.environ: Mapping[str, str] = {"TAILRACE_SCHEMAS_PATH": str(folder)}

    def __call__(self, data: bytes | object, *options: str, status: int = 0, **environ: str) -> list[str]:
        self.file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        assert main(["explain", str(self.file), *options], {**self.environ, **environ}) == status
        return self._capsys.readouterr().out.splitlines()

    def facts(self, data: bytes | object, *options: str, status: int = 0, **environ: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(data, "--json", *options, status=status, **environ)]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    return Explain(tmp_path, capsys)


def test_a_stored_event_is_shown_as_its_row(explain: Explain) -> None:
    assert explain({**CLICKED, "tenant": "acme"}) == [
        "line 1: stored in click/v1, judged by click/1-0-0",
        "  event_id        e1",
        "  tenant          acme",
        "  event_type      click",
        "  schema_version  1-0-0",
        "  event_time      2026-01-01T00:00:00Z",
        "  time_source     event",
        '  target          {"id": "buy"}',
        "",
        "1 event: 1 stored.",
    ]


def test_nulls_are_shown_when_asked_for(explain: Explain) -> None:
    assert ["user_id", "null"] in [line.split() for line in explain(CLICKED, "--all")]


def test_a_rejected_event_has_all_its_reasons(explain: Explain) -> None:
    wrong = {**CLICKED, "timestamp": "yesterday", "target": {"x": "\x1b[2Jleft\n"}}
    lines = explain(wrong, status=1)
    assert lines[0] == "line 1: rejected, judged by click/1-0-0"
    assert [line.split()[:2] for line in lines[1:-2]] == [
        ["contract/time", "$.timestamp"],
        ["schema/type", "$.target.x"],
        ["schema/required", "$.target.id"],
    ]
    assert lines[-1] == "1 event: 1 rejected."
    assert all(line.isprintable() for line in lines)


def test_each_event_of_a_list_has_its_own_verdict(explain: Explain) -> None:
    lines = explain([READ, {"event_type": "reading"}, 7], status=1)
    assert [line for line in lines if line.startswith("line")] == [
        "line 1, event 0: stored in reading/v1, judged by reading/1-0-0",
        "line 1, event 1: rejected, judged by reading/1-0-0",
        "line 1, event 2: rejected, before a schema was asked",
    ]
    assert lines[-1] == "3 events: 2 rejected, 1 stored."


def test_what_is_filtered_says_why(explain: Explain) -> None:
    (one,) = explain.facts({"event_type": "reading"}, TAILRACE_VERDICTS_DROP="reading")
    assert (one["verdict"], one["why"], one["schema"]) == ("filtered", "schema", "reading/1-0-0")
    assert [reason["keyword"] for reason in one["reasons"]] == ["required"]
    (other,) = explain.facts({"event_type": "unheard of"}, TAILRACE_CONTRACT_UNKNOWN_TYPES="drop")
    assert (other["verdict"], other["why"]) == ("filtered", "unknown_type")


def test_filtered_events_of_several_kinds_are_told_apart(explain: Explain) -> None:
    events = [{"event_type": "unheard of"}, READ, {"event_type": "reading"}]
    found = explain.facts(events, TAILRACE_VERDICTS_DROP="reading", TAILRACE_CONTRACT_UNKNOWN_TYPES="drop")
    assert [(one["verdict"], one["why"]) for one in found] == [
        ("filtered", "unknown_type"),
        ("stored", None),
        ("filtered", "schema"),
    ]


def test_what_no_route_takes_says_so(explain: Explain) -> None:
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["click"]}
    environ = {"TAILRACE_ROUTES_JSON": json.dumps([lake]), "TAILRACE_CONTRACT_UNKNOWN_TYPES": "drop"}
    lines = explain([CLICKED, READ, {"type": "new"}], status=0, **environ)
    assert [line.partition(": ")[2] for line in lines if line.startswith("line")] == [
        "stored in click/v1, judged by click/1-0-0",
        "filtered, judged by reading/1-0-0: no route takes it to the lake",
        "filtered: its type has no schema, and such are dropped",
    ]


def test_a_lenient_event_has_reasons_and_a_row(explain: Explain) -> None:
    (one,) = explain.facts({**CLICKED, "path": 3}, TAILRACE_VERDICTS_LENIENT="click")
    assert one["verdict"] == "lenient"
    assert [reason["path"] for reason in one["reasons"]] == ["$.path"]
    assert json.loads(one["row"]["extra"]) == {"path": 3}


def test_a_type_without_a_schema_says_so(explain: Explain) -> None:
    lines = explain({"type": "new"}, TAILRACE_CONTRACT_UNKNOWN_TYPES="store")
    assert lines[0] == "line 1: stored in new/v0, without a schema"


def test_json_has_stable_keys(explain: Explain) -> None:
    (one,) = explain.facts(CLICKED)
    assert list(one) == ["line", "event", "verdict", "table", "event_type", "schema", "why", "reasons", "row"]
    assert not {"row_id", "position", "shard", "received_at"} & set(one["row"])


def test_a_record_is_judged_as_the_stream_holds_it(explain: Explain) -> None:
    data = b"%s\n%s" % (json.dumps(READ).encode(), json.dumps(READ).encode())
    assert [one["event"] for one in explain.facts(data, "--record")] == [0, 1]
    assert [one["line"] for one in explain.facts(data)] == [1, 2]


def test_standard_input_is_read(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(READ, indent=1).encode())))
    assert main(["explain", "-"], dict(explain.environ)) == 0


@pytest.mark.parametrize("data", [b"", b" \n"])
def test_no_event_is_wrong_usage(explain: Explain, data: bytes) -> None:
    assert explain(data, status=2) == []


def test_a_file_that_is_not_there_is_wrong_usage(explain: Explain) -> None:
    assert main(["explain", "absent.json"], dict(explain.environ)) == 2


def test_a_gzip_is_taken_apart_but_for_one_record(explain: Explain) -> None:
    packed = gzip.compress(json.dumps(READ).encode() + b"\n" + json.dumps(READ).encode())
    assert explain(packed)[-1] == "2 events: 2 stored."
    (fact,) = explain.facts(packed, "--record", status=1)
    assert fact["reasons"][0]["keyword"] == "utf8"
    explain(packed[:-9], status=2)


def test_a_version_that_is_not_there_has_judged_nothing(explain: Explain) -> None:
    lines = explain({**READ, "schema_version": "7-0-0"}, status=1)
    assert lines[0] == "line 1: rejected, before a schema was asked"
    (fact,) = explain.facts({"schema": "iglu:com.acme/reading/jsonschema/7-0-0", "data": {}}, status=1)
    assert (fact["schema"], fact["reasons"][0]["path"]) == (None, "$.schema")


READINGS = b'value,note\r\n1.5,"a,\nb"\r\nmany,\r\n1.5,"a\r\n2\r\n'
CSV = {"TAILRACE_CSV_COLUMNS": "value=value:number,note=:drop", "TAILRACE_CSV_EVENT_TYPES": "readings-*.csv*=reading"}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_rows_of_csv_are_told_by_the_files_ending(explain: Explain, packed: bool) -> None:
    explain.file = explain.file.with_name("readings-1.csv.gz" if packed else "readings-1.csv")
    told = explain.facts(gzip.compress(READINGS) if packed else READINGS, status=1, **CSV)
    assert [(one["line"], one["verdict"]) for one in told] == [
        (2, "stored"),
        (4, "rejected"),
        (5, "rejected"),
        (6, "rejected"),
    ]
    assert told[0]["row"]["value"] == 1.5
    assert [one["reasons"][0]["keyword"] for one in told[1:]] == ["type", "csv", "cells"]


def test_a_file_of_csv_that_is_refused_says_why(explain: Explain, capsys: pytest.CaptureFixture[str]) -> None:
    explain.file = explain.file.with_name("a.csv")
    explain.file.write_bytes(b"a,a\n1,2\n")
    assert main(["explain", str(explain.file)], explain.environ) == 2
    assert 'a.csv: its header names "a" twice' in capsys.readouterr().err
    explain(b"a\n", status=2)
