"""Laws of Avro: what fastavro writes is read as it was; one schema says the same of JSON; no bytes do any harm."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.avro_schemas import ORDER, as_json, encoded, order, schemas, single_object, values
from support.pipelines import holds, pipeline, record, rejected, stored
from tailrace import settings
from tailrace.rows import raw as rawly
from tailrace.rows.avro import Payload, Payloads
from tailrace.schema import avro
from tailrace.schema.validate import compiled, judge

LIMITS = settings.Limits()
TIGHT = settings.Limits(event_bytes_max=64, depth_max=3, properties_max=6)


def opened(avsc: dict[str, Any], data: bytes, limits: settings.Limits = LIMITS) -> Payload:
    found = Payloads(avro.writers([("t", "1-0-0", avro.converted(avsc))]), limits)(data)
    assert found is not None
    return found


def written(avsc: dict[str, Any]) -> st.SearchStrategy[tuple[dict[str, Any], Any, Any]]:
    return values(avsc).map(lambda pair: (avsc, *pair))


any_value = schemas().flatmap(written)
plain_value = schemas(plain=True).flatmap(written)


@given(any_value)
def test_what_was_written_is_read_and_keeps_its_schema(case: tuple[dict[str, Any], Any, Any]) -> None:
    avsc, datum, expected = case
    found = opened(avsc, single_object(avsc, datum))
    assert found.reasons == ()
    assert orjson.dumps(found.value) == orjson.dumps(expected)
    assert judge(compiled(avro.converted(avsc)), [found.value]) == {}


# ---- one schema, two readers

scalars: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -(2**31), 2**31, 2**63 - 1, 2**63, -(2**63), 0.5, "", "A", "Z", [], {}]
)


@st.composite
def altered(draw: Any, value: Any) -> Any:
    """Return a value with some part of it replaced or left out. No member is new."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(scalars)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(altered(value[at])), *value[at + 1 :]]
    key = draw(st.sampled_from(sorted(value)))
    rest = {name: below for name, below in value.items() if name != key}
    return rest if draw(st.booleans()) else {**rest, key: draw(altered(value[key]))}


@given(plain_value.flatmap(lambda case: st.tuples(st.just(case[0]), st.just(case[2]) | altered(case[2]))))
def test_json_is_judged_as_fastavro_judges(case: tuple[dict[str, Any], Any]) -> None:
    avsc, value = case
    expected = fastavro.validate(value, fastavro.parse_schema(avsc), raise_errors=False, strict=True)
    assert (judge(compiled(avro.converted(avsc)), [value]) == {}) is expected


# ---- hostile bytes

changes = st.sampled_from(
    [b"", b"\x00", b"\x01", b"\x02", b"\x7f", b"\xff", b"\xff" * 9 + b"\x01", b"\x80" * 8 + b"\x10"]
)


@st.composite
def mangled(draw: Any, data: bytes) -> bytes:
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(changes) + data[at + draw(st.integers(0, 2)) :]
    return data


@pytest.mark.parametrize("limits", [LIMITS, TIGHT], ids=["usual limits", "tight limits"])
@given(
    any_value.flatmap(
        lambda case: st.tuples(st.just(case[0]), mangled(encoded(case[0], case[1])) | st.binary(max_size=60))
    )
)
def test_any_bytes_are_an_event_within_the_limits_or_reasons(
    limits: settings.Limits, case: tuple[dict[str, Any], bytes]
) -> None:
    avsc, body = case
    found = opened(avsc, b"\xc3\x01" + avro.fingerprint_of(avsc) + body, limits)
    if found.reasons:
        assert {reason.stage for reason in found.reasons} <= {"decode", "parse"}
        assert all(reason.message.startswith("found ") and "\n" not in reason.message for reason in found.reasons)
        return
    assert len(body) <= limits.event_bytes_max
    assert rawly.within(found.value, limits)
    orjson.dumps(found.value)


@given(plain_value.flatmap(lambda case: st.tuples(st.just(case[0]), mangled(encoded(case[0], case[1])))))
def test_what_is_taken_fastavro_reads_alike(case: tuple[dict[str, Any], bytes]) -> None:
    """The other way round it does not hold: fastavro reads a 7 as true, and numbers of any length."""
    avsc, body = case
    found = opened(avsc, b"\xc3\x01" + avro.fingerprint_of(avsc) + body)
    if found.reasons:
        return
    source = io.BytesIO(body)
    assert as_json(fastavro.schemaless_reader(source, fastavro.parse_schema(avsc))) == found.value
    assert source.tell() == len(body)


SCHEMAS = {("order", "1-0-0"): avro.converted(ORDER)}
PIPE = pipeline(SCHEMAS, limits={"event_bytes_max": 400, "depth_max": 6, "properties_max": 12})
headers = st.sampled_from([b"\xc3\x01", b"\xc3\x01" + avro.fingerprint_of(ORDER), b"\x03\x00", b"\x03\x05", b"\xc3"])
bodies = st.builds(bytes.__add__, headers, st.binary(max_size=40)) | mangled(order())


@given(st.lists(bodies, max_size=6))
def test_a_payload_is_one_event_stored_or_rejected_with_its_bytes(found: list[bytes]) -> None:
    records = [record(body, at) for at, body in enumerate(found)]
    outcome = PIPE(records)
    holds(outcome)
    assert outcome.received == len(found)
    rows = [*stored(outcome), *rejected(outcome)]
    assert sorted(row["position"] for row in rows) == sorted(f"{one.sequence}/0/0" for one in records)
    raws = {f"{one.sequence}/0/0": one.data for one in records}
    assert all(row["raw"] == raws[row["position"]] for row in rejected(outcome))
