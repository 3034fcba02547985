"""The demo's compaction. Rule: the rows are read back before and after, from what is committed, and compared.

The demo's events are of hours that are not over. Compacting those is as safe as ever, and only wasteful: so it asks for
them with `--also-open`, and says so.
"""

from __future__ import annotations

from pathlib import Path

from local.consumer import run_command
from local.readback import Lake
from local.screen import Screen
from tailrace import settings_load

COMPACT = ("compact", "--also-open")


def play(screen: Screen, file: Path, folder: Path) -> bool:
    """Compact the lake that the settings in `file` name; say whether each row is in the view once as before.

    `folder`: for copies of what is read, below names that are free.
    """
    settings = settings_load.load(str(file), {})
    screen.phase("Few large files of many small ones: tailrace compact --also-open")
    screen.say("These hours are not over, and later events would make new small files. A timer leaves --also-open out.")
    before = Lake.fetch(settings, folder / "before-compaction")
    status, said = run_command(file, *COMPACT)
    screen.quote(said)
    if status:
        screen.bad(f"compact ended with status {status}")
        return False
    after = Lake.fetch(settings, folder / "after-compaction")
    for what, lake in (("before", before), ("after", after)):
        rows = sum(map(len, _rows(lake)))
        screen.say(f"{what}: {lake.objects:,} files, {rows:,} rows, {lake.bytes / max(rows, 1):.0f} bytes a row")
    same = _rows(before) == _rows(after)
    if same:
        screen.good("The committed view holds the same rows, each once.")
    else:
        screen.bad("The committed view holds other rows than before.")
    return same


def _rows(lake: Lake) -> list[list[tuple[str, ...]]]:
    """Return what tells every row of the view: of events, mended ones too, and of the quarantine."""
    return [sorted(lake.positions()), sorted(lake.mended()), sorted(lake.rejected())]
