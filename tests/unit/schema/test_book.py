"""The book: versions, tables, what is lifted, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support.pipelines import closed
from tailrace import settings
from tailrace.schema.book import ENVELOPE, QUARANTINE, Book, BookError, Page, safe, unknown_page

INT, STR = {"type": "integer"}, {"type": "string"}


def book(*versions: tuple[str, str, dict[str, Any]], **contract: Any) -> Book:
    return Book(settings.Contract(**contract), {(kind, version): schema for kind, version, schema in versions})


def page(of: Book, event_type: str, version: str | None = None) -> Page:
    found = of.page(event_type, version)
    assert found is not None
    return found


def own_columns(of: Book, table: str) -> list[str]:
    return of.tables()[table].schema.names[len(ENVELOPE) :]


def test_a_table_opens_with_the_envelope_and_goes_on_with_the_members_in_their_order() -> None:
    one = book(("a", "1-0-0", closed({"z": INT, "b": STR, "eventType": {"const": "a"}})))
    table = one.tables()["a/v1"]
    assert table.schema.names == [*ENVELOPE.names, "z", "b"]
    assert table.sort == "tenant"
    assert set(table.dictionary) <= {*table.schema.names}
    assert one.tables()["quarantine"] is QUARANTINE


def test_versions_of_a_major_share_a_table_that_only_grows() -> None:
    first = ("a", "1-0-0", closed({"x": INT, "y": STR}))
    tenth = ("a", "1-10-0", closed({"new": STR, "y": STR}))
    second = ("a", "1-2-0", closed({"w": STR, "x": INT}))
    assert own_columns(book(first), "a/v1") == ["x", "y"]
    assert own_columns(book(first, second), "a/v1") == ["x", "y", "w"]
    grown = book(tenth, second, first)
    assert own_columns(grown, "a/v1") == ["x", "y", "w", "new"]
    assert grown.versions("a") == ["1-0-0", "1-2-0", "1-10-0"]
    assert page(grown, "a").version == "1-10-0"
    assert page(grown, "a", "1-2-0").table is page(grown, "a").table
    assert grown.page("a", "1-3-0") is None
    assert grown.page("b", None) is None


def test_another_major_is_another_table() -> None:
    two = book(("a", "1-0-0", closed({"x": INT})), ("a", "2-0-0", closed({"x": STR})))
    assert {"a/v1", "a/v2"} < set(two.tables())
    assert page(two, "a").table.name == "a/v2"


def test_the_first_declared_candidate_is_lifted_and_its_rival_stays() -> None:
    one = book(("a", "1-0-0", closed({"id": STR, "eventId": STR, "tenant": STR, "browser": STR, "name": STR})))
    assert page(one, "a").lifted == {"event_type": "name", "event_id": "eventId", "tenant": "tenant"}
    assert own_columns(one, "a/v1") == ["id", "browser"]


def test_nothing_is_lifted_past_an_earlier_candidate_inside_another_member() -> None:
    one = book(("a", "1-0-0", closed({"meta": {"type": "object"}, "tenant": STR})), tenant=("meta.tenant", "tenant"))
    assert own_columns(one, "a/v1") == ["meta", "tenant_2"]


def test_a_self_describing_schema_keeps_its_name_and_version_members() -> None:
    one = book(("a", "1-0-0", {"self": {}, **closed({"name": STR, "version": STR})}))
    assert own_columns(one, "a/v1") == ["name", "version"]


def test_a_lift_that_moves_between_versions_loses_no_column() -> None:
    two = book(("a", "1-0-0", closed({"id": STR})), ("a", "1-1-0", closed({"id": STR, "event_id": STR})))
    assert own_columns(two, "a/v1") == ["id"]
    assert page(two, "a", "1-0-0").lifted == {"event_id": "id"}


def test_a_schema_that_is_a_reference_is_what_it_refers_to() -> None:
    """Next to `$ref`, draft-07 knows no other keyword: an object closed there is not closed."""
    inner = {"type": "object", "required": ["x"], "properties": {"x": INT}}
    schema = {"$ref": "#/definitions/a", "definitions": {"a": inner}, **closed({"y": STR}, ["y"])}
    found = page(book(("a", "1-0-0", schema)), "a")
    assert ([field.name for field in found.fields], found.closed, found.certain) == (["x"], False, frozenset({"x"}))


def test_names_the_envelope_has_and_names_alike_but_for_case_get_a_number() -> None:
    schema = closed({"position": STR, "Position": STR, "position_2": STR, "": INT, "Extra": INT})
    assert own_columns(book(("a", "1-0-0", schema)), "a/v1") == [
        "position_2",
        "Position_3",
        "position_2_2",
        "unnamed",
        "Extra_2",
    ]


def test_a_type_is_a_safe_folder_and_no_two_are_one() -> None:
    names = ["click", "a b", "a/b", "a_b", "../x", "_commits", "quarantine", "Quarantine", "é", "x" * 200, "x" * 201]
    made = [safe(name) for name in names]
    assert len(set(made)) == len(names)
    assert made[0] == "click"
    assert all(len(name) <= 100 and "/" not in name and name[0] not in "._" for name in made)
    assert "quarantine" not in made
    assert unknown_page("a/b", None).table.schema == ENVELOPE


def test_the_digest_tells_books_apart() -> None:
    one = book(("a", "1-0-0", closed({"x": INT})))
    assert one.digest == book(("a", "1-0-0", closed({"x": INT}))).digest
    assert one.digest != book(("a", "1-0-1", closed({"x": INT}))).digest
    assert one.digest != book(("a", "1-0-0", closed({"x": STR}))).digest
    assert one.digest != book(("a", "1-0-0", closed({"x": INT})), default_tenant="t").digest


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        (
            [("a", "1-0-0", closed({"x": INT})), ("a", "1-0-1", closed({"x": STR}))],
            r'^a/1-0-1\.json: the column "x": found text, expected integer as in the version before: .* like 2-0-0$',
        ),
        ([("a", "one", closed({}))], r'^a/one\.json: found the version "one", expected one like 1-0-0$'),
        ([("a", "1-0-0", {"type": "objekt"})], r'^a/1-0-0\.json: \$\.type: found "objekt", .*did you mean "object"\?$'),
        (
            [("a", "1-0-0", closed({"x": {"type": []}}))],
            r"\$\.properties\.x\.type: found an array, expected a list of dif",
        ),
        ([("a", "1-0-0", closed({"x": {"type": "string", "pattern": "(?=a)"}}))], r'found "\(\?=a\)", .*look-around'),
        ([("a", "1-0-0", {"properties": {"x": {"$ref": "http://example.com/x.json"}}})], r"^a/1-0-0\.json: "),
        (
            [("a", "1-0-0", {"properties": ["x"]})],
            r"^a/1-0-0\.json: \$\.properties: found an array, expected an object$",
        ),
        (
            [("a", "1-0-0", closed({})), ("A", "1-0-0", closed({}))],
            r"^a/1-0-0\.json: A/v1 is a table already, .* case$",
        ),
    ],
    ids=["two kinds", "version", "type", "no types", "look-ahead", "reference", "properties", "two types"],
)
def test_what_cannot_stand_in_a_book_is_refused_by_name(
    versions: list[tuple[str, str, dict[str, Any]]], message: str
) -> None:
    with pytest.raises(BookError, match=message):
        book(*versions)


def test_the_documentation_lists_every_column_of_the_envelope_in_its_order() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "data-contract.md").read_text()
    table = text.partition("## Columns")[2].partition("Then the schema's")[0]
    listed = [
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall("`(.+?)`", line.split("|")[1])
    ]
    assert listed == ENVELOPE.names
