"""Laws of rows with every built-in step on: whole rows, not their names alone, are the calm run's."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from faults import real
from faults.simulation import Kind, Scenery, calm_rows
from properties.test_fuzz import FUZZED, PIPES, anything, seen
from properties.test_pipeline_laws import everything
from sequence.play import END, Feed, Play
from support.enriched import STEPS, steps
from support.pipelines import records
from support.simulated_world import Process
from tailrace.commit.ports import Place
from tailrace.edition import Edition
from tailrace.rows.treatment import Treatment, Verdict
from tailrace.schema.book import ENVELOPE, Book
from tailrace.shard import Shard
from tailrace.sinks.lake.groups import parquet
from tailrace.sinks.lake.layout import table_of
from tailrace.sinks.lake.read import LakeReader

BOOK = Book(real.CONTRACT, FUZZED)
EDITION = Edition(BOOK, Treatment(enrichers=steps()), (("book", BOOK.digest),))
MADE = {name for step in steps() for name in step.outputs.names}
VISIT = {
    "type": "seen",
    "tenant": "north",
    "userAgent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "url": "https://shop.example/a?utm_source=mail&utm_medium=email&utm_campaign=c&utm_term=t&utm_content=x",
    "referrer": "https://www.google.com/search?q=1",
    "ip": "192.0.2.7",
}


def enriched_shard(process: Process, scenery: Scenery) -> Shard:
    return real.real_shard(process, scenery, EDITION)


def whole_rows(place: Place, name: str) -> list[str]:
    with place.open(name) as source, parquet(source) as file:
        found = file.read().to_pylist()
    texts = [json.dumps(row, sort_keys=True, default=repr) for row in found]
    return [f"{table_of(name)}:{text}:{row['position']}" for text, row in zip(texts, found, strict=True)]


ENRICHED = Kind(enriched_shard, LakeReader(), whole_rows)
visits = st.fixed_dictionaries(
    {"type": st.just("seen")},
    optional={key: st.sampled_from([value, None, ""]) for key, value in VISIT.items() if key != "type"},
)
bodies = (seen | visits | st.just(VISIT)).map(lambda event: json.dumps(event).encode())


@settings(max_examples=20)
@given(
    found=st.lists(bodies | st.sampled_from(real.DATAS), min_size=1, max_size=8).map(tuple),
    upto=st.integers(1, 8),
    sizes=st.lists(st.integers(0, 5), max_size=5),
    rows=st.integers(1, 6),
)
def test_after_a_cut_anywhere_every_column_is_the_calm_runs(
    found: tuple[bytes, ...], upto: int, sizes: list[int], rows: int
) -> None:
    play = Play(*found, kind=ENRICHED, rows=rows)
    play.child(Feed(min(upto, len(found))), strikes={("swap.prepare", 1): "kill after"})
    play.child(*(Feed(size, behind_ms=1) for size in sizes), Feed(1_000), END)
    assert play.world.item.watermark == play.world.last
    play.judge(calm_rows(Scenery(datas=play.scenery.datas), ENRICHED))


@given(st.lists(bodies | anything, max_size=6), st.lists(st.integers(0, 6), max_size=3), st.sampled_from(Verdict))
def test_rows_do_not_depend_on_chunks_with_every_step_on(found: list[bytes], cuts: list[int], verdict: Verdict) -> None:
    pipe, sent = PIPES[verdict], records(*found)
    ends = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    whole, again = pipe(sent), pipe(sent)
    parts = [pipe(sent[start:end]) for start, end in itertools.pairwise(ends)]
    assert everything([whole]) == everything(parts) == everything([again])
    assert whole.filtered == sum(part.filtered for part in parts)


def test_every_step_is_on_and_says_something() -> None:
    columns: dict[str, Any] = dict(everything([PIPES[Verdict.REJECT](records(VISIT))])[0][1])
    assert len(steps()) == len(STEPS) == 7
    assert {name for name in MADE if columns[name] is None} <= {"geo_region"}
    assert (columns["bot"], columns["geo_city"], columns["referer_class"]) == (True, "Paris", "search")
    assert (columns["utm_source"], columns["url_host"]) == ("mail", "shop.example")
    assert json.loads(columns["tenant_attributes"]) == {"plan": "pro"}
    assert set(ENVELOPE.names) >= MADE
