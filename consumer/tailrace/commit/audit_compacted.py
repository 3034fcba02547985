"""What compaction moved, for the audit. Rule: a moved row is asked for by the plan that committed it, once.

A row says of which shard it is and where it stood in the stream; plans have ranges that do not overlap. So the rows of
a large file fall to their plans again, and each plan is audited as if nothing had been moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from tailrace.commit.committed import StoredObject, told_once
from tailrace.commit.compacted import Compaction, Whole
from tailrace.commit.ports import Place

ROWS_KEPT_MAX = 2_000_000  # in memory, of files that were opened last


class Contents(NamedTuple):
    """What is read from one object."""

    row_ids: Sequence[str]
    positions: Sequence[str]  # `<sequence>/<sub>/<index>`, one a row


class Origins(Protocol):
    """The rows of one object, by where they came from."""

    @property
    def rows(self) -> int: ...
    def between(self, shard: str, after: str, last: str) -> Contents:
        """Return the rows of a shard whose marks are above `after` and up to `last`."""


class Reader(Protocol):
    """Knows the objects' format. Raises ValueError for bytes that are not in it."""

    def rows(self, place: Place, name: str) -> int: ...
    def contents(self, place: Place, name: str) -> Contents: ...
    def origins(self, place: Place, name: str) -> Origins: ...
    def records(self, place: Place, name: str) -> Sequence[str]:
        """Return the positions of the records in an object of the archive, `<sequence>/<sub>`."""


class Moved(NamedTuple):
    """What became of a plan's rows that compactions hold."""

    contents: list[tuple[str, Contents]]  # table, rows
    rows: int  # that the plan's own objects had
    expired: int  # of these, in a quarantine that is not there any more


class Outputs:
    """The live objects of all compactions."""

    def __init__(self, place: Place, reader: Reader, view: Whole, gone: Callable[[StoredObject], bool]) -> None:
        self.view = view
        self._place, self._reader, self.gone = place, reader, gone
        self._kept: dict[str, Origins] = {}
        self._taken: Counter[str] = Counter()
        self._unread: set[str] = set()

    def live(self) -> list[tuple[Compaction, list[StoredObject]]]:
        """Return the compactions that hold rows, with their objects."""
        return [(one, objects) for one in self.view.compactions if (objects := list(self.view.live(one.objects)))]

    def moved(self, shard: str, after: str, last: str, entries: Sequence[StoredObject]) -> Moved:
        """Return the rows of a plan whose own objects `entries` were replaced. ValueError where some cannot be read.

        The others count as taken all the same: else each sound file of the plan would be told as well.
        """
        out = Moved([], sum(entry.rows for entry in told_once(entries)), 0)
        expired, unread = 0, ""
        for holder, rows in self._holders(entries):
            told = next(told_once(holder.objects), None)
            if told is None:
                continue  # `rows` will not be found
            if self.gone(told):
                expired += rows
                continue
            try:
                origins = self._origins(told.name)
            except (ValueError, FileNotFoundError) as error:
                self._unread.add(told.name)
                why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
                unread = unread or f"{told.name} {why}"
                continue
            contents = origins.between(shard, after, last)
            self._taken[told.name] += len(contents.row_ids)
            out.contents.append((told.table, contents))
        if unread:
            raise ValueError(unread)
        return out._replace(expired=expired)

    def left(self) -> list[str]:
        """Return in words which objects hold rows that no plan asked for, or not all that were asked for."""
        return [
            f"{told.name}: {told.rows} rows, {self._taken[told.name]} of them in plans whose objects it replaced"
            for _, objects in self.live()
            for told in told_once(objects)
            if told.name not in self._unread and not self.gone(told) and self._taken[told.name] != told.rows
        ]

    def _holders(self, entries: Sequence[StoredObject]) -> list[tuple[Compaction, int]]:
        found: dict[str, tuple[Compaction, int]] = {}
        for entry in told_once(entries):
            holder = self.view.holder(entry.name)
            if holder is not None and holder.objects:
                rows = found.get(holder.objects[0].name, (holder, 0))[1]
                found[holder.objects[0].name] = (holder, rows + entry.rows)
        return list(found.values())

    def _origins(self, name: str) -> Origins:
        found = self._kept.pop(name, None) or self._reader.origins(self._place, name)
        while self._kept and sum(one.rows for one in self._kept.values()) + found.rows > ROWS_KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = found
        return found
