"""Makes a child die on chosen records. Rule: for tests alone, found by PYTHONPATH, and only in a child of the daemon.

`@segfault@` in a record's data kills the process as a fault in a C library would; `@raise@` is a mistake of our own.
"""

import ctypes
import sys
from collections.abc import Sequence

if sys.orig_argv[1:3] == ["-m", "tailrace.kcl.child"]:
    from tailrace.nouns import Outcome, Record
    from tailrace.rows.pipeline import Pipeline

    _real = Pipeline.__call__

    def _trapped(self: Pipeline, records: Sequence[Record]) -> Outcome:
        for record in records:
            if b"@segfault@" in record.data:
                ctypes.string_at(0)
            if b"@raise@" in record.data:
                raise RuntimeError("a mistake of our own")
        return _real(self, records)

    Pipeline.__call__ = _trapped  # type: ignore[method-assign]
