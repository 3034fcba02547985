"""The book from a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.pipelines import CLICK, closed
from tailrace import settings
from tailrace.schema.book import ENVELOPE, BookError
from tailrace.schema.kinds import INTEGER, fields
from tailrace.schema.load import concerns, load, load_files
from tailrace.schema.references import DRAFT

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


def test_the_iglu_layout_names_types_by_vendor(tmp_path: Path) -> None:
    described = {"self": {"vendor": "com.acme", "name": "click", "format": "jsonschema", "version": "1-0-0"}}
    put(tmp_path, "com.acme/click/jsonschema/1-0-0", json.dumps({**described, **closed({"x": {"type": "integer"}})}))
    put(tmp_path, "com.acme/click/jsonschema/1-0-1", json.dumps(closed({"x": {"type": "integer"}})))
    put(tmp_path, "org.other/click/jsonschema/2-0-0", json.dumps(CLICK))
    put(tmp_path, "click/1-0-0.json", json.dumps(CLICK))
    put(tmp_path, "com.acme/click/jsonschema/README", "about")
    book = load(str(tmp_path))
    assert book.types() == ["click", "com.acme.click", "org.other.click"]
    assert set(book.tables()) == {"quarantine", "click/v1", "com.acme.click/v1", "org.other.click/v2"}
    assert book.versions("com.acme.click") == ["1-0-0", "1-0-1"]
    assert [book.type_of(vendor, "click") for vendor in ("com.acme", "org.other", "net.none")] == [
        "com.acme.click",
        "org.other.click",
        "click",
    ]
    assert book.vendors("click") == ["com.acme", "org.other"]
    assert book.type_of("com.acme", "none") == "com.acme.none"


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("a/1-0-0.json", True),
        ("v.w/n/jsonschema/1-0-0", True),
        ("v.w/n/jsonschema/1-0-0.json", True),
        ("_shared/x.json", True),
        ("v.w/_shared/deep/x.json", True),
        ("a/1-0-0.good.jsonl", False),
        ("a/README.md", False),
        ("a/b/1-0-0.json", False),
        ("v.w/n/avro/1-0-0", False),
        ("v.w/n/jsonschema/notes", False),
        ("_shared/README.md", False),
        (".git/1-0-0.json", False),
        ("a/.1-0-0.json", False),
        ("1-0-0.json", False),
    ],
)
def test_what_concerns_schemas_is_told_by_its_path(path: str, part: bool) -> None:
    assert concerns(path) == part
    if not part:
        assert load_files({path: b"{"}, origin="book").types() == []


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["v/n/jsonschema/1-0-0", "v/n/jsonschema/1-0-0.json"],
            r"1-0-0\.json: v/n/jsonschema/1-0-0 is version 1-0-0 of",
        ),
        (
            ["v/n/jsonschema/1-0-0", "v.n/1-0-1.json"],
            r"v/n/jsonschema/1-0-0: v\.n/1-0-1\.json is of the same event type",
        ),
        (["v/other/jsonschema/1-0-0"], r"found iglu:v/n/jsonschema/1-0-0, expected iglu:v/other/jsonschema/1-0-0"),
    ],
    ids=["twice", "two layouts", "another self"],
)
def test_a_type_stands_in_one_place_and_is_what_it_says(paths: list[str], message: str) -> None:
    described = {"self": {"vendor": "v", "name": "n", "format": "jsonschema", "version": "1-0-0"}}
    plain = json.dumps(closed({})).encode()
    files = {path: plain if len(paths) > 1 else json.dumps({**described, **closed({})}).encode() for path in paths}
    with pytest.raises(BookError, match=message) as caught:
        load_files(files, origin="s3://bucket/schemas/")
    assert str(caught.value).startswith(f"s3://bucket/schemas/{max(paths)}: ")


def test_a_schema_of_the_iglu_layout_keeps_its_name_and_version_members() -> None:
    schema = json.dumps(closed({"name": {"type": "string"}, "version": {"type": "string"}, "id": {}})).encode()
    tables = load_files({"v/n/jsonschema/1-0-0": schema, "n/1-0-0.json": schema}, origin="book").tables()
    assert tables["v.n/v1"].schema.names[len(ENVELOPE) :] == ["name", "version"]
    assert tables["n/v1"].schema.names[len(ENVELOPE) :] == []


def test_a_schema_can_be_had_with_what_its_references_mean() -> None:
    files = {
        "a/1-0-0.json": b'{"properties": {"x": {"$ref": "../_s/x.json"}}, "self": {}}',
        "_s/x.json": b'{"type": "integer"}',
    }
    schema, scope = load_files(files, origin="book").schema("a", "1-0-0")
    assert (sorted(schema), schema["$schema"]) == (["$schema", "properties"], DRAFT)
    assert fields(*scope.entered(schema))[0].kind is INTEGER


def test_definitions_are_no_types_and_count_in_the_digest() -> None:
    plain = json.dumps(closed({})).encode()
    books = [
        load_files({"a/1-0-0.json": plain, "_shared/x.json": shared}, origin="book") for shared in (b"{}", b'{"x": {}}')
    ]
    assert [book.types() for book in books] == [["a"], ["a"]]
    assert books[0].digest != books[1].digest
