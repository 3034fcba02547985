"""The schema of a table's columns: names, types, and what stays when columns are appended."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tailrace.schema.book import ENVELOPE, QUARANTINE
from tailrace.sinks.lake.avro_schema import avro_schema, columns_of, kind_of, names, originals


def test_the_quarantines_schema() -> None:
    made = avro_schema(QUARANTINE.name, QUARANTINE.schema)
    assert made["name"] == "quarantine"
    assert made["fields"][:2] == [
        {"name": "row_id", "type": ["null", "string"], "default": None},
        {"name": "received_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
    ]
    assert made["fields"][-1]["type"] == ["null", "bytes"]


def test_the_envelope_comes_back_as_it_is() -> None:
    made = avro_schema("page_view/v1", ENVELOPE)
    assert made["name"] == "page_view_v1"
    assert columns_of(made) == ENVELOPE
    assert originals(made) == ENVELOPE.names


def test_records_are_named_by_where_they_stand() -> None:
    point = pa.struct([("x", pa.int64())])
    made = avro_schema("t/v1", pa.schema([("at", point), ("all", pa.list_(pa.struct([("at", point)])))]))
    first, second = (field["type"][1] for field in made["fields"])
    assert (first["namespace"], first["name"]) == ("t_v1", "at")
    inner = second["items"][1]
    assert (inner["namespace"], inner["name"]) == ("t_v1", "all")
    deep = inner["fields"][0]["type"][1]
    assert (deep["namespace"], deep["name"]) == ("t_v1.all", "at")


def test_what_is_appended_changes_nothing_that_was_there() -> None:
    point = [("x", pa.int64()), ("a-b", pa.string())]
    early = pa.schema([("at", pa.struct(point)), ("a-b", pa.string())])
    late = pa.schema([("at", pa.struct([*point, ("a b", pa.string())])), ("a-b", pa.string()), ("a_b", pa.string())])
    before, after = avro_schema("t/v1", early)["fields"], avro_schema("t/v1", late)["fields"]
    assert before[1] == after[1] == {"name": "a_b", "type": ["null", "string"], "default": None, "column": "a-b"}
    assert after[2]["name"] == "a_b_2"
    assert after[0]["type"][1]["fields"][:2] == before[0]["type"][1]["fields"]
    assert after[0]["type"][1]["fields"][2]["column"] == "a b"


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (["a", "b"], ["a", "b"]),
        (["a-b", "a b", "a_b"], ["a_b", "a_b_2", "a_b_3"]),
        (["1st", "", "\u00e9t\u00e9"], ["_1st", "_", "_t_"]),
        (["a", "A"], ["a", "A_2"]),
        (["a_b_2", "a-b", "a b"], ["a_b_2", "a_b", "a_b_3"]),
    ],
)
def test_names_that_avro_allows(wanted: list[str], given: list[str]) -> None:
    assert names(wanted) == given


def test_a_type_that_no_avro_type_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="no Avro type holds"):
        kind_of(pa.duration("s"), "t", "c")
