"""A person's file, taken apart: lines, one document, several in a row, and what is none of these."""

from __future__ import annotations

import json

import pytest

from tailrace.cli.documents import documents

PRETTY = json.dumps({"a": [1, 2], "b": {"c": "d"}}, indent=2).encode()


def told(data: bytes) -> list[tuple[int, bytes]]:
    return [(one.line, one.data) for one in documents(data)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b" \n\n", []),
        (b'{"a":1}\n\n {"b":2}\n', [(1, b'{"a":1}'), (3, b'{"b":2}')]),
        (b'{"a":1}\nno JSON\n', [(1, b'{"a":1}'), (2, b"no JSON")]),
        (b"\n" + PRETTY + b"\n", [(2, PRETTY)]),
        (PRETTY + b"\n" + PRETTY, [(1, PRETTY), (10, PRETTY)]),
        (b'[{"a":1},\n{"b":2}]', [(1, b'[{"a":1},\n{"b":2}]')]),
        (PRETTY[:-1], [(1, PRETTY[:-1])]),
        (b"\xc3\x01\n\xff ", [(1, b"\xc3\x01\n\xff ")]),
        (b"no JSON", [(1, b"no JSON")]),
    ],
)
def test_each_document_is_a_record(data: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert told(data) == expected


def test_depth_is_no_fault() -> None:
    deep = b"[" * 100_000 + b"\n" + b"{\n" * 10
    assert told(deep) == [(1, deep)]
