"""The book from a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.pipelines import CLICK, closed
from tailrace import settings
from tailrace.schema.book import BookError
from tailrace.schema.load import load

ROOT = Path(__file__).resolve().parents[3]


def put(root: Path, name: str, text: str) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_folder_of_types_and_versions_is_a_book(tmp_path: Path) -> None:
    put(tmp_path, "click/1-0-0.json", json.dumps(CLICK))
    put(tmp_path, "click/README.md", "about")
    put(tmp_path, ".git/x/1-0-0.json", "{")
    put(tmp_path, "notes.json", "{")
    book = load(str(tmp_path))
    assert book.types() == ["click"]
    assert "click" in book
    assert set(book.tables()) == {"quarantine", "click/v1"}


def test_the_contract_decides_what_is_lifted(tmp_path: Path) -> None:
    put(tmp_path, "a/1-0-0.json", json.dumps(closed({"who": {"type": "string"}})))
    assert "who" in load(str(tmp_path)).tables()["a/v1"].schema.names
    lifting = settings.Contract(user_id=("who",))
    assert "who" not in load(str(tmp_path), lifting).tables()["a/v1"].schema.names


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "no JSON"), ("[]", "expected a JSON Schema, an object"), ('{"type": 7}', "7"), ('{"pattern": "("}', r"\(")],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, what: str) -> None:
    file = put(tmp_path, "a/1-0-0.json", text)
    with pytest.raises(BookError, match=what) as caught:
        load(str(tmp_path))
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="nowhere: no such folder"):
        load(str(tmp_path / "nowhere"))


def test_the_projects_own_schemas_load_and_are_valid_json_schemas() -> None:
    book = load(str(ROOT / "properties" / "schemas"))
    assert {"page_view", "click", "scroll", "form_submit", "purchase", "custom"} <= set(book.types())
