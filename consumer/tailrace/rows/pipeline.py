"""Records to rows, the whole pure way. Rule: received == stored + rejected + filtered, and a replay gives equal rows.

What is wrong with data is a value here. What raises is a mistake of this code, and goes to the caller.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tailrace.nouns import Identity, Outcome, Reason, Record, Rejected, Rows
from tailrace.rows import columns
from tailrace.rows.decode import Decoder, Events, Spoilt
from tailrace.rows.entities import Entities
from tailrace.rows.group import Group, Refused
from tailrace.rows.redriven import PREFIX, mark_of, unwrapped
from tailrace.rows.rejects import quarantine_rows
from tailrace.rows.shape import Shape
from tailrace.rows.treatment import Treatment, Verdict
from tailrace.schema import contract as contracts
from tailrace.schema.avro import Writer
from tailrace.schema.book import Book, Page, unknown_page
from tailrace.schema.contract import Named, held_path, shortened, shown
from tailrace.settings import Contract, Limits

UNKNOWN: Final = ""  # how types outside the book are counted: labels of metrics must be few
UNKNOWN_SHAPES_MAX: Final = 1000  # kept between calls
UNKNOWN_TYPES_MAX: Final = 100  # that one record may bring along where they are stored
SCHEMA: Final = "schema"  # why an event was filtered: its type's verdict
UNKNOWN_TYPE: Final = "unknown_type"
ROUTE: Final = "route"  # no route brings it to the lake
NAME_CHARS_MAX: Final = 256  # of what a reject's row says of its event; the bytes say the rest
_PLAIN: Final = Treatment()
_TEXT: Final = frozenset((str,))
_TEXT_OR_NOT: Final = frozenset((str, type(None)))


class Pipeline:
    """Takes chunks of records; holds nothing of them between calls."""

    def __init__(
        self, contract: Contract, book: Book, limits: Limits, identity: Identity, treatment: Treatment = _PLAIN
    ) -> None:
        if contract != book.contract:
            raise ValueError("the schema book was loaded with another contract")
        self._contract = contracts.Contract(contract, book.type_of)
        self._entities = Entities(book, self._contract)
        self._book, self._limits, self._identity, self._treatment = book, limits, identity, treatment
        self._decoder = Decoder(self._contract, limits, book, book.writers)
        self._shapes: dict[tuple[str, str | None, bool], Shape] = {}
        self._unknown_shapes: dict[tuple[str, str | None, bool], Shape] = {}

    def __call__(self, records: Sequence[Record]) -> Outcome:
        """Return the rows of records, rejects among them. Raises TooMuch where fewer at a time can be processed."""
        if PREFIX in b"".join([record.data for record in records]):  # quicker than to look at each
            records = [unwrapped(record) if record.data.startswith(PREFIX) else record for record in records]
        events, spoilt = self._decoder.decode(records)
        rejected = [self._of_spoilt(one) for one in spoilt]
        rows: list[Rows] = []
        stored: Counter[str] = Counter()
        filtered: Counter[tuple[str, str]] = Counter()
        crowd = self._crowd(events, rejected) if events.several and self._contract.store_unknown else ()
        for places in self._by_name(events):
            mine = [at for at in places if at not in crowd] if crowd else places
            shape, group = self._shape_of(events, mine, rejected, filtered) if mine else (None, None)
            if shape is None or group is None:
                continue
            several, refused = self._by_version(shape, group, filtered)
            if refused:
                kept, refused = self._judged(shape, refused, filtered)
                several.append(kept)
                rejected.extend(self._of_refused(one, shape) for one in refused)
            for some in several:
                if some is not None and (some.batch.num_rows or some.sent):
                    rows.append(some)
                    stored[self._label(shape.page.event_type)] += some.batch.num_rows
        if events.several and rejected:
            self._cut_out(rejected, records, events.several)
        return self._outcome(rows, stored, rejected, filtered)

    def _by_version(
        self, shape: Shape, group: Group, filtered: Counter[tuple[str, str]]
    ) -> tuple[list[Rows | None], list[Refused]]:
        """Return the rows of events, and those that were refused.

        Events that name no version are judged by the newest, and what it refuses by the older ones, newest first. What
        none of them takes has the newest one's reasons.
        """
        older = self._older(shape.page) if shape is self._shapes.get((shape.page.event_type, None, False)) else []
        made, refused = shape.rows(group, explain=not older)
        self._unrouted(shape, len(group.events), made, filtered)
        several = [made]
        for version in older:
            if not refused:
                break
            other = self._shape(Named(shape.page.event_type, version, enclosed=False))
            assert isinstance(other, Shape)
            group = Group.of(refused)
            made, still = other.rows(group, explain=False)
            self._unrouted(other, len(group.events), made, filtered)
            several.append(made)
            left = {(id(one.record), one.at) for one in still}
            refused = [one for one in refused if (id(one.record), one.at) in left]
        if older:
            refused = [one._replace(reasons=shape.explain(one.event, one.outer, one.at)) for one in refused]
        return several, refused

    def _older(self, page: Page) -> list[str]:
        """Return the versions before a page's, newest first."""
        versions = self._book.versions(page.event_type)
        return versions[: versions.index(page.version)][::-1] if page.version in versions else []

    def _judged(
        self, shape: Shape, refused: list[Refused], filtered: Counter[tuple[str, str]]
    ) -> tuple[Rows | None, list[Refused]]:
        """Return the rows of events that the verdict of their type stores, and those that are rejected."""
        event_type = shape.page.event_type
        match self._treatment.verdict(event_type):
            case Verdict.LENIENT:
                kept, others = shape.loose().with_findings(refused)
                self._unrouted(shape, len(refused) - len(others), kept, filtered)
                return kept, others
            case Verdict.DROP:
                others = [one for one in refused if not one.bendable]
                if len(others) < len(refused):
                    filtered[self._label(event_type), SCHEMA] += len(refused) - len(others)
                return None, others
        return None, refused

    def _unrouted(self, shape: Shape, events: int, made: Rows | None, filtered: Counter[tuple[str, str]]) -> None:
        """Count the events that have no row in the lake, since no route brings them there."""
        gone = events - (made.batch.num_rows if made is not None else 0)
        if gone:
            filtered[self._label(shape.page.event_type), ROUTE] += gone

    def internal(self, record: Record, reason: Reason) -> Outcome:
        """Return the outcome of a record that this code cannot process: one reject of its whole."""
        record = unwrapped(record)
        spoilt = Rejected(
            (reason,),
            record.sequence,
            record.sub,
            0,
            record.arrival_ms,
            record.data,
            event_id=_id(record, 0, None),
            redrive_of=_of(record, 0),
        )
        return self._outcome([], Counter(), [spoilt], Counter())

    def _outcome(
        self, rows: list[Rows], stored: Counter[str], rejected: list[Rejected], filtered: Counter[tuple[str, str]]
    ) -> Outcome:
        if rejected:
            rows.append(quarantine_rows(rejected, self._identity))
        reasons = Counter((self._label(r.event_type), r.reasons[0].stage, r.reasons[0].keyword) for r in rejected)
        total, left_out = stored.total(), filtered.total()
        received = total + len(rejected) + left_out
        return Outcome(rows, received, total, len(rejected), left_out, reasons, stored, filtered)

    def _label(self, event_type: str | None) -> str:
        return event_type if event_type is not None and event_type in self._book else UNKNOWN

    # ---- by type and version

    def _crowd(self, events: Events, rejected: list[Rejected]) -> set[int]:
        """Reject the events whose unknown types are too many in one record: each is a table, and no cut parts it."""
        seen: defaultdict[int, set[tuple[str, str | None]]] = defaultdict(set)
        crowd = set()
        for at, (event, record) in enumerate(zip(events.values, events.records, strict=True)):
            named = self._contract.name(event) if id(record) in events.several and at not in events.writers else None
            if not isinstance(named, Named) or named.event_type in self._book:
                continue
            types, key = seen[id(record)], (named.event_type, named.version)
            if len(types) < UNKNOWN_TYPES_MAX or key in types:
                types.add(key)
                continue
            crowd.add(at)
            message = (
                f"found {shown(named.event_type)} after {UNKNOWN_TYPES_MAX} other unknown types in a record, expected"
            )
            where = held_path(event, self._contract.paths["event_type"])
            reason = Reason("contract", UNKNOWN_TYPE, where, f"{message} no more")
            rejected.append(
                self._reject(Group([event], [event], [None], [record], [events.indexes[at]]), 0, reason, named)
            )
        return crowd

    def _by_name(self, events: Events) -> Iterable[list[int]]:
        """Return the places of events that name themselves with the same values, or came as Avro of one schema."""
        if not events.writers:
            return self._alike(events.values, range(len(events.values)))
        by_writer: defaultdict[str, list[int]] = defaultdict(list)
        for at, writer in events.writers.items():
            by_writer[writer.name].append(at)
        others = [at for at in range(len(events.values)) if at not in events.writers]
        return [*by_writer.values(), *self._alike([events.values[at] for at in others], others)]

    def _alike(self, values: Sequence[dict[str, Any]], places: Sequence[int]) -> Iterable[list[int]]:
        names, versions = self._contract.types(values), self._contract.versions(values)
        groups: defaultdict[tuple[Any, Any], list[int]] = defaultdict(list)
        if set(map(type, names)) <= _TEXT and set(map(type, versions)) <= _TEXT_OR_NOT:
            for at, key in zip(places, zip(names, versions, strict=True), strict=True):
                groups[key].append(at)
            return groups.values()
        odd: list[list[int]] = []
        for at, key in zip(places, zip(names, versions, strict=True), strict=True):
            if type(key[0]) in _TEXT and type(key[1]) in _TEXT_OR_NOT:
                groups[key].append(at)
            else:
                odd.append([at])  # values of other types may be equal without being the same: 1 and true
        return [*groups.values(), *odd]

    def _shape_of(
        self, events: Events, places: list[int], rejected: list[Rejected], filtered: Counter[tuple[str, str]]
    ) -> tuple[Shape | None, Group]:
        """Return the shape of events that name themselves alike, and those of them that have a payload."""
        group = Group(events.values, events.values, events.batches, events.records, events.indexes).at(places)
        writer = events.writers.get(places[0])
        named = _by(writer) if writer else self._contract.name(group.events[0])
        if isinstance(named, Reason):
            for place, outer in enumerate(group.outers):
                reason = self._contract.name(outer)
                assert isinstance(reason, Reason)
                rejected.append(self._reject(group, place, reason, None))
            return None, group
        shape = self._shape(named)
        if isinstance(shape, Reason):
            if shape.keyword == UNKNOWN_TYPE and self._contract.drop_unknown:
                filtered[UNKNOWN, UNKNOWN_TYPE] += len(places)
                return None, group
            for place, outer in enumerate(group.outers):
                field = "event_type" if named.enclosed else _FIELD_OF[shape.keyword]  # a URI names the version too
                where = held_path(outer, self._contract.paths[field])
                rejected.append(self._reject(group, place, shape._replace(path=where), named))
            return None, group
        return shape, self._unwrapped(group, named, rejected) if named.enclosed else group

    def _shape(self, named: Named) -> Shape | Reason:
        key = (named.event_type, named.version, named.enclosed)
        shape = self._shapes.get(key) or self._unknown_shapes.get(key)
        if shape is not None:
            return shape
        page = self._book.page(named.event_type, named.version)
        if page is not None:
            shape = self._shapes[key] = self._new_shape(page, named)
            return shape
        if named.event_type in self._book:
            versions = ", ".join(self._book.versions(named.event_type)[-5:])
            message = f"found version {shown(named.version)} of {named.event_type}, expected one of: {versions}"
            return Reason("contract", "version", "$", message)
        if not self._contract.store_unknown:
            known = self._book.vendors(named.event_type.rpartition(".")[2]) if named.enclosed else ()
            message = f"found {shown(named.event_type)}, expected an event type with a schema"
            message += f" (that name is known of: {', '.join(known)})" if known else ""
            return Reason("contract", UNKNOWN_TYPE, "$", message)
        page = unknown_page(named.event_type, named.version, self._book.envelope)
        shape = self._new_shape(page, named)
        if len(named.event_type) + len(named.version or "") <= NAME_CHARS_MAX:  # a hostile one is as long as an event
            if len(self._unknown_shapes) >= UNKNOWN_SHAPES_MAX:
                self._unknown_shapes.clear()
            self._unknown_shapes[key] = shape
        return shape

    def _new_shape(self, page: Page, named: Named) -> Shape:
        parts = (self._contract, self._limits, self._identity, self._treatment, self._entities)
        return Shape(page, *parts, enclosed=named.enclosed)

    def _unwrapped(self, group: Group, named: Named, rejected: list[Rejected]) -> Group:
        """Return self-describing events with their payloads as events."""
        payloads = [self._contract.payload(outer) for outer in group.outers]
        lacking = {place for place, payload in enumerate(payloads) if type(payload) is not dict}
        for place in sorted(lacking):
            where = held_path(group.outers[place], self._contract.payload_paths)
            expected = "an object at one of: " + ", ".join(self._contract.section.payload)
            message = f"found {shown(payloads[place])}, expected {expected}: the payload"
            rejected.append(self._reject(group, place, Reason("contract", "payload", where, message), named))
        group = group._replace(events=payloads)
        group.remove(lacking)
        return group

    # ---- rejects

    def _reject(self, group: Group, place: int, reason: Reason, named: Named | None) -> Rejected:
        outer = group.outers[place]
        version = None if named is None or named.version is None else f"{named.event_type}/{named.version}"
        return self._rejected(group.records[place], group.indexes[place], (reason,), outer, named, version)

    def _cut_out(self, rejected: list[Rejected], records: Sequence[Record], several: set[int]) -> None:
        """Give each rejected member of a list its own bytes in place of the record's."""
        places: dict[tuple[str, int], list[bytes]] = {}
        held = {(r.sequence, r.sub): r.data for r in records if id(r) in several}
        for at, one in enumerate(rejected):
            key = (one.sequence, one.sub)
            data = held.get(key)
            if data is None or one.raw is not data:
                continue
            if key not in places:
                places[key] = self._decoder.split(data)[0]
            rejected[at] = msgspec.structs.replace(one, raw=places[key][one.index])

    def _of_refused(self, one: Refused, shape: Shape) -> Rejected:
        page = shape.page
        return Rejected(
            reasons=one.reasons,
            sequence=one.record.sequence,
            sub=one.record.sub,
            index=one.at,
            arrival_ms=one.record.arrival_ms,
            raw=one.record.data,
            event_type=_short(page.event_type),
            schema=None if page.judge is None else page.name,
            tenant=_short(shape.name_of("tenant", one.event, one.outer)),
            event_id=_id(one.record, one.at, shape.name_of("event_id", one.event, one.outer)),
            redrive_of=_of(one.record, one.at),
        )

    def _of_spoilt(self, one: Spoilt) -> Rejected:
        value = one.value if type(one.value) is dict else {}
        named = _by(one.writer) if one.writer else self._contract.name(value)
        known = None if isinstance(named, Reason) else named
        schema = one.writer.name if one.writer else None
        return self._rejected(one.record, one.at, one.reasons, value, known, schema, one.raw)

    def _rejected(
        self,
        record: Record,
        index: int,
        reasons: tuple[Reason, ...],
        event: dict[str, Any],
        named: Named | None,
        schema: str | None,
        raw: bytes | None = None,
    ) -> Rejected:
        return Rejected(
            reasons=reasons,
            sequence=record.sequence,
            sub=record.sub,
            index=index,
            arrival_ms=record.arrival_ms,
            raw=record.data if raw is None else raw,
            event_type=None if named is None else _short(named.event_type),
            schema=_short(schema),
            tenant=_short(columns.text(self._contract.field("tenant", event))),
            event_id=_id(record, index, columns.text(self._contract.field("event_id", event))),
            redrive_of=_of(record, index),
        )


def _by(writer: Writer) -> Named:
    return Named(writer.event_type, writer.version, enclosed=False)


def _short(text: str | None) -> str | None:
    return text if text is None else shortened(text, NAME_CHARS_MAX)


def _id(record: Record, index: int, event_id: str | None) -> str | None:
    """Return the event's own id, or the one it had before it was sent again."""
    mark = mark_of(record, index)
    return _short(event_id or (mark.event_id if mark else event_id))


def _of(record: Record, index: int) -> str | None:
    mark = mark_of(record, index)
    return mark.row_id if mark else None


_FIELD_OF: Final = {"version": "schema_version", "unknown_type": "event_type"}
