"""The warehouse's tables for the shipped schemas, as they are written down: a change in them is seen.

`python tests/golden/ddl.py` writes them anew.
"""

from __future__ import annotations

import pytest

from golden.ddl import FILES, HERE, printed


@pytest.mark.parametrize("engine", FILES)
def test_what_is_printed_is_what_is_written_down(engine: str) -> None:
    assert printed(engine) == (HERE / FILES[engine]).read_text()
