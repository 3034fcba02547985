"""What of an exception may be logged. Rule: one that the pipeline raised says its kind and its place, never its words.

Those may hold what an event did: pyarrow names the text that is no number, and a KeyError the key.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tailrace
from tailrace.nouns import Discreet

_PIPELINE: Final = str(Path(tailrace.__file__).parent / "rows" / "pipeline.py")


def words(error: BaseException) -> str:
    """Return an exception on one line."""
    return repr(error) if isinstance(error, Discreet) or not _of_rows(error) else _kind(error)


def trace(error: BaseException) -> str:
    """Return an exception with its traceback, and with those that led to it."""
    if not _of_rows(error):
        return "".join(traceback.format_exception(error))
    parts = []
    for one in reversed(list(_chain(error))):
        told = f"{_kind(one)}: {one}" if isinstance(one, Discreet) else _kind(one)
        parts.append(f"Traceback (most recent call last):\n{''.join(traceback.format_tb(one.__traceback__))}{told}\n")
    return "\n".join(parts)


def _kind(error: BaseException) -> str:
    return type(error).__name__


def _of_rows(error: BaseException) -> bool:
    files = (frame.f_code.co_filename for one in _chain(error) for frame, _ in traceback.walk_tb(one.__traceback__))
    return _PIPELINE in files


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
