"""The official JSON-Schema-Test-Suite of five drafts, through what judges events.

The suite's remote documents stand in a book's folder of definitions, as a book can have them: under an `$id`. A schema
that is no object cannot stand in a book, so it stands inside `allOf`. Values are parsed as events are.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pytest

from tailrace.schema.references import Library, SchemaError
from tailrace.schema.validate import compiled, judge

HOME: Final = Path(__file__).resolve().parents[3] / ".suite" / "json"
REMOTE: Final = "http://localhost:1234/"
DRAFTS: Final = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
AT_LEAST: Final = {"draft4": 860, "draft6": 1140, "draft7": 1460, "draft2019-09": 1860, "draft2020-12": 1900}
AN_ASSERTION: Final = "a book's formats are checked, in every draft"
TWO_NAMES: Final = "a file of a book has one $id; another address for it is no reference inside the book"
NO_DIALECT: Final = "a book's dialects are the five drafts; a meta-schema of one's own is refused"
# (draft, file, group, test), each with `*`, and why we disagree.
DISAGREEMENTS: Final = {
    ("draft2020-12", "format.json", "* format", "invalid * string is only an annotation by default"): AN_ASSERTION,
    ("draft20*", "refRemote.json", "remote HTTP ref with different $id", "*"): TWO_NAMES,
    ("draft20*", "refRemote.json", "remote HTTP ref with different URN $id", "*"): TWO_NAMES,
    ("draft2019-09", "optional/cross-draft.json", "refs to historic drafts *", "*"): TWO_NAMES,
    ("draft20*", "vocabulary.json", "schema that uses custom metaschema *", "*"): NO_DIALECT,
    ("draft20*", "vocabulary.json", "ignore unrecognized optional vocabulary", "*"): NO_DIALECT,
    ("draft2020-12", "optional/format-assertion.json", "schema that uses custom metaschema *", "*"): NO_DIALECT,
    ("draft4", "optional/bignum.json", "integer", "a* bignum is an integer"): (
        "a whole number beyond 64 bits is refused before it is judged: no column holds it"
    ),
}


class Ran(NamedTuple):
    """One test of the suite, and whether we agree with it."""

    name: tuple[str, str, str, str]
    agrees: bool
    said: str


def remotes(draft: str) -> dict[str, dict[str, Any]]:
    """Return the documents that a draft's tests refer to, as files of a book."""
    found = {}
    for file in sorted((HOME / "remotes").rglob("*.json")):
        path = file.relative_to(HOME / "remotes").as_posix()
        own = path.partition("/")[0] if path.startswith("draft") else draft
        schema = orjson.loads(file.read_bytes())
        nested = path == "nested-absolute-ref-to-string.json" and not own.startswith("draft20")  # it uses $defs
        if own not in DRAFTS or "$vocabulary" in schema or nested:
            continue
        key = "id" if own == "draft4" else "$id"
        found[f"_remotes/{path}"] = {key: REMOTE + path, "$schema": DRAFTS[own]} | schema
    return found


@cache
def ran(draft: str) -> list[Ran]:
    """Return what became of each test of a draft."""
    return list(_run(draft))


def _run(draft: str) -> Iterator[Ran]:
    others, folder = remotes(draft), HOME / "tests" / draft
    for file in sorted(folder.rglob("*.json")):
        for group in orjson.loads(file.read_bytes()):
            schema = group["schema"] if isinstance(group["schema"], dict) else {"allOf": [group["schema"]]}
            schema = {"$schema": DRAFTS[draft]} | schema
            try:
                library = Library(others | {"schema.json": schema})
                judging, refusal = compiled(schema, library, "schema.json"), ""
            except SchemaError as error:
                judging, refusal = None, str(error)
            for test in group["tests"]:
                name = (draft, file.relative_to(folder).as_posix(), group["description"], test["description"])
                if judging is None:
                    yield Ran(name, agrees=False, said=refusal)
                    continue
                reasons = judge(judging, [test["data"]]).get(0)
                assert reasons is None or all(reason.message and reason.path[0] == "$" for reason in reasons)
                yield Ran(name, agrees=(reasons is None) == test["valid"], said=str(reasons))


def listed(name: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [one for one in DISAGREEMENTS if all(map(fnmatchcase, name, one))]


@pytest.fixture(autouse=True)
def _the_suite_is_there() -> None:
    if not (HOME / "tests").is_dir():
        pytest.skip(f"the JSON-Schema-Test-Suite is not in {HOME.parent.name}: make suite")


@pytest.mark.parametrize("draft", DRAFTS)
def test_we_agree_with_a_draft_but_where_it_is_listed(draft: str) -> None:
    tests = ran(draft)
    assert len(tests) >= AT_LEAST[draft]
    assert [one for one in tests if not one.agrees and not listed(one.name)] == []


@pytest.mark.parametrize("draft", DRAFTS)
def test_what_has_become_right_is_listed_no_more(draft: str) -> None:
    assert [one.name for one in ran(draft) if one.agrees and listed(one.name)] == []


def test_every_entry_of_the_list_is_a_disagreement() -> None:
    used = {entry for draft in DRAFTS for one in ran(draft) for entry in listed(one.name)}
    assert set(DISAGREEMENTS) - used == set()
