"""CSV as rows of cells: what is read follows from the bytes and the dialect alone."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import files
from tailrace.csv_rows import LINES_MAX, AtOnce, Dialect, Line, Row, Rows

COMMA = Dialect(b",", b'"', b"")
MAX = 1000


def rows(data: bytes, dialect: Dialect = COMMA, bytes_max: int = MAX) -> list[Row]:
    return list(Rows(files._lines(io.BytesIO(data), bytes_max), dialect, bytes_max))


def cells(data: bytes, dialect: Dialect = COMMA) -> list[list[bytes]]:
    found = rows(data, dialect)
    assert [row.fault for row in found if row.fault] == []
    return [row.cells for row in found]


def told(data: bytes, bytes_max: int = MAX) -> list[tuple[int, bytes, str]]:
    """Return (offset, bytes, the keyword of what is wrong) of each row."""
    return [(row.offset, row.raw, row.fault.keyword if row.fault else "") for row in rows(data, bytes_max=bytes_max)]


def test_rows_stand_at_their_offsets() -> None:
    assert [(row.offset, row.cells) for row in rows(b"a,b\r\n\r\n1,\n,")] == [
        (0, [b"a", b"b"]),
        (7, [b"1", b""]),
        (10, [b"", b""]),
    ]


def test_a_quoted_cell_may_hold_anything() -> None:
    assert cells(b'"a,\r\n""b""\n",c\n"",""\r\n') == [[b'a,\r\n"b"\n', b"c"], [b"", b""]]


def test_an_escape_character_takes_what_follows_as_it_is() -> None:
    dialect = Dialect(b",", b'"', b"\\")
    assert cells(b'a\\,b,\\"\n"x\\"y",\\\\\na\\\nb,c\n', dialect) == [[b"a,b", b'"'], [b'x"y', b"\\"], [b"a\nb", b"c"]]


def test_without_a_quote_quotes_are_letters() -> None:
    assert cells(b'5" pipe,"\n', Dialect(b",", b"", b"")) == [[b'5" pipe', b'"']]


def test_a_delimiter_may_be_any_character() -> None:
    assert cells('a§"b§"§é\n'.encode(), Dialect("§".encode(), b'"', b"")) == [[b"a", "b§".encode(), "é".encode()]]


@pytest.mark.parametrize(
    "broken",
    [b'"a"b,c', b'a"b,c', b'a,"b', b'"'],
    ids=["text after a quote", "a quote in a cell", "a quote that does not end", "a quote alone"],
)
def test_a_broken_quote_costs_its_line_alone(broken: bytes) -> None:
    good = b"1,2\n3,4\n"
    assert told(good + broken + b"\n" + good) == [
        (0, b"1,2", ""),
        (4, b"3,4", ""),
        (8, broken, "csv"),
        (9 + len(broken), b"1,2", ""),
        (13 + len(broken), b"3,4", ""),
    ]


def test_many_broken_quotes_cost_their_lines_alone() -> None:
    data = b'a,"b\n1,2\n' * 50
    found = told(data, 10_000)
    assert [one[1] for one in found if one[2]] == [b'a,"b'] * 50
    assert [one[1] for one in found if not one[2]] == [b"1,2"] * 50


def test_a_line_that_is_too_long_is_kept_by_its_head() -> None:
    assert told(b"1,2\n" + b"x" * 5000 + b"\n3,4\n") == [(0, b"1,2", ""), (4, b"x" * MAX, "size"), (5005, b"3,4", "")]


def test_a_row_of_too_many_lines_is_broken() -> None:
    data = b'"' + b"\n" * (LINES_MAX + 5) + b'"\n1,2\n'
    found = rows(data, bytes_max=1_000_000)
    assert [(row.raw, row.fault is None) for row in found] == [(b'"', False), (b'"', False), (b"1,2", True)]


class Counted:
    """Lines, counted as they are asked for."""

    def __init__(self, data: bytes) -> None:
        self.asked = 0
        self._lines = files._lines(io.BytesIO(data), MAX)

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        self.asked += 1
        return next(self._lines)


@pytest.mark.parametrize("line", [b"a\\\n", b'",\\\n,"\\\n', b'"a\\\n', b'a","b\n', b'"\n,\n'])
def test_hostile_rows_are_not_read_for_ever(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from tailrace import csv_rows

    fed = 0
    feed = csv_rows._Scan.feed

    def counted(scan: csv_rows._Scan, one: bytes) -> bool:
        nonlocal fed
        fed += len(one) + 1
        return feed(scan, one)

    monkeypatch.setattr(csv_rows._Scan, "feed", counted)
    data = line * (60_000 // len(line))
    found = rows(data, Dialect(b",", b'"', b"\\"))
    assert b"\n".join(row.raw for row in found) + b"\n" == data  # nothing vanishes
    assert fed <= 4 * len(data) + 8 * MAX


def test_lines_are_asked_for_no_further_than_a_row_may_go() -> None:
    lines = Counted(b'"a\n' + b"b,c\n" * 10_000)
    next(iter(Rows(lines, COMMA, MAX)))
    assert lines.asked <= MAX // 4 + 3


TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.text(st.sampled_from("\"',;\\\r\n \t§"), max_size=8)


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, object]:
    """Return what Python's module takes for a dialect that it can read itself."""
    quote, escape = draw(st.sampled_from("\"'|")), draw(st.sampled_from([None, "\\", "^"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]))
    doubled = True if escape is None else draw(st.booleans())
    if quoting == csv.QUOTE_NONE:
        escape = escape or "\\"
    return dict(
        delimiter=draw(st.sampled_from(",;\t:§é")),
        quotechar=quote,
        escapechar=escape,
        doublequote=doubled,
        quoting=quoting,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )


