"""The steps that settings name, built: our own and plug-ins. Rule: what cannot work is refused here, in one line.

Plug-ins are found by the entry points `tailrace.enrichers`: a name, and a function that takes the options of
`[enrich] options` for that name and returns an `Enricher`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files as resources
from typing import Final, TypeVar

import pyarrow as pa

from tailrace.rows.enrich.bot import Bot
from tailrace.rows.enrich.fingerprint import Fingerprint
from tailrace.rows.enrich.geo import Geo
from tailrace.rows.enrich.guarded import Guarded
from tailrace.rows.enrich.port import FIELDS, Enricher
from tailrace.rows.enrich.referer import Referer
from tailrace.rows.enrich.tenant import Tenant
from tailrace.rows.enrich.url import Url
from tailrace.rows.enrich.user_agent import UserAgent
from tailrace.schema.book import ENVELOPE, QUARANTINE, Book, BookError
from tailrace.settings import Enrich, SettingsError

GROUP: Final = "tailrace.enrichers"
Read = Callable[[str], bytes]
Made = TypeVar("Made")
_DATA: Final = resources("tailrace.rows.enrich") / "data"
_STEPS: Final = "[enrich] steps"


def built(section: Enrich, read: Read) -> tuple[Enricher, ...]:
    """Return the steps in their order. Raises SettingsError, and what `read` raises."""
    plug_ins = _plug_ins(section)
    known = {*BUILT_IN, *plug_ins}
    options = _options(section, plug_ins)
    made: list[Enricher] = []
    for step in section.steps:
        if step not in known:
            close = difflib.get_close_matches(step, known, n=1)
            near = f" (did you mean {close[0]}?)" if close else ""
            raise SettingsError(f"{_STEPS}: found {step!r}, expected one of: {', '.join(sorted(known))}{near}")
        if step in BUILT_IN:
            made.append(BUILT_IN[step](section, read))
        else:
            made.append(_plug_in(plug_ins[step], options.get(step, {})))
    _distinct(made)
    return tuple(made)


def added(enrichers: tuple[Enricher, ...]) -> list[pa.Field]:
    """Return the columns of plug-ins, which stand after the envelope."""
    return [field for one in enrichers for field in one.outputs if field.name not in ENVELOPE.names]


def check(enrichers: tuple[Enricher, ...], book: Book) -> None:
    """See that steps and schemas go together. Raises SettingsError."""
    makers = {name: step.name for step in enrichers for name in step.outputs.names}
    for at, step in enumerate(enrichers):
        later = {name for one in enrichers[at:] for name in one.outputs.names}
        for name in step.inputs:
            if name in later and name not in FIELDS:
                message = f"{step.name} reads {name}, which {makers[name]} makes: expected {makers[name]} before it"
                raise SettingsError(f"{_STEPS}: {message}")
        if isinstance(step, Fingerprint):
            _check_fields(step, {*later, *(_MADE - makers.keys())}, book)
    _check_apart(enrichers, book)


def _check_fields(step: Fingerprint, empty: set[str], book: Book) -> None:
    """Refuse a field that is null in every row: events that differ in it alone would count as the same."""
    schemas = [book.envelope, *(table.schema for name, table in book.tables().items() if name != QUARANTINE.name)]
    for path in step.paths:
        if path[0] in FIELDS:  # the contract's text, whatever a table's column of that name is
            there = len(path) == 1
        else:
            there = path[0] not in empty and any(_reaches(schema, path) for schema in schemas)
        if not there:
            raise SettingsError(f"[enrich] fingerprint: {'.'.join(path)} is a column of no row, expected one that is")


def _reaches(schema: pa.Schema, path: Sequence[str]) -> bool:
    if path[0] not in schema.names:
        return False
    kind = schema.field(path[0]).type
    for key in path[1:]:
        if not pa.types.is_struct(kind) or kind.get_field_index(key) < 0:
            return bool(pa.types.is_string(kind))  # JSON text may hold anything
        kind = kind.field(key).type
    return True


def _check_apart(enrichers: tuple[Enricher, ...], book: Book) -> None:
    """Refuse a plug-in's column that is called like a member: that one's column would be another from now on."""
    for step in enrichers:
        for field in added((step,)):
            for event_type in book.types():
                for version in book.versions(event_type):
                    page = book.page(event_type, version)
                    if page and field.name.casefold() in {name.casefold() for name in page.declared}:
                        found = f"{step.name} makes the column {field.name}, which is a member of {page.name}"
                        raise SettingsError(f"{_STEPS}: {found}, expected another name")


# ---- our own


def _bot(_section: Enrich, _read: Read) -> Enricher:
    return Bot(_DATA.joinpath("bots.txt").read_bytes())


def _referer(section: Enrich, read: Read) -> Enricher:
    if not section.referers:
        return Referer(_DATA.joinpath("referers.json").read_bytes(), section.internal_hosts)
    return _of_file("referers", section.referers, read, lambda data: Referer(data, section.internal_hosts))


def _of_file(key: str, uri: str, read: Read, make: Callable[[bytes], Made]) -> Made:
    if not uri:
        raise SettingsError(f"[enrich] {key}: found none, expected a file for the step that reads it")
    try:
        return make(read(uri))
    except BookError as error:  # there is no such file
        raise SettingsError(f"[enrich] {key}: {error}") from None
    except ValueError as error:
        raise SettingsError(f"[enrich] {key}: {uri}: {error}") from None


BUILT_IN: Final[Mapping[str, Callable[[Enrich, Read], Enricher]]] = {
    "user_agent": lambda _section, _read: UserAgent(),
    "bot": _bot,
    "url": lambda _section, _read: Url(),
    "referer": _referer,
    "geo": lambda section, read: _of_file("geo", section.geo, read, Geo),
    "tenant": lambda section, read: _of_file("tenants", section.tenants, read, Tenant),
    "fingerprint": lambda section, _read: Fingerprint(section.fingerprint),
}
_OWN: Final = (UserAgent, Bot, Url, Referer, Geo, Tenant, Fingerprint)
_MADE: Final = frozenset(name for one in _OWN for name in one.outputs.names)  # null where the step is off


# ---- plug-ins


def _plug_ins(section: Enrich) -> dict[str, EntryPoint]:
    """Return the plug-ins that are installed, by name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name not in section.steps:
            found.setdefault(point.name, point)
        elif point.name in BUILT_IN:
            raise SettingsError(f"{_STEPS}: {_origin(point)} brings {point.name!r}, which is a step of tailrace itself")
        elif point.name in found and point != found[point.name]:
            both = f"{_origin(found[point.name])} and {_origin(point)}"
            raise SettingsError(f"{_STEPS}: {both} both bring {point.name!r}, expected one")
        else:
            found[point.name] = point
    return found


