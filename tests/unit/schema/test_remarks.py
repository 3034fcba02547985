"""What a schema says for nothing is remarked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailrace.schema.references import plain
from tailrace.schema.remarks import REMARKS_MAX, remarks
from tailrace.schema.validate import compiled

ROOT = Path(__file__).resolve().parents[3]
D4, D7 = "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"
D19, D20 = "https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema"


def of(schema: dict[str, Any]) -> list[str]:
    return remarks(plain(schema))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"propertes": {}}, '$.propertes: judges nothing: no keyword; did you mean "properties"?'),
        ({"properties": {"a": {"maxlength": 3}}}, "$.properties.a.maxlength: judges nothing: no keyword; did you mean"),
        (
            {"items": {"nullable": True}},
            '$.items.nullable: judges nothing: no keyword of JSON Schema, which has "type"',
        ),
        (
            {"$schema": D4, "const": 1},
            "$.const: judges nothing: a keyword from draft-06 on, and the dialect is draft-04",
        ),
        ({"dependentRequired": {}}, "$.dependentRequired: judges nothing: a keyword from 2019-09 on, and the dialect"),
        ({"$schema": D19, "prefixItems": [{}]}, "$.prefixItems: judges nothing: a keyword from 2020-12 on"),
        ({"format": "datetime"}, '$.format: "datetime" is checked by no dialect; did you mean "date-time"?'),
        ({"format": "colour"}, '$.format: "colour" is checked by no dialect'),
        ({"format": "uuid"}, '$.format: "uuid" is checked from 2019-09 on, and the dialect is draft-07'),
        (
            {"properties": {"a": {"$ref": "#/definitions/b", "maxLength": 1}}, "definitions": {"b": {}}},
            "$.properties.a.maxLength: judges nothing: draft-07 passes over what stands beside $ref",
        ),
        (
            {"allOf": [{"additionalProperties": False, "required": ["a", "b"], "properties": {"a": {}}}]},
            '$.allOf[0]: "b" is required, and not allowed: no object can be valid',
        ),
    ],
)
def test_what_judges_nothing_is_named_by_its_place(schema: dict[str, Any], said: str) -> None:
    (only,) = of(schema)
    assert only.startswith(said)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "title": "x", "$defs": {"a": {"type": "string"}}},
        {"$schema": D20, "$ref": "#/$defs/a", "maxLength": 1, "$defs": {"a": {"type": "string", "format": "uuid"}}},
        {
            "x-format": 1,
            "owner": "me",
            "$comment": "x",
            "readOnly": True,
            "deprecated": True,
            "examples": [{"nullable": 1}],
        },
        {"properties": {"format": {}, "nullable": {"enum": ["datetime"]}, "propertes": {"const": {"require": 1}}}},
        {"additionalProperties": False, "patternProperties": {"^b": {}}, "required": ["b"]},
        {"dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
    ],
)
def test_what_is_sound_has_no_remark(schema: dict[str, Any]) -> None:
    assert of(schema) == []


def test_formats_are_those_that_are_checked() -> None:
    # Text that no format takes: where it is valid, the format is not checked.
    for dialect in (D4, D7, D19, D20):
        for name in ("date", "email", "uri", "uuid", "duration", "iri", "json-pointer", "hostname", "time", "regex"):
            schema = {"$schema": dialect, "format": name}
            checked = not compiled(schema).validator.is_valid("\\ ( @@ ~2")
            assert bool(of(schema)) is not checked, (dialect, name)


def test_remarks_are_bounded() -> None:
    assert len(of({"properties": {f"p{at}": {"nullable": True} for at in range(1000)}})) == REMARKS_MAX


def test_our_own_schemas_have_none() -> None:
    files = sorted((ROOT / "properties" / "schemas").glob("*/*.json"))
    assert files
    assert [of(json.loads(file.read_text())) for file in files] == [[]] * len(files)
