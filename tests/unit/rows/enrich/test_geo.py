"""Places of addresses, from a database made here."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from support.geo import PLACES, SIXES, database
from tailrace.rows.enrich.geo import Geo

KNOWN = [network.partition("/")[0] for network in (*PLACES, *SIXES)]
V6, V4 = Geo(database(6)), Geo(database(4))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("203.0.113.7", ("AT", "9", "Vienna")),
        ("203.0.113.7:51234", ("AT", "9", "Vienna")),
        (" 203.0.113.7, 10.0.0.1", ("AT", "9", "Vienna")),
        ("::ffff:203.0.113.7", ("AT", "9", "Vienna")),
        ("198.51.100.1", ("US", None, None)),
        ("2001:db8:1::5", ("JP", "13", None)),
        ("[2001:db8:1::5]:443", ("JP", "13", None)),
        ("2001:db8:1::5%eth0", ("JP", "13", None)),
        ("192.0.2.1", (None, None, None)),
        ("100.64.0.1", (None, None, None)),
        ("10.0.0.1", (None, None, None)),
        ("junk", (None, None, None)),
        ("", (None, None, None)),
        ("999.1.1.1", (None, None, None)),
        ("1" * 1000, (None, None, None)),
    ],
)
def test_places(text: str, place: tuple[str | None, ...]) -> None:
    made = V6({"ip": pa.array([text])})
    assert tuple(column[0].as_py() for column in made.values()) == place


def test_a_database_of_ipv4_alone_knows_nothing_of_ipv6() -> None:
    made = V4({"ip": pa.array(["203.0.113.7", "2001:db8:1::5", None])})
    assert made["geo_country"].to_pylist() == ["AT", None, None]
    assert made["geo_city"].to_pylist() == ["Vienna", None, None]


def test_a_damaged_database_is_null_or_refused_and_never_a_loss() -> None:
    data, refused = bytearray(database(6)), 0
    for at in range(0, len(data), 7):
        spoilt = bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            made = Geo(spoilt)({"ip": pa.array(KNOWN)})
        except ValueError:
            refused += 1
        else:
            assert {len(column) for column in made.values()} == {len(KNOWN)}
    assert 0 < refused < len(data) / 7


@pytest.mark.parametrize("data", [b"", b"no database", b"\xab\xcd\xefMaxMind.com", b"\xab\xcd\xefMaxMind.com\xe0"])
def test_what_is_no_database_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^found [0-9]+ bytes that are no MaxMind DB\Z"):
        Geo(data)


def test_the_digest_is_that_of_the_file() -> None:
    data = database(6)
    assert hashlib.sha256(data).hexdigest() in Geo(data).digest