def _plug_in(point: EntryPoint, options: Mapping[str, str]) -> Enricher:
    where = f"{_STEPS}: {point.name} of {_origin(point)}"
    try:
        inner = point.load()(options)
        inputs, outputs = getattr(inner, "inputs", None), getattr(inner, "outputs", None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever another's code raises, it cannot be used
        message = str(error).partition("\n")[0]
        raise SettingsError(f"{where} cannot be made: {type(error).__name__}: {message}") from None
    if not isinstance(inputs, tuple) or not inputs or not all(isinstance(name, str) for name in inputs):
        raise SettingsError(f"{where}: its inputs: found {inputs!r}, expected one column's name or more, as a tuple")
    if not isinstance(outputs, pa.Schema) or not outputs.names or "" in outputs.names:
        raise SettingsError(f"{where}: its outputs: found {outputs!r}, expected an Arrow schema of one column or more")
    if not isinstance(getattr(inner, "digest", None), str):
        raise SettingsError(f"{where}: its digest: expected text")
    if not callable(inner):
        raise SettingsError(f"{where}: found {type(inner).__name__}, expected something that can be called")
    for field in outputs:
        if field.name.casefold() in ENVELOPE.names:
            raise SettingsError(f"{where}: its column {field.name} is one of tailrace's own, expected another name")
        if not _storable(field.type):
            raise SettingsError(f"{where}: its column {field.name} is of type {field.type}, which no file can hold")
        if not _nullable(field):
            raise SettingsError(f"{where}: its column {field.name} is declared as never null, expected one that may be")
    return Guarded(inner, point.name, _origin(point))


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _storable(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _storable(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_storable(field.type) for field in kind)
    types = pa.types
    plain = (types.is_boolean, types.is_integer, types.is_floating, types.is_string, types.is_binary, types.is_date32)
    return any(is_one(kind) for is_one in plain) or types.is_timestamp(kind) or types.is_decimal128(kind)


def _nullable(field: pa.Field) -> bool:
    """Say whether a field and all below it may be null: a null that is declared away breaks the writing of a file."""
    kind = field.type
    below = list(kind) if pa.types.is_struct(kind) else [kind.value_field] if pa.types.is_list(kind) else []
    return field.nullable and all(map(_nullable, below))


def _distinct(made: list[Enricher]) -> None:
    columns: dict[str, str] = {}
    for one in made:
        for name in one.outputs.names:
            other = columns.setdefault(name.casefold(), one.name)
            if other != one.name or one.outputs.names.count(name) > 1:
                raise SettingsError(f"{_STEPS}: {other} and {one.name} both make the column {name}, expected one")
    names = [one.name for one in made]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{_STEPS}: {name} stands twice, expected once")


def _options(section: Enrich, plug_ins: Mapping[str, EntryPoint]) -> dict[str, dict[str, str]]:
    """Return `name.key=value` by name and key."""
    options: dict[str, dict[str, str]] = {}
    for option in section.options:
        path, _, value = option.partition("=")
        name, _, key = path.strip().partition(".")
        if name not in plug_ins or name not in section.steps:
            named = sorted({*plug_ins} & {*section.steps})
            expected = f"expected a plug-in that [enrich] steps names: {', '.join(named) or 'none'}"
            raise SettingsError(f"[enrich] options: found {option!r}, {expected}")
        options.setdefault(name, {})[key] = value.strip()
    return options
