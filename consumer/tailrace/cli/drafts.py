"""Schemas and fixtures for a sample of events. Rule: what is offered has been tried, on the sample itself.

Nothing is read or written here: a draft is files by their path, and what would become of the sample under them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from tailrace.cli.checks import BAD, GOOD
from tailrace.cli.documents import Document
from tailrace.nouns import Identity, Outcome, Reason, Record
from tailrace.rows.decode import Decoder, Events
from tailrace.rows.pipeline import Pipeline
from tailrace.schema import contract as contracts
from tailrace.schema.book import QUARANTINE, Book
from tailrace.schema.contract import Named
from tailrace.schema.infer import Seen, inferred
from tailrace.schema.load import load_files
from tailrace.settings import Contract, Limits

FIRST: Final = "1-0-0"
LINES_MAX: Final = 3  # of a fixture
TYPES_MAX: Final = 500
BATCHES: Final = ("events", "batch", "records", "items", "data", "hits")
PLAIN: Final = ("event_id", "tenant", "user_id", "session_id", "user_agent", "url", "referer", "schema_version")
_IDENTITY: Final = Identity("draft", "draft", "draft")


class Kind(NamedTuple):
    """One version of one event type, as it was seen."""

    event_type: str
    version: str
    path: str  # of its schema, without the ending
    events: int
    members: int
    required: int
    closed: bool
    mixed: list[tuple[str, Mapping[str, int]]]


class Draft(NamedTuple):
    """Everything that init would write, and what the sample becomes under it."""

    contract: Contract
    files: dict[str, bytes]
    kinds: list[Kind]
    stored: int
    rejected: list[tuple[int, Reason]]  # with its line
    unnamed: dict[str, str]  # types that can have no schema, and why


class Sample:
    """The events of documents."""

    def __init__(self, documents: Sequence[Document], contract: Contract, limits: Limits) -> None:
        self.records = [Record(one.data, str(one.line), 0, 0, fault=one.fault) for one in documents]
        self.limits = limits
        self.contract = msgspec.structs.replace(contract, batch=_batch(documents, contract))
        decoder = Decoder(contracts.Contract(self.contract), limits, frozenset())
        self.events: Events = decoder.decode(self.records)[0]


def _batch(documents: Sequence[Document], contract: Contract) -> tuple[str, ...]:
    """Return the keys that hold lists of events: the defaults, unless all documents have them at another."""
    found: Counter[str] = Counter()
    for one in documents:
        try:
            value = orjson.loads(one.data)
        except orjson.JSONDecodeError:
            continue
        for key in BATCHES if isinstance(value, dict) else ():
            inside = value.get(key)
            if isinstance(inside, list) and inside and all(isinstance(member, dict) for member in inside):
                found[key] += 1
    best = found.most_common(1)
    if best and best[0][0] not in contract.batch and best[0][1] * 10 >= len(documents) * 9:
        return (best[0][0],)
    return contract.batch


def draft(sample: Sample, contract: Contract) -> Draft:
    """Return schemas and fixtures for the events of a sample under a contract."""
    made = _Draft(sample, contract)
    made.schemas()
    return made.tried()


class _Draft:
    def __init__(self, sample: Sample, contract: Contract) -> None:
        self._sample, self._section = sample, contract
        self._contract = contracts.Contract(contract, lambda vendor, name: f"{vendor}.{name}")
        self._kinds: list[Kind] = []
        self._files: dict[str, bytes] = {}
        self._unnamed: dict[str, str] = {}

    # ---- schemas

    def schemas(self) -> None:
        """Infer one for each type; versions of a type share it, since nothing tells them apart but their number."""
        seen: dict[tuple[str, bool], Seen] = {}
        versions: defaultdict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
        for event in self._sample.events.values:
            named = self._contract.name(event)
            body = self._body(event, named)
            if isinstance(named, Named) and body is not None:
                key = (named.event_type, named.enclosed)
                seen.setdefault(key, Seen()).add(body)
                versions[key][named.version or FIRST] += 1
        folders: set[str] = set()
        for key in sorted(seen, key=lambda key: -seen[key].count):
            event_type, enclosed = key
            folder = _iglu_folder(event_type) if enclosed else event_type
            why = _unusable(folder, event_type, folders, enclosed=enclosed)
            if why or len(self._kinds) >= TYPES_MAX:
                self._unnamed[event_type] = why or f"there are more than {TYPES_MAX} types"
                continue
            folders.add(event_type.casefold())
            self._schema(event_type, folder, seen[key], versions[key], enclosed=enclosed)

    def _schema(self, event_type: str, folder: str, seen: Seen, versions: Mapping[str, int], *, enclosed: bool) -> None:
        paths = self._contract.paths
        kind_members = {} if enclosed else {path[0]: event_type for path in paths["event_type"] if len(path) == 1}
        plain = {path[0] for field in PLAIN for path in paths[field]}
        schema = inferred(seen, event_type, kind_members, plain)
        closed = schema.get("additionalProperties") is False
        facts = (seen.count, len(schema["properties"]), len(schema["required"]), closed, seen.mixed())
        for version in sorted(versions, key=lambda text: tuple(map(int, text.split("-")))):
            path = f"{folder}/{version}"
            self._kinds.append(Kind(event_type, version, path, *facts))
            self._files[f"{path}.json"] = orjson.dumps(schema, option=orjson.OPT_INDENT_2) + b"\n"

    def _body(self, event: dict[str, Any], named: Named | Reason) -> dict[str, Any] | None:
        if isinstance(named, Reason):
            return None
        body = self._contract.payload(event) if named.enclosed else event
        return body if isinstance(body, dict) else None

    # ---- trying it

    def tried(self) -> Draft:
        """Judge the sample by what was made of it, and take fixtures from what is stored."""
        book, rejects, stored = self._judged()
        if any(reason.keyword == "entity" for reason in rejects.values()):  # they are not self-describing
            self._section = msgspec.structs.replace(self._section, entities=())
            book, rejects, stored = self._judged()
        by_schema = self._fixtures(book, rejects)
        named = [(int(line), reason) for (line, _), reason in sorted(rejects.items(), key=lambda one: int(one[0][0]))]
        return Draft(self._section, self._files | by_schema, self._kinds, stored, named, self._unnamed)

    def _judged(self) -> tuple[Book, dict[tuple[str, int], Reason], int]:
        book = load_files(self._files, self._section, origin="schemas")
        outcome = self._pipeline(book)(self._sample.records)
        return book, _rejects(outcome), outcome.stored

    def _pipeline(self, book: Book) -> Pipeline:
        return Pipeline(self._section, book, self._sample.limits, _IDENTITY)

    def _places(self) -> list[tuple[str, int]]:
        events = self._sample.events
        return [(record.sequence, index) for record, index in zip(events.records, events.indexes, strict=True)]

    def _fixtures(self, book: Book, rejects: Mapping[tuple[str, int], Reason]) -> dict[str, bytes]:
        contract = contracts.Contract(self._section, lambda vendor, name: f"{vendor}.{name}")
        lines: defaultdict[tuple[str, str], list[bytes]] = defaultdict(list)
        for place, event in zip(self._places(), self._sample.events.values, strict=True):
            named = contract.name(event)
            if place not in rejects and isinstance(named, Named):
                held = lines[named.event_type, named.version or FIRST]
                if len(held) < LINES_MAX:
                    held.append(orjson.dumps(event))
        out: dict[str, bytes] = {}
        for kind in self._kinds:
            good = lines[kind.event_type, kind.version]
            only = self._pipeline(book.only(kind.event_type, kind.version))
            good = [line for line in good if not _refusals(only, line)]
            bad = self._broken(only, kind, good[0]) if good else []
            out |= {f"{kind.path}{GOOD}": b"\n".join(good) + b"\n"} if good else {}
            out |= {f"{kind.path}{BAD}": b"\n".join(bad) + b"\n"} if bad else {}
        return out

    def _broken(self, pipeline: Pipeline, kind: Kind, line: bytes) -> list[bytes]:
        """Return copies of a line, each broken in one way that its schema sees."""
        event = orjson.loads(line)
        named = self._contract.name(event)
        body = self._body(event, named) or {}
        schema = orjson.loads(self._files[f"{kind.path}.json"])
        tries = [{name: value for name, value in body.items() if name != gone} for gone in schema["required"]]
        tries += [{**body, name: {"not": "expected"}} for name in body]
        tries.append({**body, "not_in_the_schema": True})
        found: list[bytes] = []
        for number, other in enumerate(tries):
            broken = orjson.dumps(self._around(event, named, other))
            kinds = _refusals(pipeline, broken)
            if kinds == [f"{kind.event_type}/{kind.version}"] and (
                number == len(tries) - 1 or len(found) < LINES_MAX - 1
            ):
                found.append(broken)
        return found

    def _around(self, event: dict[str, Any], named: Named | Reason, body: dict[str, Any]) -> dict[str, Any]:
        """Return the event with another payload, or the payload where it is the event."""
        if isinstance(named, Reason) or not named.enclosed:
            return body
        path = next(path for path in self._contract.payload_paths if contracts.find(event, path) is not None)
        return {**event, path[0]: body} if len(path) == 1 else event


def _rejects(outcome: Outcome) -> dict[tuple[str, int], Reason]:
    """Return the first reason of each reject by its place."""
    out: dict[tuple[str, int], Reason] = {}
    for part in outcome.rows:
        if part.table.name == QUARANTINE.name:
            for row in part.batch.to_pylist():
                line, _, index = row["position"].split("/")
                out[line, int(index)] = Reason(row["stage"], row["keyword"], row["path"], row["message"])
    return out


def _refusals(pipeline: Pipeline, line: bytes) -> list[str | None]:
    """Return the schemas by which events of a line are rejected."""
    rows = pipeline([Record(line, "1", 0, 0)]).rows
    return [row["schema"] for part in rows if part.table.name == QUARANTINE.name for row in part.batch.to_pylist()]


def _iglu_folder(event_type: str) -> str:
    vendor, _, name = event_type.rpartition(".")
    return f"{vendor}/{name}/jsonschema"


def _unusable(folder: str, event_type: str, taken: set[str], *, enclosed: bool) -> str:
    """Return why a type can have no schema, nothing when it can."""
    if event_type.casefold() in taken:
        return "another type is called so, but for case"
    if enclosed:
        return "" if not folder.startswith((".", "_")) else "its vendor begins with . or _"
    if "/" in folder or folder.startswith((".", "_")) or not folder.isprintable():
        return "no folder can be called so"
    return "" if len(folder.encode()) <= 100 else "its name is longer than 100 bytes"
