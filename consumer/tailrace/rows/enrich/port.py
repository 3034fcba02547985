"""What adds columns to rows. Rule: the same inputs give the same outputs; nothing else is looked at.

Built-in steps and plug-ins (entry points `tailrace.enrichers`) have this one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import pyarrow as pa

# What an enricher may read besides the table's columns and what earlier steps added: the contract's fields of these
# names, as text (null where the event has none, or no text), before anything personal is altered.
FIELDS: Final = ("user_agent", "url", "referer", "ip")


class Enricher(Protocol):
    """One step. It is built once, and called with each chunk of rows of one table."""

    @property
    def name(self) -> str:
        """As `[enrich] steps` names it."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns it reads, at least one: `FIELDS`, the table's, or an earlier step's. Absent ones come as nulls."""

    @property
    def outputs(self) -> pa.Schema:
        """Columns it makes: those of the envelope that are its own, or new ones."""

    @property
    def digest(self) -> str:
        """What else decides its outputs: a version, the digest of its data. It stands in every plan."""

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        """Return every output, as long as the inputs. What raises is a mistake of the enricher."""
