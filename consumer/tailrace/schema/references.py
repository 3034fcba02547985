"""Files of a book that refer to each other. Rule: a reference ends in the book or in an error, never on a network.

Each file has the address `https://book.invalid/<its path>`, so that a relative reference is read from the file it
stands in, and may have an `$id` beside it. jsonschema-rs resolves; `Scope` asks it, so that columns are typed by what
judges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urljoin

import jsonschema_rs

from tailrace.schema.contract import json_path, shortened, shown

BASE: Final = "https://book.invalid/"  # a name that can never exist
IGLU_FOLDERS: Final = 4  # <vendor>/<name>/jsonschema/<version>
DEPTH_MAX: Final = 100  # of a schema file; jsonschema-rs gives up at some 250
MESSAGE_CHARS_MAX: Final = 300
_DRAFTS: Final = {  # the names that schemas give, without scheme and `#` -> the one that is compiled
    "json-schema.org/draft-04/schema": "http://json-schema.org/draft-04/schema#",
    "json-schema.org/draft-06/schema": "http://json-schema.org/draft-06/schema#",
    "json-schema.org/draft-07/schema": "http://json-schema.org/draft-07/schema#",
    "json-schema.org/draft/2019-09/schema": "https://json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft/2020-12/schema": "https://json-schema.org/draft/2020-12/schema",
}
DRAFT: Final = _DRAFTS["json-schema.org/draft-07/schema"]
IGLU_DRAFT: Final = _DRAFTS["json-schema.org/draft-04/schema"]
SIBLINGS: Final = frozenset(name for name in _DRAFTS.values() if "/draft/20" in name)  # count beside a `$ref`
_ALONE: Final = "schema.json"
_ABSENT: Final = re.compile(r"Resource '([^']*)' is not present in a registry")
_NOWHERE: Final = re.compile(r"(?:Pointer|Anchor) '(.*)' does not exist")
REFUSED: Final = (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError)
_DATA: Final = frozenset(("const", "enum", "default", "examples"))  # no schemas stand in them
_REFERENCES: Final = frozenset(("$ref", "$dynamicRef", "$recursiveRef"))
_BY_NAME: Final = frozenset(
    ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies")
)


class SchemaError(Exception):
    """A schema that cannot be used."""


class Library:
    """The files of a book, those with definitions among them, as one registry. All are plain JSON Schemas."""

    def __init__(self, files: Mapping[str, Mapping[str, Any]]) -> None:
        """Take schemas by their path. Raises SchemaError, its first word a path."""
        self._iglu = _iglu_addresses(files)
        self.schemas = {path: self._plain(path, schema) for path, schema in files.items()}
        self.by_address = {address(path): schema for path, schema in self.schemas.items()}
        self.registry = self._registry()
        self._parts: dict[bytes, dict[str, Any]] | None = None

    def _plain(self, path: str, schema: object) -> dict[str, Any]:
        try:
            return plain(schema, self._iglu.get)
        except SchemaError as error:
            raise SchemaError(f"{path}: {error}") from None

    def _registry(self) -> jsonschema_rs.Registry:
        try:
            return jsonschema_rs.Registry(list(self.by_address.items()))
        except REFUSED as error:
            raise SchemaError(f"{self._guilty(error)}: {why(error)}") from None

    def _guilty(self, error: Exception) -> str:
        """Return the file that something is wrong with, which jsonschema-rs does not say; all where it cannot be told.

        It refers to what is absent, or is wrong where all others are empty.
        """
        absent = _ABSENT.search(str(error))
        for path, schema in self.schemas.items():
            if absent is not None:
                if absent[1] in _targets(schema, frozenset((address(path),))):
                    return path
                continue
            try:
                jsonschema_rs.Registry([(at, one if one is schema else {}) for at, one in self.by_address.items()])
            except REFUSED:
                return path
        return ", ".join(self.schemas)

    def scope(self, path: str) -> Scope:
        """Return where the references of a file are read from."""
        at = address(path)
        draft = str(self.schemas[path]["$schema"])
        return Scope(self, at, at, draft, frozenset((f"{at}#",)), [0])

    def in_order(self, found: object, at: str, pointer: str) -> object:
        """Return a part of the book that jsonschema-rs found, as it was read: it does not keep the order of members."""
        here: object = self.by_address.get(at)
        for part in unquote(pointer).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            here = here.get(name) if isinstance(here, dict) else None
        if here == found or not isinstance(found, dict):
            return here
        if self._parts is None:
            self._parts = {_sorted(part): part for schema in self.schemas.values() for part in _parts(schema)}
        return self._parts.get(_sorted(found), found)


class Scope(NamedTuple):
    """Where a schema stands: what its references mean there, and which ones led to it."""

    library: Library | None
    local: str  # the address that `#...` is read in
    base: str  # the one that other references are relative to
    draft: str
    seen: frozenset[str]  # references that led here
    spent: list[int]  # how many columns were made of the file so far, all scopes together
    whole: bool = True  # nothing was entered yet: an `$id` is the document's

    @classmethod
    def of(cls, root: Mapping[str, Any] | Scope) -> Scope:
        """Return the scope of a schema that stands alone; a scope is its own."""
        if isinstance(root, Scope):
            return root
        try:
            return Library({_ALONE: root}).scope(_ALONE)
        except SchemaError:
            return cls(None, BASE, BASE, DRAFT, frozenset(), [0])

    def entered(self, schema: object) -> tuple[Mapping[str, Any], Scope]:
        """Return the schema that a chain of references ends at, and where it stands.

        It is an empty one where it cannot be told, or where the chain leads back to what it came from.
        """
        here, beside = self, list[Mapping[str, Any]]()
        while isinstance(schema, dict):
            here = here.identified(schema)
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return _both(schema, beside), here._replace(whole=False)
            if here.draft in SIBLINGS:
                beside.append(schema)
            schema, here = here.followed(reference)
        return _both({}, beside), here._replace(whole=False)

    def identified(self, schema: Mapping[str, Any]) -> Scope:
        """Return the scope inside a schema, which may have an address of its own."""
        name = schema.get("id" if self.draft == IGLU_DRAFT else "$id")
        if not isinstance(name, str) or name.startswith("#") or ("$ref" in schema and self.draft not in SIBLINGS):
            return self
        base = _joined(self.base, name).rstrip("#")
        return self._replace(base=base, local=self.local if self.whole else base)

    def followed(self, reference: str) -> tuple[object, Scope]:
        """Return what a reference leads to, and where that stands; None where it cannot be told."""
        if self.library is None:
            return None, self
        at = self.local if reference.startswith("#") else self.base
        try:
            found = self.library.registry.resolver(at).lookup(reference)
        except REFUSED:  # what judges refuses such a schema, if it ever gets there
            return None, self
        address, fragment = found.resolver.base_uri, reference.partition("#")[2]
        key = f"{address}#{fragment}"
        if key in self.seen:
            return None, self
        draft = _NUMBERED.get(found.draft, DRAFT)
        contents = self.library.in_order(found.contents, address, fragment)
        return contents, Scope(self.library, address, address, draft, self.seen | {key}, self.spent, not fragment)


_NUMBERED: Final = {
    jsonschema_rs.Draft4: IGLU_DRAFT,
    jsonschema_rs.Draft6: _DRAFTS["json-schema.org/draft-06/schema"],
    jsonschema_rs.Draft7: DRAFT,
    jsonschema_rs.Draft201909: _DRAFTS["json-schema.org/draft/2019-09/schema"],
    jsonschema_rs.Draft202012: _DRAFTS["json-schema.org/draft/2020-12/schema"],
}


def _both(target: Mapping[str, Any], beside: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a schema that knows the members of all: each holds, so what one says of a member is true."""
    out = dict(target)
    for schema in beside:
        properties = {**_members(schema), **_members(out)}
        closed = schema.get("additionalProperties") is False or out.get("additionalProperties") is False
        out = {**schema, **out, "properties": properties}
        if closed:
            out["additionalProperties"] = False
        if not properties:
            del out["properties"]
    return out


