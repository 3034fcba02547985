"""Which rows have a key, whose key it is, and rows taken out of an outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.pipelines import IDENTITY, TREATMENT, holds, pipeline, record, records, rejected, stored
from tailrace.nouns import Outcome, Record, Redriven, Rows
from tailrace.rows.duplicates import DUPLICATE, Keyed, keys, lost, redriven_keys, wanted, without
from tailrace.rows.redriven import mark_of, wrap
from tailrace.rows.treatment import Verdict

EPOCH = IDENTITY.epoch


def click(event_id: str | None, tenant: str | None = "north", **more: Any) -> dict[str, Any]:
    named = {"eventId": event_id, "tenant": tenant}
    return {"eventType": "click", **{name: value for name, value in named.items() if value is not None}, **more}


def rows(*events: Any) -> list[Rows]:
    return pipeline()(records(*events)).rows


def test_equal_ids_of_one_tenant_have_one_key() -> None:
    found = keys(rows(click("a"), click("a", path="/x"), click("a", "south"), click("b")), "event_id", EPOCH)
    first, second, *others = [one.key for one in found]
    assert first == second
    assert len({first, *others}) == 3


def test_two_tenants_never_share_a_key_however_they_are_called() -> None:
    found = keys(rows(click("c", "ab"), click("bc", "a"), click('","', "x"), click("", 'x","')), "event_id", EPOCH)
    assert len({one.key for one in found}) == len(found) == 3


def test_another_epoch_or_kind_of_id_is_another_key() -> None:
    made = rows(click("a"))
    other = made[0].batch.set_column(
        made[0].batch.schema.get_field_index("fingerprint"), "fingerprint", made[0].batch.column("event_id")
    )
    found = [
        keys(made, "event_id", EPOCH),
        keys(made, "event_id", "epoch-2"),
        keys([made[0]._replace(batch=other)], "fingerprint", EPOCH),
    ]
    assert len({one.key for (one,) in found}) == 3


def test_a_derived_id_needs_no_key() -> None:
    assert keys(rows(click(None), click(""), {"name": "signup", "data": {}}), "event_id", EPOCH) == []


def test_an_event_without_a_fingerprint_has_no_key() -> None:
    assert keys(rows(click("a")), "fingerprint", EPOCH) == []


def test_rejects_have_no_key() -> None:
    assert keys(rows(click("a", path=7), b"{"), "event_id", EPOCH) == []


def test_a_key_shows_nothing_of_a_person() -> None:
    (one,) = keys(rows(click("ada@example.org", "ada")), "event_id", EPOCH)
    assert "ada" not in one.key
    assert len(one.key) == 32
    assert int(one.key, 16)


def test_the_owner_is_the_row_that_stands_first_however_rows_are_grouped() -> None:
    found = [
        Keyed("k", "10/0/0", "late"),
        Keyed("k", "9/3/1", "first"),
        Keyed("k", "9/3/10", "second"),
        Keyed("j", "1/0/0", "j"),
    ]
    for order in (found, found[::-1]):
        assert wanted(order) == {"k": "first", "j": "j"}
    assert list(lost(found, {"k": "second", "j": "j"})) == ["10/0/0", "9/3/1"]


# ---- events that were sent again


def again(raw: bytes, at: int = 0) -> Record:
    return record(wrap(Redriven("f" * 32, "id"), raw), at)


def test_rows_that_were_sent_again_have_the_key_of_their_first_reject() -> None:
    outcome = pipeline()([again(b'{"eventType":"click"}'), record(click("a"), 1)])
    (one,) = redriven_keys(outcome.rows, EPOCH)
    assert one.key == f"redriven/{EPOCH}/{'f' * 32}"
    assert one.row_id == stored(outcome)[0]["row_id"]


def test_a_key_that_was_claimed_for_its_reject_belongs_to_what_is_sent_again() -> None:
    """The reject was sound when it asked for the key; new schemas came before its plan."""
    outcome = pipeline()([again(b'{"eventType":"click","eventId":"a"}'), record(click("a", None), 1)])
    mended, other = keys(outcome.rows, "event_id", EPOCH)
    assert mended.key == other.key
    assert (mended.row_id, other.row_id) == ("f" * 32, stored(outcome)[1]["row_id"])


def test_a_made_up_mark_makes_an_owner_that_a_store_can_hold() -> None:
    (one,) = keys(
        pipeline()([record(wrap(Redriven("x" * 5000, "e"), b'{"eventType":"click"}'))]).rows, "event_id", EPOCH
    )
    assert len(one.row_id) == 32


@pytest.mark.parametrize("mark", ["x" * 5000, "é" * 20, ""])
def test_a_made_up_mark_makes_a_key_that_a_store_can_hold(mark: str) -> None:
    outcome = pipeline()([record(wrap(Redriven(mark, "e"), b'{"eventType":"click"}'))])
    (one,) = redriven_keys(outcome.rows, EPOCH)
    assert one.key.isascii()
    assert len(one.key) < 1024
    assert stored(outcome)[0]["redrive_of"] == mark


def test_mended_bytes_that_hold_several_events_give_each_a_key_of_its_own() -> None:
    outcome = pipeline()([again(b'[{"eventType":"click"},{"eventType":"click","path":7},{"eventType":"click"}]')])
    holds(outcome)
    assert [row["redrive_of"] for row in stored(outcome)] == ["f" * 32, f"{'f' * 32}/2"]
    assert [row["event_id"] for row in stored(outcome)] == ["id", "id/2"]
    (reject,) = rejected(outcome)
    assert (reject["redrive_of"], reject["event_id"]) == (f"{'f' * 32}/1", "id/1")
    assert len({one.key for one in redriven_keys(outcome.rows, EPOCH)}) == 2


def test_the_mark_of_a_first_event_is_its_records() -> None:
    one = Record(b"", "1", 0, 0, redriven=Redriven("r", "e"))
    assert mark_of(one, 0) is one.redriven
    assert mark_of(one, 3) == Redriven("r/3", "e/3")
    assert mark_of(Record(b"", "1", 0, 0), 3) is None


# ---- taking rows out


def ids(outcome: Outcome) -> list[str]:
    return [row["event_id"] for row in stored(outcome)]


def test_rows_are_taken_out_and_counted() -> None:
    outcome = pipeline(unknown_types="store")(
        records(click("a"), click("b"), {"type": "nobody", "id": "n"}, click("c", path=7), {"type": "open", "id": "o"})
    )
    places = {row["event_id"]: row["position"] for row in stored(outcome)}
    left = without(outcome, {places["a"]: DUPLICATE, places["n"]: DUPLICATE, places["o"]: "redriven", "9/9/9": "x"})
    holds(left)
    assert ids(left) == ["b"]
    assert (left.received, left.stored, left.rejected, left.filtered) == (5, 1, 1, 3)
    assert left.stored_by_type == {"click": 1}
    assert left.filtered_by == {("click", DUPLICATE): 1, ("", DUPLICATE): 1, ("open", "redriven"): 1}
    assert left.repeated == {places["a"]: DUPLICATE, places["n"]: DUPLICATE, places["o"]: "redriven"}
    assert [part.table.name for part in left.rows] == ["click/v1", "quarantine"]


def test_the_outcome_before_is_as_it_was() -> None:
    outcome = pipeline()(records(click("a"), click("b")))
    before = json.dumps(stored(outcome), default=str)
    without(outcome, {row["position"]: DUPLICATE for row in stored(outcome)})
    assert json.dumps(stored(outcome), default=str) == before
    assert (outcome.stored, outcome.stored_by_type, outcome.filtered_by) == (2, {"click": 2}, {})


def test_nothing_to_take_out_changes_nothing() -> None:
    outcome = pipeline()(records(click("a")))
    assert without(outcome, {}) is outcome
    assert without(outcome, {"1/2/3": DUPLICATE}).rows == outcome.rows


def test_a_reject_stays_though_its_position_was_to_go() -> None:
    """Another version of the schemas may refuse what a plan once left out."""
    outcome = pipeline()(records(click("a", path=7)))
    (reject,) = rejected(outcome)
    assert without(outcome, {reject["position"]: DUPLICATE}).rejected == 1


def test_what_was_filtered_before_stays_counted() -> None:
    treatment = TREATMENT._replace(verdict=lambda _type: Verdict.DROP)
    outcome = pipeline(treatment=treatment)(records(click("a"), click("b", path=7)))
    left = without(outcome, {stored(outcome)[0]["position"]: DUPLICATE})
    holds(left)
    assert left.filtered_by == {("click", "schema"): 1, ("click", DUPLICATE): 1}


@pytest.mark.parametrize("by", ["event_id", "fingerprint"])
def test_no_rows_have_no_keys(by: str) -> None:
    assert keys([], by, EPOCH) == redriven_keys([], EPOCH) == []
