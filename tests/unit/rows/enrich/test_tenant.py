"""What a file says of tenants."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tailrace.rows.enrich.tenant import Tenant

DATA = b'{"acme": {"tier": "gold", "country": "AT", "since": 2019}, "none": {}}'


def test_attributes_are_json_text_in_one_order() -> None:
    made = Tenant(DATA)({"tenant": pa.array(["acme", "zeta", "none", "acme"])})["tenant_attributes"]
    acme = '{"country":"AT","since":2019,"tier":"gold"}'
    assert made.to_pylist() == [acme, None, "{}", acme]


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"{,}", "no JSON"), (b"[]", "expected an object"), (b'{"acme": 1}', "acme: expected an object of attributes")],
)
def test_a_file_that_is_none_is_refused(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Tenant(data)


def test_the_digest_is_that_of_the_file() -> None:
    assert Tenant(DATA).digest == Tenant(DATA).digest != Tenant(DATA + b" ").digest