def dialect_of(said: dict[str, object]) -> Dialect:
    return Dialect(*(str(said[name] or "").encode() for name in ("delimiter", "quotechar", "escapechar")))


@given(said=dialects(), table=st.lists(st.lists(TEXT, min_size=1, max_size=4), max_size=6), block=st.integers(1, 40))
def test_what_pythons_module_writes_is_read_back(said: dict[str, object], table: list[list[str]], block: int) -> None:
    quoted = said["quoting"] in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
    if said["lineterminator"] == "\n" and not quoted:  # Python 3.11 leaves a bare carriage return as it is
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    if said["quoting"] == csv.QUOTE_NONE:  # it writes no row of one empty cell
        table = [row if row != [""] else ["x"] for row in table]
    out = io.StringIO(newline="")
    csv.writer(out, **said).writerows(table)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "READ_BYTES", block)
        found = rows(out.getvalue().encode(), dialect_of(said))
    assert [row.fault for row in found] == [None] * len(found)
    assert [[cell.decode() for cell in row.cells] for row in found] == table


HOSTILE = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\\", b"\0", b"a", b"\xff", b"\xef\xbb\xbf"])).map(
    b"".join
)


@given(data=HOSTILE | st.binary(), bytes_max=st.integers(1, 30), block=st.integers(1, 30))
def test_hostile_bytes_never_raise_and_chunking_changes_nothing(data: bytes, bytes_max: int, block: int) -> None:
    for dialect in (COMMA, Dialect(b",", b'"', b"\\"), Dialect(b"\t", b"", b"")):
        whole = rows(data, dialect, bytes_max)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "READ_BYTES", block)
            assert rows(data, dialect, bytes_max) == whole
        offsets = [row.offset for row in whole]
        assert offsets == sorted(set(offsets))
        assert all(data.startswith(row.raw, row.offset) for row in whole if row.fault is None)
        kept = b"".join(row.raw.replace(b"\n", b"").replace(b"\r", b"") for row in whole)
        long = any(row.fault and row.fault.keyword == "size" for row in whole)
        assert long or kept == data.replace(b"\n", b"").replace(b"\r", b"")


CELL = st.text(st.sampled_from("a,;\"'\\\r\0 é§“"), max_size=6)
LINE = st.lists(CELL | CELL.map(lambda text: '"' + text.replace('"', '""') + '"'), max_size=5).map(",".join)
MARKS = st.sampled_from([',"', ",", ";'", '§"', ",“", '\t"', ',"\\', ' "', "\"'", "é,"])


@given(
    lines=st.lists(LINE | st.text(max_size=8) | LINE.map(lambda line: line + "\r"), max_size=6),
    marks=MARKS,
    encoding=st.sampled_from(["utf-8", "latin-1", "windows-1252"]),
    junk=st.binary(max_size=2),
)
def test_a_line_read_at_once_is_what_the_careful_way_gives(
    lines: list[str], marks: str, encoding: str, junk: bytes
) -> None:
    try:
        dialect = Dialect(*(mark.encode(encoding) for mark in (*marks, "", "")[:3]))
    except UnicodeEncodeError:
        return
    data = "\n".join(lines).encode(encoding, "replace") + junk
    careful = rows(data, dialect)
    quick = list(Rows(files._lines(io.BytesIO(data), MAX), dialect, MAX, AtOnce(dialect, encoding)))
    assert [(one.offset, one.raw, one.fault) for one in quick] == [(one.offset, one.raw, one.fault) for one in careful]
    for one, other in zip(quick, careful, strict=True):
        if one.texts is None:
            assert one.cells == other.cells
        else:
            assert one.texts == [cell.decode(encoding) for cell in other.cells]


@pytest.mark.parametrize("line", [b"a,b", b'"a","b,""c"""', b'"",x\r', b'a,"b\r\x00"'])
def test_common_lines_are_read_at_once(line: bytes) -> None:
    assert AtOnce(COMMA, "utf-8")(line) is not None


@pytest.mark.parametrize("line", [b'a,"b', b'"a"b', b'a"b', b"\xff", b'"a"\r\r', b'"' + b"x" * 200_000 + b'"'])
def test_others_are_left_to_the_careful_way(line: bytes) -> None:
    assert AtOnce(COMMA, "utf-8")(line) is None


def test_an_escape_character_is_left_to_the_careful_way() -> None:
    at_once = AtOnce(Dialect(b",", b'"', b"\\"), "utf-8")
    assert (at_once(b"a\\,b"), at_once(b'"a",b')) == (None, ["a", "b"])


def test_no_line_is_looked_at_for_long() -> None:
    began = time.process_time()
    for line in (b'"' * 100_000, b'"a' * 50_000, b'"",' * 33_000 + b'"', b"," * 99_999 + b'"'):
        AtOnce(COMMA, "utf-8")(line)
    assert time.process_time() - began < 1
