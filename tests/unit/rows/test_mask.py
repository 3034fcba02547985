"""What of a person is stored only altered."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest

from support.pipelines import ARRIVAL_MS, IDENTITY, closed, records, stored
from tailrace import settings
from tailrace.rows.mask import Addresses, Key, Masking, Pseudonyms, masking, strays
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import Book, BookError
from tailrace.settings import Privacy, SettingsError

SECRETS = {"k1": bytes(range(32)), "k2": bytes(range(32, 64))}
FILE = json.dumps({name: base64.b64encode(secret).decode() for name, secret in SECRETS.items()}).encode()
TEXT: Mapping[str, Any] = {"type": "string"}
VISIT = closed(
    {
        "type": {"const": "visit"},
        "email": TEXT,
        "user_id": {"type": ["integer", "string"]},
        "ip": TEXT,
        "age": {"type": "integer"},
        "people": {"type": "array", "items": closed({"name": TEXT, "vip": {"type": "boolean"}})},
        "address": closed({"zip": {"type": "integer"}, "street": TEXT}),
        "open": {"type": "object"},
        "score": {"type": ["string", "number"]},
    },
    ["type"],
)
BOOK = Book(settings.Contract(), {("visit", "1-0-0"): VISIT})


def pseudonym(value: str, name: str = "k1") -> str:
    code = hmac.new(SECRETS[name], value.encode(), hashlib.sha256).digest()
    return f"{name}:{base64.urlsafe_b64encode(code).decode().rstrip('=')}"


def mask(*paths: str, anonymise_ip: bool = False, book: Book = BOOK, **keys: Any) -> Masking:
    given: dict[str, Any] = {"anonymise_ip": anonymise_ip, "pseudonyms": paths, "keys": "keys.json", "key": "k1"}
    section = Privacy(**(given | keys))
    made = masking(section, book, {"keys.json": FILE}.__getitem__)
    assert made is not None
    return made


# ---- HMAC

RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
]


@pytest.mark.parametrize(("secret", "data", "code"), RFC_4231)
def test_codes_are_those_of_rfc_4231(secret: bytes, data: bytes, code: str) -> None:
    key = Key(secret)
    assert key.of(data).hex() == code
    assert key.of(data).hex() == code  # a key is not used up


# ---- pseudonyms


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@b.example", pseudonym("a@b.example")),
        ("é\N{EURO SIGN}", pseudonym("é\N{EURO SIGN}")),
        ("x" * 5000, pseudonym("x" * 5000)),
        (17, pseudonym("17")),
        (17.0, pseudonym("17")),
        (17.5, pseudonym("17.5")),
        (1e300, pseudonym("1e+300")),
        (["a", None, 17, [""]], [pseudonym("a"), None, pseudonym("17"), [""]]),
        ({"a": "x", "b": {"c": ["y"]}}, {"a": pseudonym("x"), "b": {"c": [pseudonym("y")]}}),
        ("", ""),
        (True, True),
        (None, None),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    assert Pseudonyms(SECRETS, "k1")(value) == expected


def test_a_lone_surrogate_has_a_pseudonym_too() -> None:
    assert Pseudonyms(SECRETS, "k1")("\ud800").startswith("k1:")


def test_what_is_a_pseudonym_already_stays_whichever_key_made_it() -> None:
    old = Pseudonyms(SECRETS, "k2")("a")
    assert old == pseudonym("a", "k2")
    assert Pseudonyms(SECRETS, "k1")(old) == old
    for text in (old + "=", "k3" + old[2:], old[:-1], " " + old, old + "\n"):
        assert Pseudonyms(SECRETS, "k1")(text) == pseudonym(text)


def test_paths_lead_through_lists_and_the_event_stays_as_it_came() -> None:
    event: dict[str, Any] = {
        "type": "visit",
        "email": "a",
        "people": [{"name": "b", "vip": True}, {"vip": False}, 3],
        "open": {"deep": [[{"x": "c"}]]},
        "age": 3,
    }
    before = copy.deepcopy(event)
    made: Any = mask("email", "people.name", "open.deep.x", "open.none", "address.street")(event)
    assert event == before
    assert made == before | {
        "email": pseudonym("a"),
        "people": [{"name": pseudonym("b"), "vip": True}, {"vip": False}, 3],
        "open": {"deep": [[{"x": pseudonym("c")}]]},
    }
    assert made["people"][2] is event["people"][2]


def test_an_event_without_anything_personal_is_itself() -> None:
    event = {"type": "visit", "age": 3, "people": [{"vip": True}], "open": {}, "ip": None}
    assert mask("email", "people.name", "open.x", anonymise_ip=True)(event) is event


# ---- addresses


@pytest.mark.parametrize(
    ("text", "v4", "v6", "expected"),
    [
        ("203.0.113.77", 24, 48, "203.0.113.0"),
        ("203.0.113.77:443", 24, 48, "203.0.113.0"),
        ("203.0.113.77", 16, 48, "203.0.0.0"),
        ("203.0.113.77", 0, 0, "0.0.0.0"),
        ("203.0.113.77", 32, 128, "203.0.113.77"),
        ("2001:db8:1234:5678:9abc::1", 24, 48, "2001:db8:1234::"),
        ("[2001:db8:1234:5678::1]:443", 24, 48, "2001:db8:1234::"),
        ("2001:db8:1234:5678::1%eth0", 24, 56, "2001:db8:1234:5600::"),
        ("2001:db8::1", 24, 128, "2001:db8::1"),
        ("::ffff:203.0.113.77", 24, 48, "203.0.113.0"),
        ("2002:cb00:714d::1", 24, 48, "2002:cb00:7100::"),
        ("203.0.113.77, 198.51.100.1", 24, 48, "203.0.113.0"),
        ("someone@shop.example", 24, 48, None),
        ("203.0.113", 24, 48, None),
        ("", 24, 48, None),
        ("1" * 1000, 24, 48, None),
        (3405803853, 24, 48, None),
        ({"v4": "203.0.113.77"}, 24, 48, None),
        (["203.0.113.77", "junk"], 24, 48, ["203.0.113.0", None]),
    ],
)
def test_addresses_are_cut_and_junk_is_null(text: Any, v4: int, v6: int, expected: Any) -> None:
    assert Addresses(v4, v6)(text) == expected


# ---- rows


def rows(made: Masking, *events: Any, book: Book = BOOK) -> list[dict[str, Any]]:
    pipeline = Pipeline(book.contract, book, settings.Limits(), IDENTITY, Treatment(mask=made))
    return stored(pipeline(records(*events)))


def test_columns_the_envelope_and_what_is_extra_are_altered() -> None:
    made = mask("email", "user_id", "other.mail", "people.name", anonymise_ip=True)
    event = {"type": "visit", "email": "a@b.example", "user_id": 17, "ip": "203.0.113.77", "people": [{"name": "x"}]}
    (row,) = rows(made, event)
    assert (row["email"], row["user_id"], row["ip"]) == (pseudonym("a@b.example"), pseudonym("17"), "203.0.113.0")
    assert row["people"] == [{"name": pseudonym("x"), "vip": None}]
    around = {"sent_by": "app", "email": "a@b.example", "other": {"mail": "c"}, "ip": "junk 203.0.113.77"}
    (row,) = rows(made, {"events": [event], **around})
    assert json.loads(row["extra"])["$batch"] == {
        "sent_by": "app",
        "email": pseudonym("a@b.example"),
        "other": {"mail": pseudonym("c")},
        "ip": None,
    }


@pytest.mark.parametrize("path", ["email", "data.email"])
def test_a_self_describing_event_is_altered_within_and_around(path: str) -> None:
    event = {
        "schema": "iglu:com.acme/visit/jsonschema/1-0-0",
        "data": {"type": "visit", "email": "a@b.example", "ip": "203.0.113.77"},
        "user_id": "u1",
        "ip": "2001:db8:1:2::3",
    }
    (row,) = rows(mask(path, "user_id", anonymise_ip=True), event)
    assert (row["email"], row["ip"], row["user_id"]) == (pseudonym("a@b.example"), "203.0.113.0", pseudonym("u1"))
    assert json.loads(row["extra"])["$event"]["ip"] == "2001:db8:1::"


def test_a_payload_that_stands_deep_is_altered_where_it_is_kept_whole() -> None:
    book = Book(settings.Contract(payload=("wrap.data",)), {("visit", "1-0-0"): VISIT})
    event = {
        "schema": "iglu:com.acme/visit/jsonschema/1-0-0",
        "wrap": {"data": {"type": "visit", "email": "a@b.example", "ip": "203.0.113.77"}},
    }
    (row,) = rows(mask("email", anonymise_ip=True, book=book), event, book=book)
    assert row["email"] == pseudonym("a@b.example")
    assert "a@b.example" not in row["extra"]
    assert "203.0.113.77" not in row["extra"]


def test_a_type_without_a_schema_is_altered_too() -> None:
    book = Book(settings.Contract(unknown_types="store"), {("visit", "1-0-0"): VISIT})
    (row,) = rows(
        mask("email", book=book), {"type": "other", "email": "a@b.example", "timestamp": ARRIVAL_MS}, book=book
    )
    assert json.loads(row["extra"])["email"] == pseudonym("a@b.example")


@pytest.mark.parametrize("path", ["user_id", "data.userId"])
def test_a_persons_id_is_altered_wherever_the_contract_finds_it(path: str) -> None:
    book = Book(settings.Contract(unknown_types="store"), {("visit", "1-0-0"): VISIT})
    events = [{"type": "visit", "user_id": "u1"}, {"type": "other", "userId": "u1"}, {"type": "other", "user_id": 7}]
    around = {"schema": "iglu:com.acme/visit/jsonschema/1-0-0", "data": {"type": "visit"}, "userId": "u1"}
    found = rows(mask(path, book=book), *events, around, book=book)
    assert [row["user_id"] for row in found] == [pseudonym("u1")] * 2 + [pseudonym("7"), pseudonym("u1")]


def test_a_second_payload_is_altered_where_it_is_kept_whole() -> None:
    book = Book(settings.Contract(payload=("data", "payload")), {("visit", "1-0-0"): VISIT})
    event = {
        "schema": "iglu:com.acme/visit/jsonschema/1-0-0",
        "data": {"type": "visit", "email": "a@b.example"},
        "payload": {"email": "c@d.example"},
    }
    (row,) = rows(mask("email", book=book), event, book=book)
    assert (row["email"], json.loads(row["extra"])["$event"]["payload"]) == (
        pseudonym("a@b.example"),
        {"email": pseudonym("c@d.example")},
    )


def test_as_deep_as_the_limits_allow() -> None:
    value: Any = "deep"
    for _ in range(248):
        value = [value]
    masked = mask("open.below")({"open": [{"below": value}]})
    for _ in range(248):
        (value,) = value
    assert value == "deep"
    assert pseudonym("deep") in str(masked)


# ---- refusals


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("age",), "age is integer in visit, expected text"),
        (("address",), "address is integer in visit, expected text"),
        (("address.zip",), "address.zip is integer in visit, expected text"),
        (("data.age",), "data.age is integer in visit, expected text"),
        (("tenant",), "tenant is where the contract finds tenant, which is never altered"),
        (("tenant_id.x",), "tenant_id.x is where the contract finds tenant"),
        (("timestamp",), "timestamp is where the contract finds event_time"),
        (("user_id",), r"userId \(with user_id, of one field of the contract\) is integer in signup"),
    ],
)
def test_a_path_that_no_column_could_hold_is_refused(paths: tuple[str, ...], expected: str) -> None:
    both = closed({"type": {"const": "signup"}, "user_id": TEXT, "userId": {"type": "integer"}})
    book = Book(
        settings.Contract(), {("visit", "1-0-0"): VISIT} | ({("signup", "1-0-0"): both} if "user" in expected else {})
    )
    with pytest.raises(SettingsError, match=expected) as caught:
        mask(*paths, book=book)
    assert str(caught.value).startswith("[privacy] pseudonyms: ")
    assert "\n" not in str(caught.value)


def test_a_payload_is_looked_at_wherever_it_stands_whole() -> None:
    outer = closed({"type": {"const": "visit"}, "wrap": closed({"data": closed({"email": {"type": "integer"}})})})
    with pytest.raises(SettingsError, match=r"wrap\.data\.email is integer in visit, expected text"):
        mask("email", book=Book(settings.Contract(payload=("wrap.data",)), {("visit", "1-0-0"): outer}))


def test_a_payload_is_no_address() -> None:
    book = Book(settings.Contract(payload=("wrap.data",), ip=("wrap",)), {("visit", "1-0-0"): VISIT})
    with pytest.raises(SettingsError, match=r"\A\[contract\] ip: wrap is where \[contract\] payload stands\Z"):
        mask(anonymise_ip=True, book=book)


def test_every_major_is_looked_at() -> None:
    older = closed({"type": {"const": "visit"}, "email": {"type": "integer"}})
    with pytest.raises(SettingsError, match="email is integer in visit"):
        mask("email", book=Book(settings.Contract(), {("visit", "1-0-0"): older, ("visit", "2-0-0"): VISIT}))


def test_what_holds_text_beside_true_and_false_is_fine() -> None:
    made = mask("people", "open", "score", "user_id", "absent", "email.below")
    assert made({"people": [{"name": "x", "vip": True}]}) == {"people": [{"name": pseudonym("x"), "vip": True}]}


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        (FILE, {"keys": ""}, r"\[privacy\] keys: found none"),
        (FILE, {"key": "k9"}, r"\[privacy\] key: found 'k9', expected one of: k1, k2"),
        (b"{", {}, "no JSON"),
        (b"[]", {}, "expected an object: key name -> secret"),
        (b"{}", {}, "expected an object: key name -> secret"),
        (b'{"a b": "AAAA"}', {}, "found the key name 'a b'"),
        (b'{"k1": "c2VjcmV0!"}', {}, "k1: expected a secret as base64 text"),
        (b'{"k1": 17}', {}, "k1: expected a secret as base64 text"),
        (b'{"k1": "c2VjcmV0"}', {}, "k1: found 6 bytes, expected a secret of 16 bytes or more"),
    ],
)
def test_keys_that_are_none_are_refused_and_never_shown(file: bytes, change: dict[str, Any], expected: str) -> None:
    section = Privacy(**({"pseudonyms": ("email",), "keys": "keys.json", "key": "k1"} | change))
    with pytest.raises(SettingsError, match=expected) as caught:
        masking(section, BOOK, {"keys.json": file}.__getitem__)
    assert "c2Vj" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_keys_that_is_absent_names_its_setting() -> None:
    def absent(uri: str) -> bytes:
        raise BookError(f"{uri}: no such file")

    with pytest.raises(SettingsError, match=r"\A\[privacy\] keys: keys.json: no such file\Z"):
        masking(Privacy(pseudonyms=("email",), keys="keys.json", key="k1"), BOOK, absent)


def test_paths_that_no_schema_knows_are_told() -> None:
    known = ("email", "user_id", "people.name", "people", "open.any.thing", "data", "data.email", "score")
    unknown = ("emial", "email.below", "people.nam", "data.emial", "address.zip.x")
    assert strays(Privacy(pseudonyms=known), BOOK) == []
    assert strays(Privacy(pseudonyms=unknown), BOOK) == list(unknown)


def test_nothing_to_alter_is_no_mask() -> None:
    assert masking(Privacy(), BOOK, dict[str, bytes]().__getitem__) is None


# ---- the digest


def test_the_digest_tells_settings_and_keys_apart() -> None:
    digests = {
        mask("email").digest,
        mask("user_id").digest,
        mask("email", key="k2").digest,
        mask("email", anonymise_ip=True).digest,
        mask("email", anonymise_ip=True, ip_v4_bits=16).digest,
        mask("email", anonymise_ip=True, ip_v6_bits=32).digest,
        mask(anonymise_ip=True).digest,
    }
    assert len(digests) == 7
    assert mask("email").digest == mask("email").digest


def test_no_secret_is_in_a_digest() -> None:
    digest = Pseudonyms(SECRETS, "k1").digest
    assert not [name for name, secret in SECRETS.items() if secret.hex() in digest]
    assert digest != Pseudonyms(SECRETS | {"k2": bytes(32)}, "k1").digest
