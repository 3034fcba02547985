"""What of a person is stored only altered. Rule: the original event is never touched, and nothing slips through.

Addresses lose their last bits; what has no sound address where one belongs becomes null. Members that the settings
name become `<key name>:<HMAC-SHA-256, base64url>`: the same value under the same key is the same text in every field
and type, so that tables still join. A text of that form is left as it is: masking twice is masking once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import orjson

from tailrace.rows.enrich.addresses import address
from tailrace.schema.book import Book, BookError, Page
from tailrace.schema.contract import Contract, Path
from tailrace.schema.kinds import BOOLEAN, JSON, TEXT, Kind, Leaf, List, Struct, described
from tailrace.settings import Privacy, SettingsError

CACHE_ENTRIES: Final = 8192
CACHED_CHARS_MAX: Final = 256
SECRET_BYTES_MIN: Final = 16
PERSONS: Final = ("user_id", "session_id")  # fields of the contract: each is altered everywhere, or nowhere
BLOCK_BYTES: Final = 64  # of SHA-256
DIGEST_TEXT: Final = b"tailrace: which keys these are"
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_PSEUDONYM: Final = "{}:[A-Za-z0-9_-]{{43}}"
_PATHS: Final = "[privacy] pseudonyms"
Change = Callable[[Any], Any]


class Key:
    """HMAC-SHA-256 under one secret, with the work for the secret done once."""

    def __init__(self, secret: bytes) -> None:
        block = (hashlib.sha256(secret).digest() if len(secret) > BLOCK_BYTES else secret).ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block)).copy
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def of(self, data: bytes) -> bytes:
        """Return the code of some bytes. RFC 2104 by hand: the module `hmac` takes twice as long for short texts."""
        inner, outer = self._inner(), self._outer()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


class Pseudonyms:
    """Replaces texts and numbers by keyed hashes."""

    def __init__(self, secrets: Mapping[str, bytes], in_use: str) -> None:
        """`secrets` by the keys' names; those that are not in use say which texts are pseudonyms already."""
        keys = {name: Key(secret) for name, secret in sorted(secrets.items())}
        self._prefix, self._key = f"{in_use}:", keys[in_use]
        self._done = re.compile(_PSEUDONYM.format("(?:" + "|".join(keys) + ")"))
        self._cached = lru_cache(CACHE_ENTRIES)(self._token)
        self.digest = " ".join((in_use, *(f"{name}={key.of(DIGEST_TEXT).hex()}" for name, key in keys.items())))

    def __call__(self, value: Any) -> Any:
        """Return a value with every text and number in it replaced; empty text, true, false and null say nothing."""
        if type(value) is str:
            if not value or self._done.fullmatch(value):
                return value
            return self._cached(value) if len(value) <= CACHED_CHARS_MAX else self._token(value)
        if type(value) is int:
            return self._cached(str(value))
        if type(value) is float:
            whole = value.is_integer() and abs(value) < 2**63  # JSON's 1.0 is 1
            return self._cached(str(int(value) if whole else value))
        if type(value) is list:
            return _list(value, self)
        return _members(value, [(key, self) for key in value]) if type(value) is dict else value

    def _token(self, text: str) -> str:
        code = self._key.of(text.encode(errors="surrogatepass"))
        return self._prefix + binascii.b2a_base64(code, newline=False).translate(_URL_SAFE, b"=").decode()


class Addresses:
    """Keeps an address's first bits."""

    def __init__(self, v4_bits: int, v6_bits: int) -> None:
        self._v4 = ((1 << v4_bits) - 1) << (32 - v4_bits)
        self._v6 = ((1 << v6_bits) - 1) << (128 - v6_bits)
        self._cut = lru_cache(CACHE_ENTRIES)(self._uncached)

    def __call__(self, value: Any) -> Any:
        """Return what may be kept of an address; null for what is none: it may hold one all the same."""
        if type(value) is list:
            return _list(value, self)
        return self._cut(value) if type(value) is str and len(value) <= CACHED_CHARS_MAX else None

    def _uncached(self, text: str) -> str | None:
        found = address(text)
        if found is None:
            return None
        if isinstance(found, IPv4Address):
            kept = int(found) & self._v4
            cut: object = f"{kept >> 24}.{kept >> 16 & 255}.{kept >> 8 & 255}.{kept & 255}"
        elif found.sixtofour is not None:  # its first 16 bits, and then an IPv4 address
            cut = IPv6Address(int(found) & self._v6 & (0xFFFF << 112 | self._v4 << 80 | (1 << 80) - 1))
        else:
            cut = IPv6Address(int(found) & self._v6)
        return text if text == str(cut) else str(cut)


