import base64
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.kcl import lines
from tailrace.kcl.protocol import DaemonGone, Initialize, ProtocolError, Records
from tailrace.nouns import Record

MIB = 1024 * 1024


def one(data: bytes = b"x", sequence: int = 1, sub: int = 0, key: str = "k", **more: object) -> dict[str, object]:
    return {
        "data": base64.b64encode(data).decode(),
        "partitionKey": key,
        "sequenceNumber": str(sequence),
        "approximateArrivalTimestamp": 1_700_000_000_000 + sequence,
        "subSequenceNumber": sub,
        "action": "record",
        **more,
    }


def line_of(*records: dict[str, object], behind: int | None = 0) -> bytes:
    said = {"action": "processRecords", "records": records, "millisBehindLatest": behind}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def flat(chunks: Iterator[list[Record]]) -> list[Record]:
    return [record for chunk in chunks for record in chunk]


class TestChunks:
    @given(
        st.lists(st.tuples(st.binary(max_size=40), st.text(max_size=20), st.integers(0, 10**56)), max_size=12),
        st.integers(1, 600),
    )
    def test_a_line_holds_the_same_records_however_it_is_cut(
        self, parts: list[tuple[bytes, str, int]], size: int
    ) -> None:
        line = line_of(*(one(data, sequence, 0, key) for data, key, sequence in parts))
        found = flat(lines.chunks(line, size))
        assert [(r.data, r.partition_key, r.sequence, r.fault) for r in found] == [
            (data, key, str(sequence), None) for data, key, sequence in parts
        ]

    @pytest.mark.parametrize("key", ['"},{"data":"', '},{"a', '\\"},{"a', "},{", '{"a":[{"b":1},{"c":2}]}', "]}", "\\"])
    def test_a_key_that_looks_like_a_boundary_is_none(self, key: str) -> None:
        line = line_of(*(one(b"%d" % n, n, 0, key) for n in range(5)))
        for size in range(1, len(line), 7):
            assert [r.partition_key for r in flat(lines.chunks(line, size))] == [key] * 5

    def test_a_chunk_is_about_as_large_as_asked(self) -> None:
        line = line_of(*(one(b"x" * 90, n) for n in range(100)))
        chunks = list(lines.chunks(line, len(line) // 10))
        assert 9 <= len(chunks) <= 11
        assert max(len(chunk) for chunk in chunks) <= 12

    def test_no_chunk_is_empty(self) -> None:
        assert list(lines.chunks(line_of())) == []

    @pytest.mark.parametrize("spoilt", ["A", "AB*D", "AAAA=AAA", "é", "\\u00e9\\n"])
    def test_wrong_base64_spoils_its_own_record_alone(self, spoilt: str) -> None:
        records = [one(b"%d" % n, n) for n in range(5)]
        line = line_of(*records).replace(records[2]["data"].encode(), spoilt.encode())  # type: ignore[attr-defined]
        for size in (1, 10**6):
            found = flat(lines.chunks(line, size))
            assert [r.data for r in found] == [b"0", b"1", spoilt.encode(), b"3", b"4"]
            assert [r.fault is None for r in found] == [True, True, False, True, True]
            assert found[2].fault is not None
            assert (found[2].fault.stage, found[2].fault.keyword, found[2].fault.path) == ("decode", "base64", "$")
            assert (found[2].sequence, found[2].sub, found[2].arrival_ms) == ("2", 0, 1_700_000_000_002)

    def test_bad_utf8_in_a_key_spoils_its_own_record_alone(self) -> None:
        line = line_of(one(b"a", 1), one(b"b", 2, 7, "KEY"), one(b"c", 3)).replace(b"KEY", b"\xff\xfe")
        found = flat(lines.chunks(line))
        assert [r.data for r in found] == [b"a", b"Yg==", b"c"]
        assert (found[1].sequence, found[1].sub, found[1].arrival_ms) == ("2", 7, 1_700_000_000_002)
        assert found[1].fault is not None
        assert found[1].fault.keyword == "utf8"

    def test_no_data_and_no_arrival_are_faults(self) -> None:
        found = flat(lines.chunks(line_of({**one(sequence=1), "data": None})))
        assert found[0].fault is not None
        found = flat(lines.chunks(line_of({**one(sequence=1), "approximateArrivalTimestamp": None})))
        assert found[0].fault is not None
        assert found[0].arrival_ms == 0

    @pytest.mark.parametrize(
        "position", [{"sequenceNumber": None}, {"subSequenceNumber": None}, {"sequenceNumber": "x"}]
    )
    def test_a_spoilt_record_without_a_position_stops_everything(self, position: dict[str, object]) -> None:
        line = line_of({**one(), **position, "data": "?"})
        with pytest.raises(ProtocolError, match="no position"):
            flat(lines.chunks(line))

    def test_the_data_of_an_empty_record_is_empty(self) -> None:
        assert flat(lines.chunks(line_of(one(b""))))[0].data == b""


class TestRead:
    def test_millis_behind(self) -> None:
        for behind in (0, 12, 2**62, None):
            turn = lines.read(line_of(one(), behind=behind))
            assert isinstance(turn, Records)
            assert turn.millis_behind == behind
            assert turn.line_bytes == len(line_of(one(), behind=behind))
            assert len(flat(turn.chunks)) == 1

    def test_another_order_of_members_is_read_as_well(self) -> None:
        said = {"millisBehindLatest": 5, "records": [one(b"a", 1), one(b"b", 2)], "action": "processRecords"}
        for text in (json.dumps(said), json.dumps(said, separators=(",", ":"))):
            turn = lines.read(memoryview(text.encode()))
            assert isinstance(turn, Records)
            assert turn.millis_behind == 5
            assert [r.data for r in flat(turn.chunks)] == [b"a", b"b"]
            assert [r.data for r in flat(lines.chunks(text.encode(), 1))] == [b"a", b"b"]

    def test_a_later_member_is_no_trouble(self) -> None:
        line = line_of(one(b"a"))[:-1] + b',"later":[1,{"x":"]"}]}'
        turn = lines.read(line)
        assert isinstance(turn, Records)
        assert [r.data for r in flat(turn.chunks)] == [b"a"]

    @pytest.mark.parametrize(
        "line", [b"", b"null", b"{}", b'{"action":"dance"}', b'{"action":"processRecords","records":[', b"\xff"]
    )
    def test_what_says_nothing_known_is_refused(self, line: bytes) -> None:
        with pytest.raises(ProtocolError):
            lines.read(line)


class Pipe:
    """A pipe with a writer for the test and a Stdin for the code."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        self.stdin = lines.Stdin(self.read_fd, poll_s=0.02)

    def write(self, data: bytes) -> None:
        os.write(self.write_fd, data)

    def close(self) -> None:
        for fd in (self.read_fd, self.write_fd):
            if fd >= 0:
                os.close(fd)

    def hang_up(self) -> None:
        os.close(self.write_fd)
        self.write_fd = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


class TestStdin:
    def test_lines_come_one_by_one_whatever_the_writes_were(self, pipe: Pipe) -> None:
        pipe.write(b"one\ntwo\nthr")
        assert bytes(pipe.stdin.line()) == b"one"
        assert bytes(pipe.stdin.line()) == b"two"
        pipe.write(b"ee\n")
        assert bytes(pipe.stdin.line()) == b"three"

    def test_the_pipe_is_made_larger(self, pipe: Pipe) -> None:
        assert fcntl.fcntl(pipe.read_fd, fcntl.F_GETPIPE_SZ) == MIB

    def test_a_line_is_released_by_the_next(self, pipe: Pipe) -> None:
        pipe.write(b"one\ntwo\n")
        first = pipe.stdin.line()
        pipe.stdin.line()
        with pytest.raises(ValueError, match="released"):
            bytes(first)

    def test_an_answer_aside_leaves_the_line_readable(self, pipe: Pipe) -> None:
        pipe.write(line_of(one(b"a", 1), one(b"b", 2)) + b"\n")
        chunks = lines.chunks(pipe.stdin.line(), 1)
        assert next(chunks)[0].data == b"a"
        pipe.write(b"aside\n")
        assert pipe.stdin.aside() == b"aside"
        assert next(chunks)[0].data == b"b"
        pipe.write(b"next\n")
        assert bytes(pipe.stdin.line()) == b"next"

    def test_a_second_line_behind_an_answer_is_refused(self, pipe: Pipe) -> None:
        pipe.write(b"answer\nmore\n")
        with pytest.raises(ProtocolError):
            pipe.stdin.aside()

    def test_the_end_of_the_pipe_is_the_daemons_end(self, pipe: Pipe) -> None:
        pipe.write(b"half a li")
        assert not pipe.stdin.gone()
        pipe.hang_up()
        assert pipe.stdin.gone()
        with pytest.raises(DaemonGone, match="closed"):
            pipe.stdin.line()
        with pytest.raises(DaemonGone):
            pipe.stdin.aside()

    def test_another_parent_is_the_daemons_end(self, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "getppid", lambda: 1)
        assert pipe.stdin.gone()
        with pytest.raises(DaemonGone, match="died"):
            pipe.stdin.line()

    def test_large_lines_of_any_size_come_whole(self, tmp_path: Path) -> None:
        sizes = [1, MIB - 1, MIB, MIB + 1, 9 * MIB, 5, 3 * MIB, 12 * MIB, 0]
        path = tmp_path / "lines"
        path.write_bytes(b"".join(b"%c" % (97 + n) * size + b"\n" for n, size in enumerate(sizes)))
        with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
            assert cat.stdout is not None
            stdin = lines.Stdin(cat.stdout.fileno())
            for n, size in enumerate(sizes):
                line = stdin.line()
                assert len(line) == size
                assert bytes(line) == b"%c" % (97 + n) * size
            with pytest.raises(DaemonGone):
                stdin.line()

    def test_the_buffer_shrinks_after_a_huge_line(self, tmp_path: Path) -> None:
        path = tmp_path / "lines"
        path.write_bytes(b"x" * (20 * MIB) + b"\nsmall\n")
        with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
            assert cat.stdout is not None
            stdin = lines.Stdin(cat.stdout.fileno())
            stdin.line()
            assert bytes(stdin.line()) == b"small"
            assert len(stdin._buffer) <= lines.KEPT_BYTES_MAX + lines.MIB

    def test_a_view_that_was_kept_does_not_break_the_next_line(self, pipe: Pipe) -> None:
        pipe.write(b"one\n" + b"two\n")
        kept = pipe.stdin.line()[1:]
        assert bytes(pipe.stdin.line()) == b"two"
        kept.release()


CHILD = """
import os, sys
from tailrace.kcl import lines
def kib(name):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(name))
stdin = lines.Stdin()
assert isinstance(lines.read(stdin.line()), lines.Initialize)
before = kib("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts anew
turn = lines.read(stdin.line())
count = sum(len(chunk) for chunk in turn.chunks)
print(count, turn.line_bytes, (kib("VmHWM") - before) * 1024)
"""


def test_a_line_of_35_mb_costs_at_most_three_times_its_size() -> None:
    text = json.dumps(one(os.urandom(600)), separators=(",", ":")).encode()
    count = 35 * MIB // (len(text) + 1)
    line = b'{"action":"processRecords","records":[' + b",".join([text] * count) + b'],"millisBehindLatest":0}\n'
    first = b'{"action":"initialize","shardId":"s","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}\n'
    done = subprocess.run([sys.executable, "-c", CHILD], input=first + line, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    records, line_bytes, cost = map(int, done.stdout.split())
    assert records == count
    assert line_bytes == len(line) - 1
    assert line_bytes < cost < 3 * line_bytes


def test_initialize_without_a_position_word() -> None:
    turn = lines.read(b'{"action":"initialize","shardId":"s","sequenceNumber":null,"subSequenceNumber":null}')
    assert turn == Initialize("s", "", 0)
