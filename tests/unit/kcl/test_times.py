"""Where a time falls in a shard, as Kinesis answers: records, nothing yet, nothing any more, no such shard."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tailrace.kcl import times
from tailrace.nouns import END, SUB_MAX, mark
from tailrace.ops import aws
from tailrace.settings import Settings
from tailrace.world import WorldError

AT = datetime(2026, 1, 31, tzinfo=UTC)


class Kinesis:
    """Answers what a test says, in turn."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def get_shard_iterator(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self.answers[0], Exception):
            raise self.answers[0]
        return {"ShardIterator": "0"}

    def get_records(self, **_: Any) -> Any:
        return self.answers.pop(0)


def found(monkeypatch: pytest.MonkeyPatch, kinesis: Kinesis) -> str:
    monkeypatch.setattr(aws, "client", lambda *_, **__: kinesis)
    return times.before(Settings(), AT)("s0")


def answer(*sequences: str, behind: int = 0, following: str | None = "1") -> dict[str, Any]:
    records = [{"SequenceNumber": one} for one in sequences]
    return {"Records": records, "MillisBehindLatest": behind, "NextShardIterator": following}


def test_it_ends_before_the_first_record_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kinesis = Kinesis(answer(behind=5), answer("800", behind=5))
    assert found(monkeypatch, kinesis) == mark("799", SUB_MAX) < mark("800", 0)
    assert kinesis.asked[0]["Timestamp"] == AT


@pytest.mark.parametrize("last", [answer(), answer(behind=5, following=None)])
def test_with_no_record_since_it_is_all(monkeypatch: pytest.MonkeyPatch, last: dict[str, Any]) -> None:
    assert found(monkeypatch, Kinesis(last)) == END


def test_a_shard_that_answers_nothing_for_too_long_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "READS_MAX", 3)
    with pytest.raises(WorldError, match="read s0: 3 answers without a record, and more to come: ask again"):
        found(monkeypatch, Kinesis(*[answer(behind=5)] * 3))


def test_a_shard_that_is_no_more_has_nothing_since(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetShardIterator")
    assert found(monkeypatch, Kinesis(gone)) == END


def test_a_service_that_is_busy_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetShardIterator")
    with pytest.raises(WorldError):
        found(monkeypatch, Kinesis(busy))
