"""CSV as rows of cells. Rule: what is read follows from the bytes and the dialect alone, never from how they came.

Rows end with a line feed, one carriage return before it counts with it. A cell in quotes may hold anything, a quote
doubled or after the escape character. A quote anywhere else breaks its row: then the row's first line is given up, and
reading goes on with the next line, so that one broken quote costs one line. How much is read twice for that is bounded.
Rows of one line are read at once where that gives what the careful way would.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from tailrace.nouns import Reason

Line = tuple[int, int, bytes]  # offset, length, the line without its line feed: of one too long its head
LINES_MAX: Final = 10_000  # of a row
WASTE_ROWS: Final = 4  # how many of the longest rows may be read in vain, besides twice what is done
CELL_CHARS_MAX: Final = 100_000  # of a line for the reader of Python, whose cells have a limit
_BLANK: Final = (b"", b"\r")


class Dialect(NamedTuple):
    """How cells are written: single characters, or nothing."""

    delimiter: bytes
    quote: bytes
    escape: bytes


class Row(NamedTuple):
    """One row: its cells, as text where they were read at once, or what is wrong with it."""

    offset: int
    raw: bytes
    cells: list[bytes]
    fault: Reason | None = None
    texts: list[str] | None = None


class _Broken(Exception):
    """No row of this dialect; the words stand for a person."""


class _Scan:
    """The cells of one row, line by line."""

    def __init__(self, dialect: Dialect) -> None:
        self._delimiter, self._quote, self._escape = dialect
        special = [re.escape(text) for text in (self._quote, self._escape) if text]
        self._inside = re.compile(b"|".join(special) or b"(?!)")
        self._outside = re.compile(b"|".join([re.escape(self._delimiter), *special]))
        self.start()

    def start(self) -> None:
        self.cells: list[bytes] = []
        self._parts: list[bytes] = []
        self._quoted = False
        self._fresh = True  # at the start of a cell

    @property
    def open(self) -> str:
        """What it is that goes on in the next line."""
        return "a quoted cell" if self._quoted else "an escaped line feed"

    def feed(self, line: bytes) -> bool:
        """Take a line; True when the row is whole. Raises _Broken."""
        at: int | None = 0
        while at is not None and at >= 0:
            if self._quoted:
                at = self._in_quotes(line, at)
            elif self._fresh and self._quote and line.startswith(self._quote, at):
                self._quoted, self._fresh, at = True, False, at + len(self._quote)
            else:
                at = self._plain(line, at)
        return at is None

    def _in_quotes(self, line: bytes, at: int) -> int | None:
        """Return where to go on; None at the end of the row, -1 where the next line belongs to it."""
        found = self._inside.search(line, at)
        if found is None:
            self._parts += (line[at:], b"\n")
            return -1
        self._parts.append(line[at : found.start()])
        at = found.end()
        if found[0] == self._escape:
            return self._escaped(line, at)
        if line.startswith(self._quote, at):
            self._parts.append(self._quote)
            return at + len(self._quote)
        self._quoted = False
        if line.startswith(self._delimiter, at):
            self._close()
            return at + len(self._delimiter)
        if line[at:] in _BLANK:
            self._close()
            return None
        raise _Broken("text after a closing quote, expected the end of the cell")

    def _plain(self, line: bytes, at: int) -> int | None:
        found = self._outside.search(line, at)
        if found is None:
            self._parts.append(line[at:].removesuffix(b"\r"))
            self._close()
            return None
        self._parts.append(line[at : found.start()])
        if found[0] == self._delimiter:
            self._close()
            return found.end()
        self._fresh = False
        if found[0] == self._escape:
            return self._escaped(line, found.end())
        raise _Broken("a quote inside a cell that does not begin with one, expected the whole cell in quotes")

    def _escaped(self, line: bytes, at: int) -> int:
        if at == len(line):
            self._parts.append(b"\n")
            return -1
        self._parts.append(line[at : at + 1])  # of a longer character the rest is nothing special
        return at + 1

    def _close(self) -> None:
        self.cells.append(b"".join(self._parts))
        self._parts = []
        self._fresh = True


class AtOnce:
    """The cells of a row that is one line of sound text; None for any other, which the careful way must judge."""

    def __init__(self, dialect: Dialect, encoding: str) -> None:
        self._encoding = encoding
        self._delimiter, self._quote, self._escape = (mark.decode(encoding) for mark in dialect)
        self._text = ""
        if self._quote:
            d, q = re.escape(self._delimiter), re.escape(self._quote)
            cell = f"(?:{q}[^{q}]*+(?:{q}{q}[^{q}]*+)*+{q}|[^{q}{d}\r]*+)"
            self._whole = re.compile(f"{cell}(?:{d}{cell})*+")
            self._reader = csv.reader(self._again(), delimiter=self._delimiter, quotechar=self._quote)

    def __call__(self, line: bytes) -> list[str] | None:
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            return None
        if self._escape and self._escape in text:
            return None
        text = text.removesuffix("\r")
        if not (self._quote and self._quote in text):
            return text.split(self._delimiter)
        if len(text) > CELL_CHARS_MAX or self._whole.fullmatch(text) is None:
            return None
        self._text = text
        return next(self._reader)

    def _again(self) -> Iterator[str]:
        while True:
            yield self._text


class Rows:
    """The rows of one file's lines."""

    def __init__(self, lines: Iterator[Line], dialect: Dialect, bytes_max: int, at_once: AtOnce | None = None) -> None:
        """`lines` of more than `bytes_max` bytes need have their head alone."""
        self._lines, self._dialect, self._bytes_max, self._at_once = lines, dialect, bytes_max, at_once
        self._scan = _Scan(dialect)
        self._ahead: deque[Line] = deque()
        self._wasted = 0

    def __iter__(self) -> Iterator[Row]:
        delimiter, quote, escape = self._dialect
        ahead, lines, at_once = self._ahead, self._lines, self._at_once
        while True:
            first = ahead.popleft() if ahead else next(lines, None)
            if first is None:
                return
            offset, length, line = first
            if length > self._bytes_max:
                message = f"found a line of {length} bytes, expected at most {self._bytes_max}; only its head is kept"
                yield Row(offset, line[: self._bytes_max], [], Reason("decode", "size", "$", message))
            elif line in _BLANK:
                continue
            elif at_once is not None and (texts := at_once(line)) is not None:
                yield Row(offset, line, [], None, texts)
            elif (quote and quote in line) or (escape and escape in line):
                ahead.appendleft(first)
                yield self._row(offset)
            else:
                yield Row(offset, line, line.removesuffix(b"\r").split(delimiter))

    def _reach(self, count: int) -> bool:
        """Have so many lines at hand; False where the file ends before."""
        while len(self._ahead) < count:
            line = next(self._lines, None)
            if line is None:
                return False
            self._ahead.append(line)
        return True

    def _row(self, offset: int) -> Row:
        self._scan.start()
        taken = held = 0
        whole, why = False, ""
        while not whole and not why:
            why = self._overrun(taken, held)
            if why:
                break
            held += self._ahead[taken][1] + 1
            taken += 1
            try:
                whole = self._scan.feed(self._ahead[taken - 1][2])
            except _Broken as error:
                why = str(error)
        if whole:
            return Row(offset, self._take(taken), self._scan.cells)
        again = held if taken > 1 else 0
        if self._wasted + again <= WASTE_ROWS * self._bytes_max + 2 * offset:
            self._wasted += again
            taken = 1
        line = f" (these {taken} lines are kept as one)" if taken > 1 else ""
        return Row(offset, self._take(taken), [], Reason("decode", "csv", "$", f"found {why}{line}"))

    def _overrun(self, taken: int, held: int) -> str:
        """Return why the row cannot go on with one more line."""
        if not self._reach(taken + 1):
            return f"{self._scan.open} that does not end before the file does, expected its end"
        if taken and (held + self._ahead[taken][1] > self._bytes_max or taken == LINES_MAX):
            return f"{self._scan.open} that goes on for more than a row may, expected its end within {held} bytes"
        return ""

    def _take(self, count: int) -> bytes:
        return b"\n".join([self._ahead.popleft()[2] for _ in range(count)])
