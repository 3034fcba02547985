"""`tailrace check`: everything that is wrong with schemas is said in one go, and a CI can rely on its status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.pipelines import CLICK, closed
from tailrace.cli import main

ROOT = Path(__file__).resolve().parents[3]
PAGE = closed({"type": {"const": "page"}, "n": {"type": "integer", "maximum": 100}, "t": {"type": "string"}}, ["type"])
GOOD = {"type": "page", "n": 1}
BAD = {"type": "page", "n": "one"}


class Schemas:
    """A folder of schemas and fixtures."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def put(self, path: str, *values: object) -> None:
        """Write a file of JSON, one value a line; bytes as they are."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
        file.write_bytes(b"\n".join(lines))

    def check(self, *options: str, status: int, environ: Mapping[str, str] | None = None) -> list[str]:
        """Check; return the lines of the output, without the folder's path."""
        assert main(["check", "--schemas", str(self.folder), *options], environ or {}) == status
        return [" ".join(line.split()) for line in self._out().splitlines()]

    def check_json(self, status: int) -> dict[str, Any]:
        assert main(["check", "--json", "--schemas", str(self.folder)], {}) == status
        out: dict[str, Any] = json.loads(self._out())
        return out

    def _out(self) -> str:
        return self._capsys.readouterr().out.replace(f"{self.folder}/", "")


@pytest.fixture
def schemas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Schemas:
    return Schemas(tmp_path / "schemas", capsys)


def test_the_schemas_of_this_repository_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["check", "--strict"], {}) == 0
    assert capsys.readouterr().out.strip().endswith("nothing wrong.")


def test_sound_schemas_with_fixtures_are_counted(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD, b"", {"type": "page"})
    schemas.put("page/1-0-0.bad.jsonl", BAD)
    assert schemas.check(status=0) == [
        "1 schema of 1 type, 2 files of fixtures (2 good, 1 bad), 0 steps: nothing wrong."
    ]


