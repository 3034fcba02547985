"""Keys of the hot table."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from tailrace.nouns import Identity
from tailrace.sinks.hot import keys

TEXTS = st.text(alphabet=st.sampled_from("ab#%~-2D37E5é🙂"), max_size=8) | st.text(max_size=300)
PK_BYTES_MAX, SK_BYTES_MAX = 2048, 1024  # DynamoDB's


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_two_users_never_have_one_key(tenant: str, user: str, other_tenant: str, other: str) -> None:
    same = (tenant, user) == (other_tenant, other)
    assert (keys.user_pk(tenant, user) == keys.user_pk(other_tenant, other)) is same


@given(TEXTS)
def test_a_part_parts_nothing_and_is_never_empty_and_can_be_read_back(text: str) -> None:
    part = keys.part(text)
    assert part
    assert "#" not in part
    assert len(part.encode()) <= keys.PART_BYTES_MAX
    assert part.startswith("~") or keys.unescaped(part) == text


def test_who_is_not_there_is_no_user_called_so() -> None:
    assert keys.part("-") == "%2D" != keys.part("") == keys.part(None) == keys.NOBODY
    nobody = keys.nobody_pk("t", 3)
    assert nobody.count("#") == 4 > keys.user_pk("t", "-#3").count("#")


def test_a_part_that_is_too_long_is_its_hash() -> None:
    long = keys.part("é" * 200)
    assert long.startswith("~")
    assert long != keys.part("é" * 201)
    assert keys.part("~" + "0" * 64) != "~" + "0" * 64


def test_long_texts_are_not_remembered() -> None:
    tracemalloc.start()
    for n in range(200):
        keys.part(f"{n}" * 100_000)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 2**20


def test_the_longest_keys_fit() -> None:
    longest = ["🙂" * 64] * 6
    pk = keys.aggregate_pk([f"{'c' * 62}.{n}" for n in range(6)], longest)
    assert len(pk.encode()) <= PK_BYTES_MAX
    by = keys.origin(Identity("s", "tb1234abcd", "shardId-" + "0" * 12), "l" * 64)
    assert len(f"{keys.aggregate_prefix('a' * 32, '2026-01-31T00:00')}{by}".encode()) <= SK_BYTES_MAX
    assert len(keys.event_sk("2026-01-31T00:00:00.000000Z", "0" * 32).encode()) <= SK_BYTES_MAX


def test_an_aggregates_key_is_a_users_where_it_is_tenant_and_user() -> None:
    assert keys.aggregate_pk(["tenant", "user"], ["t", "u"]) == keys.user_pk("t", "u")
    assert keys.aggregate_pk([], []) == "ALL"
    pk = keys.aggregate_pk(["tenant", "path", "Plan"], ["a#b", None, "x"])
    assert pk == "TENANT#a%23b#PATH#-#Plan#x"
    assert keys.parsed(pk) == {"tenant": "a#b", "path": "", "Plan": "x"}
