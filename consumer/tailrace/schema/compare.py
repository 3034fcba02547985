"""What changed between two versions of a schema: verdicts and columns. Rule: columns only append within a major."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tailrace.schema import kinds
from tailrace.schema.narrowing import ANY_OF_THEM, Comparison, Parts, event_path
from tailrace.schema.references import Scope
from tailrace.schema.steps import Change, Step


def compare(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    lifted: Collection[str] = (),
    scopes: tuple[Scope, Scope] | None = None,
) -> list[Change]:
    """Return what changed between two versions. `lifted` are members that are no columns of their own.

    `scopes`: what the references of both mean; without, they stand alone.
    """
    comparison = Comparison(old, new)
    comparison.whole()
    return [
        *comparison.changes,
        *_column_changes(_fields_of(old, scopes and scopes[0]), _fields_of(new, scopes and scopes[1]), lifted),
    ]


def _fields_of(schema: Mapping[str, Any], scope: Scope | None) -> tuple[kinds.Field, ...]:
    whole, inside = (scope or Scope.of(schema)).entered(schema)
    return kinds.fields(whole, inside)


def _column_changes(
    old: tuple[kinds.Field, ...], new: tuple[kinds.Field, ...], lifted: Collection[str]
) -> list[Change]:
    out: list[Change] = []
    _fields([field for field in old if field.name not in lifted], new, (), out)
    return out


def _fields(had: Collection[kinds.Field], has: Collection[kinds.Field], path: Parts, out: list[Change]) -> None:
    newer = {field.name: field for field in has}
    for field in had:
        here = (*path, field.name)
        other = newer.get(field.name)
        if other is None:
            out.append(Change(event_path(here), "column", "narrowed", "the column disappears", Step.BREAKING))
            continue
        _kinds(field.kind, other.kind, here, out)


def _kinds(old: kinds.Kind, new: kinds.Kind, path: Parts, out: list[Change]) -> None:
    if isinstance(old, kinds.Struct) and isinstance(new, kinds.Struct):
        _fields(old.fields, new.fields, path, out)
    elif isinstance(old, kinds.List) and isinstance(new, kinds.List):
        _kinds(old.item, new.item, (*path, ANY_OF_THEM), out)
    elif old is not new:
        message = f"the column was {kinds.described(old)}, is {kinds.described(new)}"
        out.append(Change(event_path(path), "column", "altered", message, Step.BREAKING))
