"""Laws of widths: no text that is stored is longer than its table says, whatever version let it in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.pipelines import IDENTITY, record
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import Book
from tailrace.schema.widths import JSON_BYTES, widths
from tailrace.settings import Contract, Limits

DRAFTS = st.sampled_from(["http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2020-12/schema"])
TEXTS = st.text("aé日😀", max_size=8)
WORDS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={
        "maxLength": st.integers(0, 6),
        "enum": st.lists(TEXTS, min_size=1, max_size=3, unique=True),
        "const": TEXTS,
        "$ref": st.just("#/definitions/short"),
    },
)
SCHEMAS = st.fixed_dictionaries(
    {
        "$schema": DRAFTS,
        "definitions": st.just({"short": {"type": "string", "maxLength": 3}}),
        "properties": st.dictionaries(st.sampled_from("ab"), WORDS, max_size=2).map(lambda own: {"type": {}} | own),
    },
    optional={"additionalProperties": st.just(value=False)},
)
EVENTS = st.fixed_dictionaries({"type": st.just("k")}, optional={"a": TEXTS, "b": TEXTS, "tenant": TEXTS})


@given(st.lists(SCHEMAS, min_size=1, max_size=3), st.lists(EVENTS, min_size=1, max_size=20))
def test_no_stored_text_is_longer_than_its_column(schemas: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    book = Book(Contract(), {("k", f"1-0-{at}"): schema for at, schema in enumerate(schemas)})
    limits = Limits(tenant_chars_max=5)
    known = widths(book, book.tables()["k/v1"], judged=bool, altered=lambda _name: False, tenant_chars_max=5)
    out = Pipeline(Contract(), book, limits, IDENTITY, Treatment())([record(one, at) for at, one in enumerate(events)])
    for rows in out.rows:
        if rows.table.name != "k/v1":
            continue
        for name, width in known.items():
            texts = [text for text in rows.batch.column(name).to_pylist() if text is not None]
            assert width == JSON_BYTES or all(len(text.encode()) <= max(width, 1) for text in texts), name