def test_every_broken_file_is_named_not_the_first_alone(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    schemas.put("click/1-0-0.json", b"{ no JSON")
    schemas.put("click/1-0-0.good.jsonl", GOOD)
    schemas.put("scroll/1-0-0.json", {"type": "nothing"})
    schemas.put("scroll/1-0-1.json", [1])
    lines = schemas.check(status=1)
    assert [line.split()[0] for line in lines[:-1]] == ["click/1-0-0.json", "scroll/1-0-0.json", "scroll/1-0-1.json"]
    assert lines[-1].startswith("4 schemas of 1 type, 2 files of fixtures (1 good, 0 bad)")


def test_a_good_line_that_is_rejected_is_named_with_its_line_and_reason(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD, BAD, {"type": "paje"}, b"{")
    lines = schemas.check(status=1)
    assert [line.split()[0] for line in lines[:-1]] == [f"page/1-0-0.good.jsonl:{at}" for at in (2, 3, 4)]
    assert "rejected by page/1-0-0: $.n: " in lines[0]
    assert lines[0].endswith("expected it to be stored by page/1-0-0")
    assert "(contract/unknown_type)" in lines[1]


def test_a_bad_line_that_is_stored_or_proves_nothing_is_named(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.bad.jsonl", GOOD, b"[]x", BAD, [BAD, BAD])
    lines = schemas.check(status=1)
    assert [line.split()[0] for line in lines[:-1]] == [f"page/1-0-0.bad.jsonl:{at}" for at in (1, 2, 4)]
    assert "found it stored in page/v1 by page/1-0-0" in lines[0]
    assert "rejected, before a schema was asked" in lines[1]
    assert "found 2 events in one line" in lines[2]


def test_fixtures_of_an_older_version_are_judged_by_it(schemas: Schemas) -> None:
    """Events that name no version: as it was when that version was the newest."""
    wider = closed({**PAGE["properties"], "u": {"type": "string"}}, ["type"])
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    schemas.put("page/1-0-0.bad.jsonl", {**GOOD, "u": "x"})
    schemas.put("page/1-0-1.json", wider)
    schemas.put("page/1-0-1.good.jsonl", {**GOOD, "u": "x"})
    assert schemas.check(status=0)[-1].endswith("1 step (1 addition): nothing wrong.")


def test_fixtures_say_nothing_of_verdicts(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.bad.jsonl", BAD)
    assert schemas.check(status=0, environ={"TAILRACE_VERDICTS_LENIENT": "page"})
    assert schemas.check(status=0, environ={"TAILRACE_VERDICTS_DROP": "pa*"})


def test_fixtures_without_a_schema_are_a_finding_and_a_schema_without_them_a_note(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-1.good.jsonl", GOOD)
    schemas.put("page/1-0-0.good.jsonl", b"\n\n")
    assert [line.split()[0] for line in schemas.check(status=1)[:-1]] == [
        "page/1-0-0.good.jsonl",
        "page/1-0-1.good.jsonl",
    ]
    for file in schemas.folder.glob("page/*.jsonl"):
        file.unlink()
    assert schemas.check(status=0)[0].startswith("note: page/1-0-0.json no fixtures")
    assert schemas.check("--strict", status=1)[0].startswith("page/1-0-0.json no fixtures")


def test_a_step_that_does_more_than_its_number_says_is_a_finding(schemas: Schemas) -> None:
    narrow = closed({**PAGE["properties"], "n": {"type": "integer", "maximum": 50}}, ["type"])
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-1.json", narrow)
    (finding,) = [line for line in schemas.check(status=1) if line.startswith("page/1-0-1.json")]
    expected = "$.n maximum narrowed: was at most 100, is at most 50: revision after 1-0-0, expected 1-1-0 or higher"
    assert finding == f"page/1-0-1.json {expected}"
    (schemas.folder / "page/1-0-1.json").rename(schemas.folder / "page/1-1-0.json")
    report = schemas.check_json(status=0)
    assert [(step["found"], step["said"]) for step in report["steps"]] == [("revision", "revision")]


def test_a_column_of_another_kind_needs_another_major(schemas: Schemas) -> None:
    other = closed({**PAGE["properties"], "n": {"type": "string"}}, ["type"])
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-1-0.json", other)
    assert schemas.check(status=1)[0].startswith('page/1-1-0.json the column "n": found text, ')
    (schemas.folder / "page/1-1-0.json").rename(schemas.folder / "page/2-0-0.json")
    assert schemas.check_json(status=0)["steps"][0]["found"] == "breaking"


def test_settings_that_do_not_hold_are_found_and_the_schemas_looked_at_all_the_same(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", BAD)
    environ = {"TAILRACE_ENRICH_STEPS": "user_agent,nonsense", "TAILRACE_VERDICTS_DROP": "klick,p*"}
    lines = schemas.check(status=1, environ=environ)
    assert lines[0].startswith("[enrich] steps")
    assert any(line.startswith("page/1-0-0.good.jsonl:1") for line in lines)
    assert [line for line in lines if line.startswith("[verdicts]")] == [
        "[verdicts] drop found 'klick', expected the name of an event type with a schema"
    ]


def test_a_pattern_that_fits_no_table_is_noted(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    environ = {"TAILRACE_LAKE_AVRO": "page/*,pages/*", "TAILRACE_REDSHIFT_TABLES": "page/v1,quarantine,page"}
    assert schemas.check(status=0, environ=environ)[:-1] == [
        "note: [lake] avro 'pages/*' fits no table of the schemas",
        "note: [redshift] tables 'page' fits no table of the schemas",
    ]


def test_routes_must_be_sound_and_name_known_types(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["pa*", "klick"]}
    wrong = {**lake, "enabled_event": []}
    (finding, _) = schemas.check(status=1, environ={"TAILRACE_ROUTES_JSON": json.dumps([lake])})
    assert finding == (
        "[routes] json lake: enabled_events: found 'klick', expected the name of an event type with a schema"
    )
    (finding, summary) = schemas.check(status=1, environ={"TAILRACE_ROUTES_JSON": json.dumps([wrong])})
    assert finding.startswith("[routes] json route 1 (lake): enabled_event is no key of a route")
    assert "(1 good, 0 bad)" in summary


def test_what_a_hot_route_names_that_no_schema_has_is_noted(schemas: Schemas) -> None:
    page = {
        **PAGE,
        "properties": {
            **PAGE["properties"],
            "open": {"type": "object"},
            "cart": closed({"sum": {"type": "number"}}, []),
        },
    }
    schemas.put("page/1-0-0.json", page)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    sums: dict[str, Any] = {
        "name": "sums",
        "key": ["tenant", "type", "path", "tennant"],
        "window": "day",
        "types": ["pages"],
    }
    sums["measures"] = {"n": {"op": "count"}, "most": {"op": "max", "of": "cart.sums"}}
    sums["measures"]["least"] = {"op": "min", "of": "open.any"}
    options = {"events": ["pa*", "klick"], "value": "cart.sum", "profile": {"page": ["tt"]}, "aggregates": [sums]}
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
    table = {"destination_arn": "arn:aws:dynamodb:eu-west-1:123456789012:table/hot", "enabled_events": ["*"]}
    route = {"destination_name": "hot", **table, "options": options}
    *noted, _ = schemas.check(status=0, environ={"TAILRACE_ROUTES_JSON": json.dumps([lake, route])})
    assert [line.removeprefix("note: [routes] json route hot: options: ") for line in noted] == [
        "events: found 'klick', expected the name of an event type with a schema",
        "aggregate sums: types: found 'pages', expected the name of an event type with a schema",
        "profile: page: no table has the column tt (did you mean t?)",
        "aggregate sums: key: no table has the column tennant (did you mean tenant?)",
        "aggregate sums: of: no table has the column cart.sums (did you mean cart.sum?)",
    ]


def test_what_a_template_names_that_no_table_has_is_noted(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    template = {"id": "$row_id", "list": [{"n": "$n"}, "$nn", "$", "$$n", "n", 1], "in": "$t.u"}
    lake = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"]}
    there = {"destination_name": "there", "destination_arn": "https://example.org", "enabled_events": ["*"]}
    routes = [lake, {**there, "options": {"template": template}}]
    *noted, _ = schemas.check(status=0, environ={"TAILRACE_ROUTES_JSON": json.dumps(routes)})
    start = "note: [routes] json route there: options: template: no table has the column"
    assert noted == [f"{start} nn", f"{start} t.u"]


def test_fixtures_say_nothing_of_routes(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    nowhere = {"destination_name": "lake", "destination_arn": "", "enabled_events": ["*"], "enabled": False}
    schemas.check(status=0, environ={"TAILRACE_ROUTES_JSON": json.dumps([nowhere])})


def test_a_pseudonym_of_nothing_is_noted(schemas: Schemas, tmp_path: Path) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"k": "c2VjcmV0c2VjcmV0c2VjcmV0"}))
    environ = {"TAILRACE_PRIVACY_KEYS": str(keys), "TAILRACE_PRIVACY_KEY": "k"}
    lines = schemas.check(status=0, environ=environ | {"TAILRACE_PRIVACY_PSEUDONYMS": "t,tt"})
    noted = [line for line in lines if "[privacy]" in line]
    assert noted == [
        "note: [privacy] pseudonyms tt: a member of no schema; where it stands in no event, nothing is altered"
    ]


def test_a_file_that_a_step_needs_is_asked_for(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    environ = {"TAILRACE_ENRICH_STEPS": "tenant", "TAILRACE_ENRICH_TENANTS": "absent.json"}
    assert schemas.check(status=1, environ=environ)[0].startswith("[enrich] tenants absent.json: no such file")


def test_json_has_stable_keys(schemas: Schemas) -> None:
    schemas.put("click/1-0-0.json", CLICK)
    schemas.put("click/1-0-1.json", b"{")
    report = schemas.check_json(status=1)
    assert list(report) == ["ok", "schemas", "broken", "fixtures", "steps", "findings", "notes"]
    assert report["broken"] == ["click/1-0-1.json"]
    assert [list(one) for one in report["findings"]] == [["kind", "where", "message"]]


def test_a_folder_that_is_not_there_is_wrong_usage(schemas: Schemas) -> None:
    assert schemas.check(status=2) == []


def test_every_layout_has_fixtures_beside_it(schemas: Schemas) -> None:
    """Iglu's, Avro's, and files that others refer to."""
    order = closed({"id": {"$ref": "../../../_shared/id.json"}}, ["id"])
    uri = "iglu:com.acme/order/jsonschema/1-0-0"
    schemas.put("_shared/id.json", {"type": "string", "minLength": 2})
    schemas.put("com.acme/order/jsonschema/1-0-0", order)
    schemas.put("com.acme/order/jsonschema/1-0-0.good.jsonl", {"schema": uri, "data": {"id": "ab"}})
    schemas.put("com.acme/order/jsonschema/1-0-0.bad.jsonl", {"schema": uri, "data": {"id": "a"}})
    fields = [{"name": "type", "type": "string"}, {"name": "n", "type": "long"}]
    schemas.put("tick/1-0-0.avsc", {"type": "record", "name": "Tick", "fields": fields})
    more = [*fields, {"name": "m", "type": ["null", "string"], "default": None}]
    schemas.put("tick/1-0-1.avsc", {"type": "record", "name": "Tick", "fields": more})
    schemas.put("tick/1-0-0.good.jsonl", {"type": "tick", "n": 1})
    schemas.put("tick/1-0-0.bad.jsonl", {"type": "tick", "n": "1"})
    assert schemas.check(status=0) == [
        "note: tick/1-0-1.avsc no fixtures: 1-0-1.good.jsonl, .bad.jsonl",
        "3 schemas of 2 types, 4 files of fixtures (2 good, 2 bad), 1 step (1 addition): nothing wrong.",
    ]


def test_a_step_is_seen_through_references(schemas: Schemas) -> None:
    def page(maximum: int) -> dict[str, Any]:
        body = closed({"type": {"const": "page"}, "n": {"$ref": "#/definitions/n"}}, ["type"])
        return {**body, "definitions": {"n": {"type": "integer", "maximum": maximum}}}

    schemas.put("page/1-0-0.json", page(9))
    schemas.put("page/1-0-1.json", page(5))
    assert "$.n maximum narrowed: was at most 9, is at most 5" in schemas.check(status=1)[0]
    schemas.put("page/1-0-1.json", page(10))
    assert schemas.check_json(status=0)["steps"][0]["found"] == "addition"


def test_a_folder_without_schemas_is_a_finding_unless_all_is_stored(schemas: Schemas) -> None:
    schemas.put("README.md", b"about")
    assert "found no schema, expected one at <event type>/<version>.json" in schemas.check(status=1)[0]
    schemas.check(status=0, environ={"TAILRACE_CONTRACT_UNKNOWN_TYPES": "store"})


def test_files_that_stand_where_nobody_reads_them_are_noted(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE)
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    strays = [
        "1-0-0.json", "page/1-1-0.JSON", "page/1-1-0.yaml", "page/schemas/1-1-0.json", "com.acme/a/jsonschema/1-0",
        "com.acme/a/jsonSchema/1-0-0", "page/1-0-0.Bad.jsonl", "page/good.jsonl",
    ]  # fmt: skip
    for path in [*strays, "page/notes.txt", "page/_old/1-0-0.json", ".git/1-0-0.json", "package.json"]:
        schemas.put(path, {})
    lines = schemas.check(status=0)[:-1]
    assert sorted(line.split()[1] for line in lines if "passed over, expected" in line) == sorted(strays)
    assert len(lines) == len(strays)


def test_what_a_schema_says_for_nothing_is_noted(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", PAGE | {"requird": ["n"]})
    schemas.put("page/1-0-0.good.jsonl", GOOD)
    said = 'note: page/1-0-0.json $.requird: judges nothing: no keyword; did you mean "required"?'
    assert said in schemas.check(status=0)
    schemas.check("--strict", status=1)
    schemas.put("_shared/a.json", {"definitions": {"b": {"format": "date_time"}}})
    said = (
        'note: _shared/a.json $.definitions.b.format: "date_time" is checked by no dialect; did you mean "date-time"?'
    )
    assert said in schemas.check(status=0)


def test_fixtures_of_no_iglu_schema_are_told_where_it_would_stand(schemas: Schemas) -> None:
    schemas.put("com.acme/page/jsonschema/1-0-0.good.jsonl", GOOD)
    said = "found fixtures of no schema, expected com.acme/page/jsonschema/1-0-0 beside them"
    assert any(line.endswith(said) for line in schemas.check(status=1))


def test_a_name_that_is_no_text_is_a_finding(schemas: Schemas) -> None:
    schemas.put("page\udce9/1-0-0.json", PAGE)
    assert schemas.check(status=1)[0] == "page\\udce9/1-0-0.json expected a name in UTF-8, on one line"


def test_a_file_of_routes_that_is_not_there_hides_no_schema(schemas: Schemas) -> None:
    schemas.put("page/1-0-0.json", {"type": 7})
    lines = schemas.check(status=1, environ={"TAILRACE_ROUTES_PATH": "nowhere.json"})
    assert [line.split()[0] for line in lines] == ["[routes]", "page/1-0-0.json", "1"]
    assert lines[0].split(maxsplit=2)[:2] == ["[routes]", "path"]
