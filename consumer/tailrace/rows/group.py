"""Events on their way to rows of one table. Rule: its lists stay in step.

A group holds events of one shape; what is refused leaves it with its reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from tailrace.nouns import Reason, Record
from tailrace.rows import lenient

FEW: Final = 16  # so many are taken out of a list one by one


class Group(NamedTuple):
    """Events of one shape, as parallel lists of its own."""

    events: list[dict[str, Any]]  # what the schema judges
    outers: list[dict[str, Any]]  # the whole events: the same list, but where they are self-describing
    batches: list[dict[str, Any] | None]
    records: list[Record]
    indexes: list[int]

    def remove(self, places: Collection[int]) -> None:
        """Take some events out."""
        own: tuple[list[Any], ...] = self[1:] if self.outers is self.events else self
        gone = frozenset(places)
        for column in own:
            if len(gone) > FEW:
                column[:] = [value for at, value in enumerate(column) if at not in gone]
                continue
            for at in sorted(gone, reverse=True):
                del column[at]

    def at(self, places: Sequence[int]) -> Group:
        """Return the events that stand at some places."""
        events = [self.events[at] for at in places]
        return Group(
            events,
            events if self.outers is self.events else [self.outers[at] for at in places],
            [self.batches[at] for at in places],
            [self.records[at] for at in places],
            [self.indexes[at] for at in places],
        )

    @classmethod
    def of(cls, refused: Sequence[Refused], *, enclosed: bool = False) -> Group:
        """Return events that were refused."""
        events = [one.event for one in refused]
        return cls(
            events,
            [one.outer for one in refused] if enclosed else events,
            [one.batch for one in refused],
            [one.record for one in refused],
            [one.at for one in refused],
        )


class Refused(NamedTuple):
    """An event that broke the contract, its schema, or fits no column."""

    record: Record
    at: int  # its index in the record
    event: dict[str, Any]
    outer: dict[str, Any]
    batch: dict[str, Any] | None
    reasons: tuple[Reason, ...]

    @property
    def bendable(self) -> bool:
        """Does only its schema speak against it, or a column?"""
        return all(reason.stage in lenient.BENDABLE for reason in self.reasons)
