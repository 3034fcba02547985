"""Bytes on their way: in memory while there is some, on disk beyond it."""

from __future__ import annotations

import hashlib
import io

import pytest

from tailrace.sinks.lake.spool import Budget, Headed, Spool


def test_a_spool_reads_at_any_place_from_disk() -> None:
    spool = Spool(Budget(0))
    spool.write(b"0123456789")
    with spool.open() as source:
        assert source.seek(-4, io.SEEK_END) == 6
        assert source.read(2) == b"67"
        assert source.seek(1) == 1
        assert source.read() == b"123456789"
        assert source.read() == b""
    spool.close()


def test_memory_is_given_back() -> None:
    budget = Budget(1000)
    first, second = Spool(budget), Spool(budget)
    first.write(b"x" * 600)
    second.write(b"y" * 300)
    assert budget.used == 900
    second.write(b"y" * 300)  # too much: the second moves to disk
    assert budget.used == 600
    with second.open() as source:
        assert source.read() == b"y" * 600
    first.close()
    second.close()
    assert budget.used == 0


@pytest.mark.parametrize("memory", [0, 1000])
def test_a_body_with_a_head_reads_as_one(memory: int) -> None:
    spool = Spool(Budget(memory), hashed=False)
    spool.write(b"0123456789")
    spool.rows = 3
    body = Headed(b"head ", spool)
    assert (body.length, body.rows) == (15, 3)
    assert body.sha256 == hashlib.sha256(b"head 0123456789").hexdigest()
    with body.open() as one, body.open() as other:
        assert one.read(7) == b"head 01"
        assert other.read() == b"head 0123456789"
        assert other.read() == b""
        assert one.read() == b"23456789"
        assert one.seek(-2, io.SEEK_END) == 13
        assert one.read() == b"89"
        assert one.seek(3) == 3
        assert one.read(4) == b"d 01"
    body.close()
