"""What a message of the queue says: any text is told apart, none raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.drops.messages import Announced, Told, told


def record(key: str = "in/a.csv", name: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    entry = {"key": key, "size": 3, "eTag": "e1", "sequencer": "1"} | more
    return {
        "eventName": name,
        "eventTime": "2026-01-31T00:00:01.500Z",
        "s3": {"bucket": {"name": "b"}, "object": entry},
    }


def said(*records: Any) -> Told:
    return told(json.dumps({"Records": records}))


FILE = Announced("b", "in/a.csv", 3, "e1", "", 1_769_817_601_500)


def test_a_created_object_is_announced() -> None:
    assert said(record()) == Told((FILE,))
    assert said(record(name="s3:ObjectCreated:CompleteMultipartUpload")) == Told((FILE,))
    assert said(record(versionId="v7")).files[0].version == "v7"
    assert said(record(versionId="null")).files[0].version == ""


def test_keys_are_decoded() -> None:
    assert said(record("in/a+b%2Bc+%C3%BC.csv")).files[0].key == "in/a b+c ü.csv"


def test_several_records_are_several_files_and_the_same_one_is_one() -> None:
    assert [file.key for file in said(record(), record("in/b.csv"), record()).files] == ["in/a.csv", "in/b.csv"]


def test_another_content_is_another_shard_and_the_same_one_again_is_not() -> None:
    others = [record(), record(size=4), record(eTag="e2"), record("in/b.csv")]
    assert len({said(one).files[0].shard for one in others}) == 4
    assert said(record(versionId="v1")).files[0].shard == said(record(versionId="v2")).files[0].shard == FILE.shard


def test_other_events_are_ignored_by_name() -> None:
    assert said(record(name="ObjectRemoved:Delete"), record()) == Told((FILE,), ("ObjectRemoved:Delete",))
    assert said(record("in/folder/", size=0)) == Told((), ("a folder's mark",))


def test_the_test_message_is_known() -> None:
    assert told('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}') == Told(test=True)


def test_what_sns_wraps_is_unwrapped() -> None:
    inner = json.dumps({"Records": [record()]})
    assert told(json.dumps({"Type": "Notification", "Message": inner})) == Told((FILE,))


def bridge(key: str = "in/a+b%2B ü.csv", name: str = "Object Created", **more: Any) -> str:
    entry = {"key": key, "size": 3, "etag": "e1", "version-id": "v7", "sequencer": "1"} | more
    detail = {"version": "0", "bucket": {"name": "b"}, "object": entry, "reason": "PutObject"}
    return json.dumps({"source": "aws.s3", "time": "2026-01-31T00:00:01Z", "detail-type": name, "detail": detail})


def test_what_eventbridge_sends_names_the_same_file() -> None:
    (found,) = told(bridge("in/a.csv")).files
    assert found == FILE._replace(version="v7", event_ms=1_769_817_601_000)
    assert found.shard == FILE.shard
    assert told(json.dumps({"Type": "Notification", "Message": bridge("in/a.csv")})).files == (found,)


def test_keys_of_eventbridge_are_as_they_are() -> None:
    assert told(bridge()).files[0].key == "in/a+b%2B ü.csv"


def test_other_events_of_eventbridge_are_told_apart() -> None:
    assert told(bridge(name="Object Deleted")) == Told(ignored=("Object Deleted",))
    assert told(bridge("in/", size=0)) == Told(ignored=("a folder's mark",))
    for broken in (bridge(size="3"), bridge(etag=None), '{"source": "aws.s3"}', '{"source": "aws.s3", "detail": 3}'):
        assert told(broken) == Told(wrong="its detail names no object, or not its size and ETag")


def test_a_key_may_be_longer_while_it_is_encoded() -> None:
    assert len(said(record("%C3%BC" * 512)).files[0].key) == 512


@pytest.mark.parametrize("body", ["", "hello", "{", "\ud800", '{"Message": "x"}'])
def test_what_is_no_json_is_told(body: str) -> None:
    assert told(body) == Told(wrong="it is no JSON")


@pytest.mark.parametrize("body", ["1", "[]", "{}", '{"Records": 3}', '{"Records": []}', '{"detail": {}}'])
def test_what_is_no_message_of_s3_is_told(body: str) -> None:
    assert told(body) == Told(wrong="it is no event message of S3")


def test_a_record_without_its_object_is_told_and_the_others_count() -> None:
    broken = [
        3,
        {},
        {"eventName": "ObjectCreated:Put"},
        record(size="3"),
        record(size=2**63),
        record(eTag=None),
        record("%FF"),
        record("k" * 1025),
        record(eTag="e\r\nX-Header: 1"),
        record(eTag="é"),
        record(versionId="v 1"),
        record() | {"s3": {"bucket": {"name": "no bucket/at all"}, "object": record()["s3"]["object"]}},
    ]
    found = said(*broken, record())
    assert found.files == (FILE,)
    assert found.wrong == "12 of its 13 records name no object, or not its size and ETag"


def test_a_time_that_is_none_is_zero() -> None:
    odd = record() | {"eventTime": "soon"}
    assert said(odd).files[0].event_ms == 0


NAMES = ["Records", "Message", "eventName", "s3", "object", "bucket", "key", "source", "detail", "detail-type"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("aws.s3"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps) | st.lists(JSON).map(lambda records: json.dumps({"Records": records})))
def test_no_text_raises(body: str) -> None:
    found = told(body)
    assert isinstance(found, Told)
