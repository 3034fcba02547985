"""A plug-in, watched. Rule: what is wrong with its work is said with its name, before a wrong column reaches a row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

from tailrace.nouns import Discreet
from tailrace.rows.enrich.port import Enricher


class PluginError(Discreet):
    """A plug-in that raised, or returned what it must not; the message names it."""


class Guarded:
    """Does what a plug-in does, and looks at what it returns."""

    def __init__(self, inner: Enricher, name: str, origin: str) -> None:
        """Take an enricher. `origin` is the distribution it comes from, with its version."""
        self.name, self.inputs, self.outputs = name, tuple(inner.inputs), inner.outputs
        self.digest = f"{origin}, {inner.digest}"
        self._inner, self._called = inner, f"the enricher {name} of {origin}"

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        count = len(columns[self.inputs[0]])
        try:
            made = self._inner(MappingProxyType(dict(columns)))
        except (Exception, SystemExit) as error:
            # Its own words stand in the traceback, not here: they may hold what an event did, and this is logged.
            raise PluginError(f"{self._called} raised {type(error).__name__}") from error
        if not isinstance(made, Mapping):
            raise PluginError(f"{self._called}: found {type(made).__name__}, expected columns by their names")
        return {field.name: self._sound(field, made.get(field.name), count) for field in self.outputs}

    def _sound(self, field: pa.Field, column: object, count: int) -> pa.Array:
        where = f"{self._called}: column {field.name}"
        if not isinstance(column, pa.Array):
            raise PluginError(f"{where}: found {type(column).__name__}, expected an Arrow array")
        if column.type != field.type:
            raise PluginError(f"{where}: found {column.type}, expected {field.type}")
        if len(column) != count:
            raise PluginError(f"{where}: found {len(column)} values, expected {count}")
        return column
