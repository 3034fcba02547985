"""Privacy, for any event: what stands where settings say is in no row as it came, whatever is wrong with the event."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from support.avro_schemas import single_object
from support.enriched import steps
from support.pipelines import IDENTITY, closed, holds, record
from tailrace import settings
from tailrace.rows.mask import masking
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment, verdicts
from tailrace.schema.avro import converted
from tailrace.schema.book import Book
from tailrace.settings import Privacy, Verdicts

SECRET, NUMBER = "Xq7w", 73910264
MAIL = {"type": "string", "pattern": "^[a-z]+$", "maxLength": 12}
PERSON = closed({"email": MAIL, "n": {"type": "integer"}}, ["n"])
VISIT = closed(
    {
        "type": {"const": "visit"},
        "email": MAIL,
        "user_id": {"enum": ["a", "b"]},
        "userId": {"type": "string", "format": "uuid"},
        "ip": {"type": "object", "properties": {"v4": {"type": "string", "format": "ipv4"}}},
        "user": {"anyOf": [PERSON, {"type": "array", "items": PERSON, "minItems": 1, "uniqueItems": True}]},
        "note": {"type": "string", "maxLength": 3},
        "contexts": {"type": "array", "maxItems": 2},
    },
    ["type", "note"],
)
LETTER = {
    "type": "record",
    "name": "Letter",
    "fields": [{"name": "email", "type": "string"}, {"name": "user_id", "type": ["null", "string"]}],
}
SCHEMAS = {
    ("visit", "1-0-0"): VISIT,
    ("com.acme.visit", "1-0-0"): VISIT,
    ("com.acme.person", "1-0-0"): PERSON,
    ("letter", "1-0-0"): converted(LETTER),
}
KEYS = json.dumps({"k1": base64.b64encode(bytes(32)).decode()}).encode()
PATHS = ("email", "user_id", "user.email", "contexts.data.email", "sender")


def pipeline(payload: str) -> Pipeline:
    contract = settings.Contract(unknown_types="store", payload=(payload, "payload"))
    book = Book(contract, SCHEMAS)
    section = Privacy(anonymise_ip=True, pseudonyms=PATHS, keys="k", key="k1")
    mask = masking(section, book, {"k": KEYS}.__getitem__)
    treatment = Treatment(verdicts(Verdicts(lenient=("*",))), steps(), mask)
    return Pipeline(contract, book, settings.Limits(), IDENTITY, treatment)


FLAT, DEEP = pipeline("data"), pipeline("wrap.data")

leaves = st.builds("{}{}".format, st.sampled_from(["", "a", "203.0.113.7,"]), st.just(SECRET)) | st.just(NUMBER)
secrets = st.recursive(
    leaves | st.just(-NUMBER / 2**20) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["v4", "a"]), inner, max_size=2),
    max_leaves=4,
)
plain: st.SearchStrategy[Any] = st.none() | st.integers(0, 9) | st.sampled_from(["b", "long text"]) | st.just([])
persons = st.fixed_dictionaries({}, optional={"email": secrets, "n": plain, "x": plain})
things = st.builds(lambda data: {"schema": "iglu:com.acme/person/jsonschema/1-0-0", "data": data}, persons)
members = st.fixed_dictionaries(
    {},
    optional={
        "email": secrets, "user_id": secrets, "userId": secrets, "ip": secrets, "ipAddress": secrets, "sender": secrets,
        "user": persons | st.lists(persons, max_size=2), "note": plain, "more": plain,
        "contexts": things | st.lists(things, max_size=3),
    },
)  # fmt: skip
URI = {"schema": "iglu:com.acme/visit/jsonschema/1-0-0"}
around = st.one_of(
    st.builds(lambda event: {"type": "visit", **event}, members),
    st.builds(lambda event: {"type": "other", **event}, members),
    st.builds(
        lambda outer, events: {**outer, "events": [{"type": "visit", **one} for one in events]},
        members,
        st.lists(members, min_size=1, max_size=2),
    ),
    st.builds(lambda outer, event: {**outer, **URI, "payload": event}, members, members),
)
flat = st.builds(lambda outer, event, other: {**outer, **URI, "data": event, "payload": other}, *[members] * 3)
deep = st.builds(
    lambda outer, event, other: {**outer, **URI, "wrap": {"data": event}, "payload": other}, *[members] * 3
)
letters = st.builds(
    lambda mail, user: single_object(LETTER, {"email": mail, "user_id": user}),
    st.just(f"{SECRET}@b.example"),
    st.sampled_from([None, SECRET]),
)


cases = st.tuples(st.just(FLAT), st.lists(around | flat | letters, min_size=1, max_size=4)) | st.tuples(
    st.just(DEEP), st.lists(around | deep, min_size=1, max_size=4)
)


THING = {"schema": "iglu:com.acme/person/jsonschema/1-0-0", "data": {"email": SECRET}}


@example((FLAT, [{**URI, "data": {}, "contexts": [THING]}]))
@given(cases)
def test_nothing_personal_is_in_a_row_as_it_came(case: tuple[Pipeline, list[Any]]) -> None:
    pipe, found = case
    outcome = pipe([record(body, at) for at, body in enumerate(found)])
    holds(outcome)
    for rows in outcome.rows:
        if rows.table.name != "quarantine":
            told = repr(rows.batch.to_pylist())
            assert SECRET not in told
            assert str(NUMBER) not in told
            assert "70.487" not in told
