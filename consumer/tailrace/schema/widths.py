"""How long the texts of a table can be, as its schemas say. Rule: a bound is one that every version holds to.

In bytes of UTF-8. Members that are altered before they are stored, and types whose broken events are stored, have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tailrace.nouns import Table
from tailrace.schema.book import Book, Page
from tailrace.schema.kinds import JSON, TEXT
from tailrace.schema.references import IGLU_DRAFT

JSON_BYTES: Final = 65_535  # texts of JSON are as long as can be
CHAR_BYTES_MAX: Final = 4
ENVELOPE: Final[Mapping[str, int]] = {
    "row_id": 32, "redrive_of": 32, "fingerprint": 32, "time_source": 16, "stage": 16, "reasons": JSON_BYTES,
    "findings": JSON_BYTES, "tenant_attributes": JSON_BYTES, "entities": JSON_BYTES, "extra": JSON_BYTES,
}  # fmt: skip


def widths(
    book: Book, table: Table, *, judged: Callable[[str], bool], altered: Callable[[str], bool], tenant_chars_max: int
) -> dict[str, int]:
    """Return the bytes that texts of a table's columns have at most, by column, where that is known.

    `judged`: are a type's events never stored where they break their schema? `altered`: is a member not as it came?
    """
    tenant = {"tenant": CHAR_BYTES_MAX * tenant_chars_max}
    out = {name: width for name, width in {**ENVELOPE, **tenant}.items() if name in table.schema.names}
    pages = [
        page
        for event_type in book.types()
        for version in book.versions(event_type)
        if (page := book.page(event_type, version)) is not None and page.table.name == table.name
    ]
    if not pages:
        return out
    own = table.schema.names[len(table.schema.names) - len(pages[0].fields) :]
    for column, field in zip(own, pages[0].fields, strict=True):
        if field.kind is JSON:
            out[column] = JSON_BYTES
        elif field.kind is TEXT and judged(pages[0].event_type) and not altered(field.name):
            bounds = [_bound(book, page, field.name) for page in pages]
            if None not in bounds:
                out[column] = max(one for one in bounds if one is not None)
    return out


def _bound(book: Book, page: Page, name: str) -> int | None:
    """Return the bytes that a member's text has at most under one version; None where that does not say."""
    whole, scope = book.schema(page.event_type, page.version)
    whole, scope = scope.entered(whole)
    properties = whole.get("properties") or {}
    if name not in properties:
        return 0 if page.closed else None
    one, inside = scope.entered(properties[name])
    return _said(one, const=inside.draft != IGLU_DRAFT)


def _said(one: Mapping[str, Any], *, const: bool) -> int | None:
    """Return the bytes that a schema bounds a text to. `const`: does its dialect know that word?"""
    values = [one["const"]] if const and "const" in one else one.get("enum")
    if isinstance(values, list) and values:
        return max((len(value.encode()) for value in values if isinstance(value, str)), default=0)
    most = one.get("maxLength")
    return int(most) * CHAR_BYTES_MAX if isinstance(most, int | float) and not isinstance(most, bool) else None