class Masking:
    """Returns an altered copy of an event, or the event itself where nothing of it is personal."""

    def __init__(self, changes: Mapping[Path, Change], digest: str) -> None:
        self._change, self.digest = _compiled(changes), digest

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        altered: dict[str, Any] = self._change(event)
        return altered


def _compiled(changes: Mapping[Path, Change]) -> Change:
    """Return what alters a value at some paths below it. What is done at a place is done to all below it."""
    if () in changes:
        return changes[()]
    first: dict[str, dict[Path, Change]] = {}
    for path, change in changes.items():
        first.setdefault(path[0], {})[path[1:]] = change
    below = tuple((key, _compiled(of)) for key, of in first.items())

    def altered(value: Any) -> Any:
        if type(value) is dict:
            return _members(value, below)
        return _list(value, altered) if type(value) is list else value

    return altered


def _list(values: list[Any], change: Change) -> list[Any]:
    new = list(map(change, values))  # no frame of its own for each level: limits let 250 be open
    return new if any(one is not old for one, old in zip(new, values, strict=True)) else values


def _members(value: dict[str, Any], changes: Iterable[tuple[str, Change]]) -> dict[str, Any]:
    out: dict[str, Any] | None = None
    for key, change in changes:
        old = value.get(key)
        if old is None:
            continue
        new = change(old)
        if new is not old:
            out = dict(value) if out is None else out
            out[key] = new
    return value if out is None else out


# ---- from settings


def masking(section: Privacy, book: Book, read: Callable[[str], bytes]) -> Masking | None:
    """Return the mask that settings ask for, None where nothing is altered. Raises SettingsError, and as `read`."""
    contract = Contract(book.contract)
    roots = _roots(contract)
    changes: dict[Path, Change] = {}
    digest = hashlib.sha256()
    if section.anonymise_ip:
        addresses = Addresses(section.ip_v4_bits, section.ip_v6_bits)
        changes |= {(*root, *path): addresses for root in roots for path in contract.paths["ip"]}
        digest.update(orjson.dumps(["ip", section.ip_v4_bits, section.ip_v6_bits, book.contract.ip]))
        _readable(contract, contract.paths["ip"], "[contract] ip")
        for path in contract.paths["ip"]:
            if any(_begins(payload, path) for payload in contract.payload_paths):
                raise SettingsError(f"[contract] ip: {'.'.join(path)} is where [contract] payload stands")
    if section.pseudonyms:
        pseudonyms = Pseudonyms(*_keys(section, read))
        paths = _with_others([tuple(path.split(".")) for path in section.pseudonyms], contract)
        _readable(contract, list(paths), _PATHS)
        _fits(contract, book, paths)
        changes |= {(*root, *path): pseudonyms for root in roots for path in paths}
        digest.update(orjson.dumps(["pseudonyms", sorted(paths), roots, pseudonyms.digest]))
    return Masking(changes, digest.hexdigest()) if changes else None


def _roots(contract: Contract) -> list[Path]:
    """Return where in a whole event paths begin: there, and where a payload may be kept whole beside its columns.

    That is one deeper than one member, or one that is not the first of several.
    """
    payloads = contract.payload_paths
    return [(), *(path for path in payloads if len(path) > 1 or len(payloads) > 1)]


def _with_others(paths: Sequence[Path], contract: Contract) -> dict[Path, Path]:
    """Return paths, each with the one that was given: a person's id is altered wherever the contract may find it."""
    out = {path: path for path in paths}
    for path in paths:
        inside = [path[len(payload) :] for payload in contract.payload_paths if _begins(path, payload)]
        for own in (contract.paths[name] for name in PERSONS):
            if any(one in own for one in (path, *inside)):
                out = dict.fromkeys(own, path) | out
    return out


