"""Writes down what `tailrace ddl` prints for the shipped schemas. Rule: run by hand, and the difference read."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from tailrace.cli import main

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "ddl"
FILES = {"redshift": "redshift.sql", "athena": "athena.sql", "glue": "glue.json", "duckdb": "duckdb.sql"}
ENVIRON = {"TAILRACE_LAKE_URI": "s3://my-bucket/lake", "TAILRACE_SCHEMAS_PATH": str(ROOT / "properties" / "schemas")}


def printed(engine: str) -> str:
    """Return what is printed for an engine, Glue's requests so that they can be read."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["ddl", engine], ENVIRON) == 0
    if engine == "glue":
        return "".join(json.dumps(json.loads(line), indent=1) + "\n" for line in out.getvalue().splitlines())
    return out.getvalue()


if __name__ == "__main__":
    for name, file in FILES.items():
        (HERE / file).write_text(printed(name))
