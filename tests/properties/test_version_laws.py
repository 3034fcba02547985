"""Laws of versions: an event that names none lands under the newest that would take it by name, or breaks them all."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from support.pipelines import TREATMENT, holds, pipeline, record, rejected, stored
from tailrace.rows.lenient import BENDABLE
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import verdicts
from tailrace.settings import Verdicts

ORDER = ["1-0-0", "1-1-0", "2-0-0", "10-0-0"]  # oldest first, and not as text
NAMING = {"event_type": {"const": "t"}, "version": {"type": "string"}, "tenant": {"type": ["string", "integer"]}}
numbers = st.builds(
    lambda least, most: {"type": "integer", "minimum": least, "maximum": most},
    st.integers(0, 2),
    st.sampled_from([1, 3, 2**64]),
)
either = st.just({"type": ["integer", "string"]})  # its column is JSON text, and takes what an integer's does not
words = st.sampled_from([{"type": "string"}, {"type": "string", "enum": ["a"]}, {"type": "string", "minLength": 2}])


@st.composite
def versions(draw: Any) -> dict[str, dict[str, Any]]:
    """Return schemas of some versions of one type; those of one major fit one table."""
    kinds = {version[0]: draw(st.sampled_from([numbers, numbers, either])) for version in ORDER}
    found = {}
    for version in draw(st.lists(st.sampled_from(ORDER), min_size=1, unique=True)):
        members = {
            name: draw(kinds[version[0]] if name == "x" else words) for name in draw(st.sets(st.sampled_from("xyz")))
        }
        found[version] = {
            "type": "object",
            "properties": {**NAMING, **members},
            "required": sorted(draw(st.sets(st.sampled_from(sorted(members) or ["event_type"])))),
            "additionalProperties": draw(st.booleans()),
        }
    return found


values = st.sampled_from([0, 1, 2, 3, 2**63, "a", "bb", ""])
tenants = st.sampled_from(["a", 7])
events = st.fixed_dictionaries(
    {"event_type": st.just("t")},
    optional={"x": values, "y": values, "z": values, "tenant": tenants, "version": st.sampled_from(ORDER)},
)


def pipe_of(schemas: dict[str, Any], verdict: str = "reject") -> Pipeline:
    section = Verdicts(**({} if verdict == "reject" else {verdict: ("t",)}))
    treatment = TREATMENT._replace(verdict=verdicts(section))
    return pipeline({("t", version): schema for version, schema in schemas.items()}, treatment=treatment)


def alone(pipe: Pipeline, event: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the row that an event becomes, or its reject."""
    outcome = pipe([record(event)])
    return next(iter(stored(outcome)), None), next(iter(rejected(outcome)), None)


def by_name(pipe: Pipeline, schemas: dict[str, Any], event: dict[str, Any]) -> tuple[Any, Any]:
    """Return what an event becomes when it names one version after the other, newest first."""
    if "version" in event:
        return alone(pipe, event)
    newest_first = [version for version in reversed(ORDER) if version in schemas]
    tried = [alone(pipe, {**event, "version": version}) for version in newest_first]
    return next(((row, None) for row, _ in tried if row is not None), tried[0])


@given(versions(), st.lists(events, min_size=1, max_size=4))
def test_each_event_is_under_the_newest_version_that_takes_it(schemas: dict[str, Any], found: list[Any]) -> None:
    pipe = pipe_of(schemas)
    for event in found:
        row, reject = alone(pipe, event)
        expected, refused = by_name(pipe, schemas, event)
        assert row == expected
        assert (reject and reject["reasons"]) == (refused and refused["reasons"])
        assert (reject and reject["schema"]) == (refused and refused["schema"])


@given(versions(), st.lists(st.lists(events, min_size=1, max_size=4), min_size=1, max_size=3), st.booleans())
def test_neighbours_change_nothing(schemas: dict[str, Any], found: list[list[Any]], lines: bool) -> None:
    """Whatever else is in the record or chunk; and each reject has its own bytes."""
    pipe = pipe_of(schemas)
    bodies = [[orjson.dumps(event) for event in several] for several in found]
    records = [
        record(b"\n".join(several) if lines else b"[" + b" , ".join(several) + b"]", at)
        for at, several in enumerate(bodies)
    ]
    outcome = pipe(records)
    holds(outcome)
    assert outcome.received == sum(map(len, found))
    place = {
        f"{one.sequence}/0/{index}": (at, index) for at, one in enumerate(records) for index in range(len(bodies[at]))
    }
    for row in stored(outcome):
        at, index = place.pop(row["position"])
        expected, _ = alone(pipe, found[at][index])
        assert expected is not None
        assert row["schema_version"] == expected["schema_version"]
    for row in rejected(outcome):
        at, index = place.pop(row["position"])
        _, reject = alone(pipe, found[at][index])
        assert reject is not None
        assert (row["raw"], row["reasons"]) == (bodies[at][index], reject["reasons"])
    assert place == {}


@given(versions(), st.sampled_from(["lenient", "drop"]), st.lists(events, min_size=1, max_size=4))
def test_a_verdict_falls_when_no_version_takes_an_event(
    schemas: dict[str, Any], verdict: str, found: list[Any]
) -> None:
    pipe, strict = pipe_of(schemas, verdict), pipe_of(schemas)
    newest = [version for version in ORDER if version in schemas][-1]
    for event in found:
        outcome = pipe([record(event)])
        row, reject = alone(strict, event)
        bends = reject is not None and {reason["stage"] for reason in reject["reasons"]} <= BENDABLE
        if row is not None:
            assert stored(outcome) == [row]
        elif verdict == "drop":
            assert (outcome.filtered, outcome.rejected) == (int(bends), int(not bends))
        elif bends:
            (kept,) = stored(outcome)
            assert kept["schema_version"] == event.get("version", newest)
            assert reject is not None
            assert orjson.loads(kept["findings"]) == reject["reasons"]
