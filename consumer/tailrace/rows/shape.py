"""How events of one schema become rows of its table. Rule: what no column holds is in `extra`.

A shape is compiled once for each (type, version, self-describing or not): which members to look at for every field.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import repeat
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tailrace.nouns import Identity, Reason, Rows
from tailrace.rows import columns, lenient, redriven, times
from tailrace.rows.enrich.port import FIELDS as READABLE
from tailrace.rows.entities import Entities
from tailrace.rows.group import Group, Refused
from tailrace.rows.rejects import row_ids
from tailrace.rows.route import routed
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import TIME, Page
from tailrace.schema.contract import FIELDS, LIFTED, Contract, Path, find, held_path, look, shown
from tailrace.schema.validate import WHOLE_EVENTS_MAX, broken, judge
from tailrace.settings import Limits

_PAYLOAD_FIELDS: Final = tuple(name for name in FIELDS if name not in {"event_type", "schema_version"})
_EVENT: Final = pa.scalar("event")
_NONE: Final[frozenset[str]] = frozenset()
_HOLDING: Final = tuple(name for name in LIFTED if name in _PAYLOAD_FIELDS)


class Shape:
    """One schema's way from events to rows."""

    def __init__(
        self,
        page: Page,
        contract: Contract,
        limits: Limits,
        identity: Identity,
        treatment: Treatment,
        entities: Entities,
        *,
        enclosed: bool,
        loose: bool = False,
    ) -> None:
        """`loose`: its events break their schema, so nothing is sure of them; see `with_findings`."""
        self.page, self.enclosed, self._is_loose = lenient.relaxed(page) if loose else page, enclosed, loose
        self._loose: Shape | None = None
        self._parts = (page, contract, limits, identity, treatment, entities)
        page = self.page
        self._entities = entities.around(page, enclosed=enclosed)
        self._enrichers, self._mask, self._routes = treatment.enrichers, treatment.mask, treatment.routes
        self._text_inputs = frozenset(name for one in self._enrichers for name in one.inputs).intersection(READABLE)
        self._limits, self._identity = limits, identity
        self._event_type = pa.scalar(page.event_type)
        self._version = pa.scalar(page.version or None, pa.string())
        self._shard = pa.scalar(identity.shard)
        self._default_tenant = contract.section.default_tenant
        self._payload_paths, self._payload = contract.payload_paths, contract.payload
        # The members that may hold a field: those the schema knows, or any where it is open.
        self._paths: dict[str, tuple[Path, ...]] = {
            name: tuple(p for p in contract.paths[name] if not page.closed or p[0] in page.declared) for name in FIELDS
        }
        self._outer_paths = {name: contract.paths[name] if enclosed else () for name in FIELDS}
        self._naming_paths = () if enclosed else (self._paths["event_type"], self._paths["schema_version"])
        self._read = {name: self._reader(name) for name in _PAYLOAD_FIELDS}
        self._members = [columns.member_reader(f.name, certain=f.required and not f.null) for f in page.fields]
        self._columns = tuple((field.name, field.type, field.type == pa.string()) for field in page.table.schema)
        self._column_names = frozenset(field.name for field in page.fields)

    def _reader(self, name: str) -> Callable[[Group], list[Any]]:
        inner = columns.reader(self._paths[name], self.page.certain)
        outer_paths = self._outer_paths[name]
        if not outer_paths:
            return lambda group: inner(group.events)
        find_outer = look(outer_paths)
        return lambda group: [
            find_outer(outer) if value is None else value
            for value, outer in zip(inner(group.events), group.outers, strict=True)
        ]

    # ---- the verdict

    def rows(self, group: Group, *, explain: bool = True) -> tuple[Rows | None, list[Refused]]:
        """Return the rows of a group, None when there are none, and the events that were refused: taken out of it.

        Without `explain` nothing says why they were: that costs much, and another version may take them.
        """
        refused: list[Refused] = []
        if self.page.judge is not None:
            self._drop(group, broken(self.page.judge, group.events), refused, explain=explain)
        if self._entities is not None:
            self._drop(group, self._entities.broken(group.events, group.outers), refused, explain=explain)
        while group.events:
            tenants, wrong = self._tenants(group)
            event_times, late = times.column(self._read["event_time"](group))
            guilty = {*wrong, *late}
            if not guilty:
                try:
                    return self._table_rows(group, tenants, event_times), refused
                except columns.Unfit:
                    guilty = {at for at, e in enumerate(group.events) if columns.misfits(self.page.fields, e)}
                    if not guilty:  # no value is to blame, so the mistake is ours
                        raise
            self._drop(group, guilty, refused, explain=explain)
        return None, refused

    def _drop(self, group: Group, guilty: Collection[int], refused: list[Refused], *, explain: bool) -> None:
        for at in sorted(guilty):
            event, outer = group.events[at], group.outers[at]
            reasons = self.explain(event, outer, group.indexes[at]) if explain else ()
            refused.append(Refused(group.records[at], group.indexes[at], event, outer, group.batches[at], reasons))
        group.remove(guilty)

    def loose(self) -> Shape:
        """Return the shape for those of its events that break their schema and are stored all the same."""
        if self._loose is None:
            self._loose = Shape(*self._parts, enclosed=self.enclosed, loose=True)
        return self._loose

    def with_findings(self, refused: Sequence[Refused]) -> tuple[Rows | None, list[Refused]]:
        """Return the rows of refused events, and those that break more than their schema. A loose shape's alone."""
        kept: list[Refused] = []
        others: list[Refused] = []
        for one in refused:
            more = self._contract_reasons(one.event, one.outer) if one.bendable else []
            if one.bendable and not more:
                kept.append(one)
            else:
                others.append(one._replace(reasons=(*more, *one.reasons)))
        if not kept:
            return None, others
        group = Group.of(kept, enclosed=self.enclosed)
        tenants, _ = self._tenants(group)
        event_times, _ = times.column(self._read["event_time"](group))
        return self._table_rows(group, tenants, event_times, [one.reasons for one in kept]), others

    def explain(self, event: dict[str, Any], outer: dict[str, Any], index: int = 0) -> tuple[Reason, ...]:
        """Return every reason to refuse one event, none when it is sound. `index`: its place in its record."""
        reasons = [*self._contract_reasons(event, outer)]
        broken = judge(self.page.judge, [event], whole=index < WHOLE_EVENTS_MAX) if self.page.judge else {}
        found = broken[0] if broken else columns.misfits(self.page.fields, event)
        inside = self._inside(outer)
        around = self._entities.reasons(event, outer, inside) if self._entities else ()
        return (*reasons, *(reason._replace(path=inside + reason.path[1:]) for reason in found), *around)

    def _contract_reasons(self, event: dict[str, Any], outer: dict[str, Any]) -> list[Reason]:
        reasons = []
        value, path = self._held("tenant", event, outer)
        longest = self._limits.tenant_chars_max
        if value is not None and not isinstance(value, str):
            reasons.append(Reason("contract", "tenant", path, f"found {shown(value)}, expected text"))
        elif value is not None and len(value) > longest:
            message = f"found {len(value)} characters, expected at most {longest}"
            reasons.append(Reason("contract", "tenant", path, message))
        value, path = self._held("event_time", event, outer)
        if value is not None and times.microseconds(value) is None:
            expected = "expected ISO 8601, or seconds, milliseconds or microseconds since 1970, in the years 1 to 9999"
            reasons.append(Reason("contract", "time", path, f"found {shown(value)}, {expected}"))
        return reasons

    def _inside(self, outer: dict[str, Any]) -> str:
        """Return the JSON path of what the schema judges."""
        return held_path(outer, self._payload_paths) if self.enclosed else "$"

    def _held(self, name: str, event: dict[str, Any], outer: dict[str, Any]) -> tuple[Any, str]:
        value = look(self._paths[name])(event)
        if value is not None:
            return value, self._inside(outer) + held_path(event, self._paths[name])[1:]
        return look(self._outer_paths[name])(outer), held_path(outer, self._outer_paths[name])

    def name_of(self, name: str, event: dict[str, Any], outer: dict[str, Any]) -> str | None:
        """Return a field of a refused event as text."""
        return columns.text(self._held(name, event, outer)[0])

    def _tenants(self, group: Group) -> tuple[list[str], list[int]]:
        values, longest = self._read["tenant"](group), self._limits.tenant_chars_max
        wrong = [
            at
            for at, value in enumerate(values)
            if value is not None and (type(value) is not str or len(value) > longest)
        ]
        default = self._default_tenant
        return [value or default for value in values], wrong

    # ---- the columns

    def _member_columns(self, events: list[dict[str, Any]]) -> list[pa.Array]:
        fields = self.page.fields
        return [
            columns.build(field.kind, read(events)) for field, read in zip(fields, self._members, strict=True)
        ]  # fmt: skip

    def _table_rows(
        self, whole: Group, tenants: list[str], event_time: pa.Array, reasons: Sequence[tuple[Reason, ...]] = ()
    ) -> Rows:
        count, identity, page = len(whole.events), self._identity, self.page
        group = self._masked(whole)
        unfit = [lenient.unfit(page.fields, event) for event in group.events] if self._is_loose else None
        members = self._member_columns(_without(group.events, unfit) if unfit else group.events)
        received = columns.int64s([record.arrival_ms * 1000 for record in group.records]).view(TIME)
        positions = [f"{r.sequence}/{r.sub}/{at}" for r, at in zip(group.records, group.indexes, strict=True)]
        row_id = pa.array(row_ids(identity, positions), pa.string())
        event_ids = self._read["event_id"](group)
        marks = redriven.marks(group.records, group.indexes)
        if marks:
            event_ids = [
                value or (mark.event_id if mark else value) for value, mark in zip(event_ids, marks, strict=True)
            ]
        event_id = columns.texts(event_ids)
        if None in event_ids or "" in event_ids:
            event_id = pc.if_else(pc.equal(pc.fill_null(event_id, ""), ""), row_id, event_id)
        absent = event_time.null_count
        source = pc.if_else(event_time.is_valid(), "event", "absent") if absent else pa.repeat(_EVENT, count)
        around = self._entities.columns(group.events, group.outers) if self._entities else {}
        known = {
            "row_id": row_id,
            "event_id": event_id,
            "tenant": pa.array(tenants, pa.string()),
            "event_type": pa.repeat(self._event_type, count),
            "schema_version": pa.repeat(self._version, count),
            "event_time": pc.coalesce(event_time, received) if absent else event_time,
            "time_source": source,
            "received_at": received,
            "user_id": columns.texts(self._read["user_id"](group)),
            "session_id": columns.texts(self._read["session_id"](group)),
            "shard": pa.repeat(self._shard, count),
            "position": pa.array(positions, pa.string()),
            "extra": self._extra(group, unfit, entities=bool(around)),
            **around,
        }
        if marks:
            known["redrive_of"] = pa.array([mark.row_id if mark else None for mark in marks], pa.string())
        if reasons:
            known["findings"] = pa.array(map(lenient.findings, reasons, self._altered(whole, group)), pa.string())
        schema = page.table.schema
        known |= zip(schema.names[-len(members) :] if members else (), members, strict=True)
        self._enrich(known, whole)
        no_text = pa.nulls(count, pa.string())  # most empty columns are of text: they share one
        arrays = [
            known[name] if name in known else no_text if is_text else pa.nulls(count, kind)
            for name, kind, is_text in self._columns
        ]
        made = Rows(page.table, pa.RecordBatch.from_arrays(arrays, schema=schema))
        return made if self._routes is None else routed(made, whole.outers, self._routes)

    def _masked(self, group: Group) -> Group:
        """Return the events as they may be stored. The originals stay as they came: reasons speak of them."""
        mask = self._mask
        if mask is None:
            return group
        outers = [mask(outer) for outer in group.outers]
        # A path may lead from the whole event into its payload, or begin there.
        events = outers if group.outers is group.events else [mask(self._payload(outer)) for outer in outers]
        batches = [batch and mask(batch) for batch in group.batches]
        return group._replace(events=events, outers=outers, batches=batches)

    def _altered(self, whole: Group, stored: Group) -> list[list[tuple[str, Any, Any]]]:
        """Return what each event was and will be, with where it stands; self-describing ones with all around them."""
        inner = zip(map(self._inside, whole.outers), whole.events, stored.events, strict=True)
        if not self.enclosed:
            return [[one] for one in inner]
        outer = zip(repeat("$"), whole.outers, stored.outers)
        return [list(both) for both in zip(inner, outer, strict=True)]

    def _enrich(self, known: dict[str, pa.Array], whole: Group) -> None:
        """Run the steps in order over the columns so far, and add what they make."""
        if not self._enrichers:
            return
        inputs = {name: _only_texts(self._read[name](whole)) for name in self._text_inputs}
        nothing = pa.nulls(len(whole.events), pa.string())
        for enricher in self._enrichers:
            made = enricher({name: inputs.get(name, known.get(name, nothing)) for name in enricher.inputs})
            known |= {name: made[name] for name in enricher.outputs.names}

    # ---- what no column holds

    def _extra(self, group: Group, unfit: list[frozenset[str]] | None, *, entities: bool) -> pa.Array:
        if self.page.closed and not self.enclosed and not any(group.batches):
            return pa.nulls(len(group.events), pa.string())
        dumps = orjson.dumps
        rests = map(self._rest, group.events, group.outers, group.batches, unfit or repeat(_NONE), repeat(entities))
        return pa.array([dumps(rest) if rest else None for rest in rests], pa.string())

    def _rest(
        self,
        event: dict[str, Any],
        outer: dict[str, Any],
        batch: dict[str, Any] | None,
        unfit: frozenset[str],
        entities: bool,
    ) -> dict[str, Any]:
        """Return the members of an event that are in no column; `$event` and `$batch` are what was around it."""
        held: set[str] = set()
        outer_held: set[str] = set()
        for name in _HOLDING:
            if not _holder(self._paths[name], event, held):
                _holder(self._outer_paths[name], outer, outer_held)
        for paths in self._naming_paths:
            _holder(paths, event, held)
        names = self._column_names - unfit if unfit else self._column_names
        rest = {
            key: value
            for key, value in event.items()
            if key not in names and key not in held and not (value is None and key in self.page.declared)
        }
        around: dict[str, Any] = {}
        if self.enclosed:
            payload = self._payload_key(outer)
            around = {key: value for key, value in outer.items() if key != payload and key not in outer_held}
        if entities and self._entities is not None:
            self._entities.taken_out(event, outer, rest, around)
        if self.enclosed:
            rest[_free("$event", rest)] = around
        if batch:
            rest[_free("$batch", rest)] = batch
        return rest

    def _payload_key(self, outer: dict[str, Any]) -> str | None:
        """Return the member that is the payload; None when it stands deeper, and the whole member is kept."""
        path = next((path for path in self._payload_paths if find(outer, path) is not None), ())
        return path[0] if len(path) == 1 else None


def _without(events: list[dict[str, Any]], members: list[frozenset[str]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in event.items() if name not in some} if some else event
        for event, some in zip(events, members, strict=True)
    ]


def _only_texts(values: list[Any]) -> pa.Array:
    """Return what is text as a column, null for all else."""
    try:
        return pa.array(values, pa.string())
    except pa.ArrowTypeError:
        return pa.array([value if type(value) is str else None for value in values], pa.string())


def _holder(paths: tuple[Path, ...], event: dict[str, Any], held: set[str]) -> bool:
    """Note the member a field's value was taken from, if it is whole in its column. Say whether there was a value."""
    for path in paths:
        if find(event, path) is not None:
            if len(path) == 1:
                held.add(path[0])
            return True
    return False


def _free(name: str, taken: dict[str, Any]) -> str:
    while name in taken:
        name = "$" + name
    return name