def _members(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def address(path: str) -> str:
    """Return the address of a file."""
    return BASE + quote(path)


def plain(schema: object, iglu: Callable[[str], str | None] = lambda _uri: None) -> dict[str, Any]:
    """Return a schema as JSON Schema knows it. Raises SchemaError.

    Without `$schema` it is draft-07, an Iglu one is draft-04. `self` goes, and references to `iglu:` addresses become
    references to the files that `iglu` says have them.
    """
    if not isinstance(schema, dict):
        raise SchemaError(f"found {shown(schema)}, expected a JSON Schema, an object")
    if _deeper(schema, DEPTH_MAX):
        raise SchemaError(f"found more than {DEPTH_MAX} levels")
    copy = _walked({key: value for key, value in schema.items() if key != "self"}, iglu)
    return copy | {"$schema": _dialect(schema.get("$schema", DRAFT))}


def _dialect(name: object) -> str:
    if isinstance(name, str):
        if "iglucentral.com" in name or name.startswith("iglu:"):
            return IGLU_DRAFT
        known = _DRAFTS.get(name.removesuffix("#").removeprefix("http://").removeprefix("https://"))
        if known is not None:
            return known
    raise SchemaError(f"$schema: found {shown(name)}, expected draft-04, 06, 07, 2019-09 or 2020-12, or an iglu: URI")


def _deeper(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            below
            for one in layer
            if isinstance(one, dict | list)
            for below in (one.values() if isinstance(one, dict) else one)
        ]
        if not layer:
            return False
    return True


def _walked(schema: dict[str, Any], iglu: Callable[[str], str | None]) -> dict[str, Any]:
    """Return a schema with its `iglu:` references replaced."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and value.startswith("iglu:"):
            uri, mark, fragment = value.partition("#")
            out[key] = f"{iglu(uri) or uri}{mark}{fragment}"
        elif key in _DATA:
            out[key] = value
        elif key in _BY_NAME and isinstance(value, dict):
            out[key] = {name: _below(one, iglu) for name, one in value.items()}
        else:
            out[key] = _below(value, iglu)
    return out


def _below(value: object, iglu: Callable[[str], str | None]) -> object:
    if isinstance(value, dict):
        return _walked(value, iglu)
    return [_below(one, iglu) for one in value] if isinstance(value, list) else value


def _targets(value: object, bases: frozenset[str]) -> Iterator[str]:
    """Yield the addresses that references may lead to, without fragments."""
    if isinstance(value, list):
        for one in value:
            yield from _targets(one, bases)
    if not isinstance(value, dict):
        return
    bases |= {_joined(base, value.get(key)) for base in bases for key in ("id", "$id")}
    for key, below in value.items():
        if key in _REFERENCES:
            yield from (_joined(base, below).partition("#")[0] for base in bases)
        yield from _targets(below, bases)


def _parts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(below)


def _sorted(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _joined(base: str, name: object) -> str:
    try:
        return urljoin(base, name) if isinstance(name, str) else base
    except ValueError:
        return base


def _iglu_addresses(files: Mapping[str, object]) -> dict[str, str]:
    """Return the addresses of those files that have an Iglu URI, by that URI."""
    out: dict[str, str] = {}
    for path, schema in files.items():
        folders = path.removesuffix(".json").split("/")
        uri = iglu_uri(schema)
        if uri is None and len(folders) == IGLU_FOLDERS and folders[2] == "jsonschema":
            uri = "iglu:" + "/".join(folders)
        if uri is None:
            continue
        if uri in out:
            raise SchemaError(f"{path}: another file is {uri} already")
        out[uri] = address(path)
    return out


def iglu_uri(schema: object) -> str | None:
    """Return the URI that a self-describing schema gives itself."""
    described = schema.get("self") if isinstance(schema, dict) else None
    if not isinstance(described, dict):
        return None
    parts = [described.get(key) for key in ("vendor", "name", "format", "version")]
    return "iglu:" + "/".join(map(str, parts)) if all(isinstance(part, str) for part in parts) else None


def why(error: Exception) -> str:
    """Return what jsonschema-rs has against a schema as one short line."""
    if not isinstance(error, jsonschema_rs.ValidationError):
        text, place = str(error), ""
    else:
        text, place = error.message, json_path(error.instance_path)
    absent = _ABSENT.search(text)
    if absent is not None:
        return f"it refers to {shortened(absent[1].removeprefix(BASE))}, which is not in the book"
    nowhere = _NOWHERE.fullmatch(text)
    if nowhere is not None:
        return f"it refers to #{shortened(nowhere[1])}, which is not there"
    return shortened(" ".join([f"{place}:"] * (len(place) > 1) + text.split()), MESSAGE_CHARS_MAX)