def _keys(section: Privacy, read: Callable[[str], bytes]) -> tuple[dict[str, bytes], str]:
    """Return the secrets by name, and the name of the one in use. No message shows any of a secret."""
    where = f"[privacy] keys: {section.keys}"
    if not section.keys:
        raise SettingsError("[privacy] keys: found none, expected a file of secrets for [privacy] pseudonyms")
    try:
        document = orjson.loads(read(section.keys))
    except BookError as error:  # there is no such file
        raise SettingsError(f"[privacy] keys: {error}") from None
    except orjson.JSONDecodeError:
        raise SettingsError(f"{where}: no JSON") from None
    if not isinstance(document, dict) or not document:
        raise SettingsError(f"{where}: expected an object: key name -> secret, base64")
    secrets: dict[str, bytes] = {}
    for name, text in document.items():
        if not _KEY_NAME.fullmatch(name):
            raise SettingsError(f"{where}: found the key name {name!r}, expected 1 to 32 of A-Z a-z 0-9 _ -")
        try:
            secrets[name] = base64.b64decode(text if isinstance(text, str) else "-", validate=True)
        except (binascii.Error, ValueError):
            raise SettingsError(f"{where}: {name}: expected a secret as base64 text") from None
        if len(secrets[name]) < SECRET_BYTES_MIN:
            found = f"found {len(secrets[name])} bytes"
            raise SettingsError(f"{where}: {name}: {found}, expected a secret of {SECRET_BYTES_MIN} bytes or more")
    if section.key not in secrets:
        raise SettingsError(f"[privacy] key: found {section.key!r}, expected one of: {', '.join(sorted(secrets))}")
    return secrets, section.key


def _readable(contract: Contract, paths: Sequence[Path], where: str) -> None:
    """Refuse paths of what the row tells all the same."""
    for path in paths:
        for name in ("tenant", "event_time"):
            if any(_begins(path, own) or _begins(own, path) for own in contract.paths[name]):
                shown = ".".join(path)
                raise SettingsError(f"{where}: {shown} is where the contract finds {name}, which is never altered")


def _fits(contract: Contract, book: Book, paths: Mapping[Path, Path]) -> None:
    """Refuse a path whose altered value some column of the book could not hold."""
    pages = [book.page(one, version) for one in book.types() for version in book.versions(one)]
    tables = {page.table.name: page for page in pages if page is not None}
    for path, given in paths.items():
        inside = [path[len(payload) :] for payload in contract.payload_paths if _begins(path, payload)]
        for one in (*inside, *((*root, *path) for root in _roots(contract))):
            for page in tables.values():
                kind = _unfit(Struct(page.fields), one)
                if kind is not None:
                    more = "" if path == given else f" (with {'.'.join(given)}, of one field of the contract)"
                    place = one if len(one) > len(path) else path
                    found = f"{'.'.join(place)}{more} is {described(kind)} in {page.event_type}"
                    raise SettingsError(f"{_PATHS}: {found}, expected text: what replaces it fits no other column")


def strays(section: Privacy, book: Book) -> list[str]:
    """Return the paths of pseudonyms that lead to no member of any schema: where all is closed, they alter nothing."""
    contract = Contract(book.contract)
    pages = [page for one in book.types() for version in book.versions(one) if (page := book.page(one, version))]

    def known(path: Path) -> bool:
        inside = [path[len(payload) :] for payload in contract.payload_paths if _begins(path, payload)]
        return any(not one or any(_leads(page, one) for page in pages) for one in (path, *inside))

    return [path for path in section.pseudonyms if not known(tuple(path.split(".")))]


def _leads(page: Page, path: Path) -> bool:
    kind = next((field.kind for field in page.fields if field.name == path[0]), JSON)
    return path[0] in page.declared and _holds(kind, path[1:])


def _holds(kind: Kind, path: Path) -> bool:
    if isinstance(kind, List):
        return _holds(kind.item, path)
    if isinstance(kind, Struct) and path:
        return any(field.name == path[0] and _holds(field.kind, path[1:]) for field in kind.fields)
    return kind is JSON or not path


def _begins(path: Path, start: Path) -> bool:
    return path[: len(start)] == start


def _unfit(kind: Kind, path: Path) -> Kind | None:
    """Return what stands at a path or below it and holds no text."""
    if isinstance(kind, List):
        return _unfit(kind.item, path)
    if isinstance(kind, Leaf):
        return kind if not path and kind not in {TEXT, JSON, BOOLEAN} else None
    fields = [field for field in kind.fields if not path or field.name == path[0]]
    return next((bad for field in fields if (bad := _unfit(field.kind, path[1:])) is not None), None)
