"""All benchmarks, one after another, or those that are named: `python -m bench [pipeline] [engine] [hot] ...`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import archive, beside, compaction, engine, forwards, freshness, hot, layout, pipeline, shapes

BENCHES: dict[str, Callable[[], object]] = {
    "pipeline": pipeline.main,
    "engine": engine.main,
    "shapes": shapes.main,
    "compaction": compaction.main,
    "archive": archive.main,
    "layout": layout.main,
    "forwards": forwards.main,
    "hot": hot.main,
    "beside": beside.main,
    "freshness": freshness.main,
}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(BENCHES)
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    for name in sys.argv[1:] or BENCHES:
        BENCHES[name]()
