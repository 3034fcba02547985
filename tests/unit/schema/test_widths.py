"""How long texts can be: what every version of a schema bounds, in bytes, and nothing that is only likely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from support.pipelines import closed
from tailrace.schema.book import QUARANTINE, Book
from tailrace.schema.widths import widths
from tailrace.settings import Contract

DRAFT_04 = "http://json-schema.org/draft-04/schema#"


def found(
    *versions: Mapping[str, Any], judged: bool = True, altered: tuple[str, ...] = (), column: str = "a"
) -> int | None:
    book = Book(Contract(), {("k", f"1-0-{at}"): schema for at, schema in enumerate(versions)})
    known = widths(
        book,
        book.tables()["k/v1"],
        judged=lambda _type: judged,
        altered=lambda name: name in altered,
        tenant_chars_max=128,
    )
    return known.get(column)


def text(**words: Any) -> dict[str, Any]:
    return closed({"a": {"type": "string", **words}})


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (text(maxLength=10), 40),
        (text(maxLength=10.0), 40),
        (text(), None),
        (text(pattern="^a{3}$"), None),
        (closed({"a": {"enum": ["ab", "é", None]}}), 2),
        (closed({"a": {"const": "日本"}}), 6),
        ({"$schema": DRAFT_04, "properties": {"a": {"type": "string", "const": "ab"}}}, None),
        ({"definitions": {"t": {"type": "string", "maxLength": 3}}, **closed({"a": {"$ref": "#/definitions/t"}})}, 12),
        (closed({"a": {"type": "object"}}), 65_535),
        (closed({"a": {"type": "integer"}}), None),
    ],
    ids=["characters", "a number", "nothing", "a pattern", "choices", "one", "draft-04", "referred", "JSON", "no text"],
)
def test_a_bound_is_in_bytes(schema: Mapping[str, Any], expected: int | None) -> None:
    assert found(schema) == expected


def test_the_widest_version_counts() -> None:
    assert found(text(maxLength=10), text(maxLength=20), text(maxLength=5)) == 80


def test_one_version_without_a_bound_is_none() -> None:
    assert found(text(maxLength=10), text()) is None


def test_a_version_that_does_not_know_a_member_lets_anything_in_unless_it_is_closed() -> None:
    before = {"type": "object", "properties": {"b": {"type": "string"}}}
    assert found(before, text(maxLength=10)) is None
    assert found({**before, "additionalProperties": False}, text(maxLength=10)) == 40


def test_what_is_not_judged_or_altered_has_no_bound() -> None:
    assert found(text(maxLength=10), judged=False) is None
    assert found(text(maxLength=10), altered=("a",)) is None


def test_the_envelope_has_its_own() -> None:
    assert found(text(), column="row_id") == 32
    assert found(text(), column="tenant") == 512
    assert found(text(), column="extra") == 65_535
    assert found(text(), column="user_id") is None
    book = Book(Contract(), {})
    known = widths(book, QUARANTINE, judged=bool, altered=bool, tenant_chars_max=1)
    assert {"row_id": 32, "stage": 16, "tenant": 4}.items() <= known.items()
    assert not known.keys() - set(QUARANTINE.schema.names)
