"""A folder with files, a lake of directories and the ledger of a backfill. Rule: everything goes by the command."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tailrace.cli import main
from tailrace.commit.committed import ARCHIVE, commits_of, epoch_of, shards_of
from tailrace.commit.ledger_sqlite import SqliteLedger
from tailrace.sinks.lake.places.directory import DirectoryPlace
from tailrace.sinks.lake.read import LakeReader

SCHEMA = {
    "type": "object",
    "required": ["type", "n"],
    "properties": {"type": {"const": "page"}, "n": {"type": "integer"}, "timestamp": {"type": "string"}},
}


class Work:
    """A folder with files, a lake and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "schemas" / "page").mkdir(parents=True)
        (folder / "schemas" / "page" / "1.json").write_text(json.dumps(SCHEMA))
        self.environ = {
            "TAILRACE_LAKE_URI": str(folder / "lake"),
            "TAILRACE_LEDGER_PATH": str(folder / "ledger.sqlite"),
            "TAILRACE_SCHEMAS_PATH": str(folder / "schemas"),
            "TAILRACE_FLUSH_ROWS": "1000",
        }

    def write(self, name: str, events: int, *, first: int = 0) -> Path:
        """Write a file in which every tenth line is no JSON."""
        lines = [
            b"no JSON" if n % 10 == 9 else json.dumps({"type": "page", "n": n}).encode()
            for n in range(first, first + events)
        ]
        path = self.folder / name
        path.write_bytes(gzip.compress(b"\n".join(lines)) if name.endswith(".gz") else b"\n".join(lines))
        return path

    def backfill(self, *paths: str | Path) -> int:
        return main(["backfill", "--quiet", *map(str, paths)], self.environ)

    def audit(self) -> int:
        return main(["audit", "--files", "--explain"], self.environ)

    def positions(self) -> list[str]:
        """Return `<shard> <position>` of every committed row."""
        store, place, reader = (
            SqliteLedger(self.environ["TAILRACE_LEDGER_PATH"]),
            DirectoryPlace(self.lake),
            LakeReader(),
        )
        try:
            epoch = epoch_of(store, "tailrace")
            assert epoch is not None
            return [
                f"{shard.identity.shard} {position}"
                for shard in shards_of(store, epoch, "files")
                for _, commit in commits_of(place, shard)
                for entry in commit.objects  # type: ignore[union-attr]
                if entry.table != ARCHIVE
                for position in reader.contents(place, entry.name).positions
            ]
        finally:
            store.close()

    @property
    def lake(self) -> Path:
        return self.folder / "lake"
