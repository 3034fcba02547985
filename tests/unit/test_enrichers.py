"""Steps as settings name them, plug-ins among them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from support.geo import database
from support.pipelines import OPEN, closed, pipeline, records, stored
from tailrace import enrichers, settings
from tailrace.rows.treatment import Treatment
from tailrace.schema.book import ENVELOPE, Book, BookError
from tailrace.settings import Enrich, SettingsError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "tailrace-enricher-weekday"
FILES = {
    "geo.mmdb": database(6),
    "tenants.json": b'{"none": {"a": 1}}',
    "referers.json": b'{"social": {"Us": ["us.example"]}}',
}
ALL = ("user_agent", "bot", "url", "referer", "geo", "tenant", "fingerprint")


def built(*steps: str, **keys: Any) -> Treatment:
    section = Enrich(**({"steps": steps, "geo": "geo.mmdb", "tenants": "tenants.json"} | keys))
    return Treatment(enrichers=enrichers.built(section, read))


def read(uri: str) -> bytes:
    if uri not in FILES:
        raise BookError(f"{uri}: no such file")
    return FILES[uri]


def test_all_steps_fill_the_columns_of_the_envelope() -> None:
    treatment = built(*ALL)
    assert enrichers.added(treatment.enrichers) == []
    event = {
        "type": "open",
        "browser": "curl/8.5",
        "url": "https://shop.example/a?utm_source=mail",
        "referrer": "https://www.bing.com/",
        "ip": "203.0.113.7",
    }
    (row,) = stored(pipeline({("open", "1-0-0"): OPEN}, treatment=treatment)(records(event)))
    assert {name: row[name] for name in ENVELOPE.names[14:-2] if name != "fingerprint" and row[name] is not None} == {
        "ua_family": "curl",
        "os_family": "Other",
        "device_family": "Other",
        "bot": True,
        "url_host": "shop.example",
        "url_path": "/a",
        "utm_source": "mail",
        "referer_host": "www.bing.com",
        "referer_class": "search",
        "referer_source": "Bing",
        "geo_country": "AT",
        "geo_region": "9",
        "geo_city": "Vienna",
        "tenant_attributes": '{"a":1}',
    }
    assert len(row["fingerprint"]) == 32


def test_every_step_makes_columns_of_the_envelope_of_their_types() -> None:
    assert set(ALL) == set(enrichers.BUILT_IN)
    for step in built(*ALL).enrichers:
        assert [ENVELOPE.field(field.name) for field in step.outputs] == list(step.outputs)


def test_files_are_read_where_they_are_named() -> None:
    (step,) = built("referer", referers="referers.json").enrichers
    made = step({"referer": pa.array(["https://a.us.example/"]), "url": pa.nulls(1, pa.string())})
    assert made["referer_source"].to_pylist() == ["Us"]


@pytest.mark.parametrize(
    ("steps", "keys", "expected"),
    [
        (("refferer",), {}, r"\[enrich\] steps: found 'refferer', expected one of: bot, .*\(did you mean referer\?\)"),
        (("xyz",), {}, r"expected one of: bot, fingerprint, geo, referer, tenant, url, user_agent\Z"),
        (("url", "bot", "url"), {}, "url stands twice, expected once"),
        (("geo",), {"geo": ""}, r"\[enrich\] geo: found none, expected a file"),
        (("tenant",), {"tenants": "geo.mmdb"}, r"\[enrich\] tenants: geo.mmdb: no JSON"),
        (("geo",), {"geo": "tenants.json"}, r"\[enrich\] geo: tenants.json: found 18 bytes that are no MaxMind DB\Z"),
        (("geo",), {"geo": "absent"}, r"\[enrich\] geo: absent: no such file\Z"),
        (("referer",), {"referers": "tenants.json"}, r"\[enrich\] referers: tenants.json: found the class 'none'"),
        (("url",), {"options": ("url.x=1",)}, r"\[enrich\] options: found 'url.x=1', expected a plug-in"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(steps: tuple[str, ...], keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected) as caught:
        built(*steps, **keys)
    assert "\n" not in str(caught.value)


SHAPES = {
    ("open", "1-0-0"): OPEN,
    ("shape", "1-0-0"): closed(
        {"type": {"const": "shape"}, "inner": closed({"a": {"type": "integer"}}), "free": {"type": "object"}}
    ),
}


# ---- plug-ins that are not as they should be


class Mine:
    """A sound enricher, but for what a test alters."""

    name = "mine"
    inputs: Any = ("tenant",)
    outputs: Any = pa.schema([("mine", pa.string())])
    digest: Any = "1"

    def __init__(self, **change: Any) -> None:
        self.__dict__ |= change

    def __call__(self, columns: Any) -> Any:
        return {"mine": columns["tenant"]}


class Point:
    """An entry point to what a test made."""

    def __init__(self, name: str, factory: Callable[[Any], Any]) -> None:
        self.name, self.value, self.dist, self._factory = name, f"made:{name}", None, factory

    def load(self) -> Callable[[Any], Any]:
        return self._factory


def with_points(monkeypatch: pytest.MonkeyPatch, *points: Point | EntryPoint) -> None:
    monkeypatch.setattr(enrichers, "entry_points", lambda group: points if group == "tailrace.enrichers" else ())


def test_options_reach_their_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def made(options: Any) -> Mine:
        seen.append(dict(options))
        return Mine()

    with_points(monkeypatch, Point("mine", made))
    treatment = built("mine", "url", options=("mine.a=1=2", "mine.b.c= x "))
    assert seen == [{"a": "1=2", "b.c": "x"}]
    assert [field.name for field in enrichers.added(treatment.enrichers)] == ["mine"]
    with pytest.raises(SettingsError, match=r"found 'nine.a=1', expected a plug-in that \[enrich\] steps names: mine"):
        built("mine", options=("nine.a=1",))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"inputs": []}, "its inputs: found"),
        ({"inputs": ()}, "its inputs: found"),
        ({"outputs": ["mine"]}, "its outputs: found"),
        ({"outputs": pa.schema([])}, "its outputs: found"),
        ({"outputs": pa.schema([("URL_host", pa.string())])}, "its column URL_host is one of tailrace's own"),
        ({"outputs": pa.schema([("mine", pa.null())])}, "its column mine is of type null, which no file can hold"),
        ({"outputs": pa.schema([("mine", pa.struct([]))])}, "which no file can hold"),
        ({"outputs": pa.schema([("mine", pa.string()), ("mine", pa.string())])}, "both make the column mine"),
        (
            {"outputs": pa.schema([pa.field("mine", pa.string(), nullable=False)])},
            "its column mine is declared as never",
        ),
        (
            {"outputs": pa.schema([("mine", pa.list_(pa.struct([pa.field("a", pa.int8(), nullable=False)])))])},
            "its column mine is declared as never null",
        ),
        ({"digest": 7}, "its digest: expected text"),
    ],
)
def test_a_plug_in_that_declares_nonsense_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], expected: str
) -> None:
    with_points(monkeypatch, Point("mine", lambda _options: Mine(**change)))
    with pytest.raises(SettingsError, match=expected) as caught:
        built("mine")
    assert "mine" in str(caught.value)


def raises(_options: Any) -> Any:
    raise ImportError("no such\nmodule")


def test_a_plug_in_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving = Point("leaving", lambda _options: sys.exit("no licence"))
    with_points(monkeypatch, Point("mine", raises), EntryPoint("gone", "no.such:thing", enrichers.GROUP), leaving)
    with pytest.raises(SettingsError, match="leaving of made:leaving cannot be made: SystemExit: no licence"):
        built("leaving")
    with pytest.raises(SettingsError, match=r"mine of made:mine cannot be made: ImportError: no such\Z"):
        built("mine")
    with pytest.raises(SettingsError, match=r"gone of no\.such:thing cannot be made: ModuleNotFoundError"):
        built("gone")
    assert [one.name for one in built("url").enrichers] == ["url"]  # what nobody asked for harms nobody


def test_names_and_columns_belong_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = Point("twin", lambda _options: Mine(outputs=pa.schema([("MINE", pa.string())])))
    with_points(monkeypatch, Point("mine", lambda _options: Mine()), twin)
    with pytest.raises(SettingsError, match="mine and twin both make the column MINE, expected one"):
        built("mine", "twin")
    with_points(monkeypatch, Point("mine", lambda _options: Mine()), Point("mine", raises))
    with pytest.raises(SettingsError, match="made:mine and made:mine both bring 'mine'"):
        built("mine")
    with_points(monkeypatch, Point("url", lambda _options: Mine()))
    with pytest.raises(SettingsError, match="made:url brings 'url', which is a step of tailrace itself"):
        built("url")


def test_a_column_is_not_called_like_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    with_points(monkeypatch, Point("mine", lambda _options: Mine(outputs=pa.schema([("N", pa.string())]))))
    steps = built("url", "mine").enrichers
    book = Book(settings.Contract(), {("open", "1-0-0"): OPEN})
    with pytest.raises(
        SettingsError, match="mine makes the column N, which is a member of open/1-0-0, expected another"
    ):
        enrichers.check(steps, book)
    enrichers.check(built("url").enrichers, book)
    enrichers.check(steps, Book(settings.Contract(), {}))


@pytest.mark.parametrize(
    ("steps", "fields", "expected"),
    [
        (
            ("fingerprint", "url"),
            ("url_host",),
            "steps: fingerprint reads url_host, which url makes: expected url before",
        ),
        (("mine", "url"), (), "steps: mine reads url_host, which url makes: expected url before it"),
        (("fingerprint",), ("url_host",), "fingerprint: url_host is a column of no row"),
        (("fingerprint",), ("tenant", "emial"), "fingerprint: emial is a column of no row"),
        (("fingerprint",), ("inner.b",), "fingerprint: inner.b is a column of no row"),
        (("fingerprint",), ("ip.x",), "fingerprint: ip.x is a column of no row"),
    ],
)
def test_a_step_reads_what_there_is_by_then(
    monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...], fields: tuple[str, ...], expected: str
) -> None:
    with_points(monkeypatch, Point("mine", lambda _options: Mine(inputs=("url_host", "geo_city"))))
    book = Book(settings.Contract(), SHAPES)
    with pytest.raises(SettingsError, match=rf"\A\[enrich\] {expected}"):
        enrichers.check(built(*steps, fingerprint=fields or ("n",)).enrichers, book)


def test_fields_of_a_fingerprint_that_some_row_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with_points(monkeypatch, Point("mine", lambda _options: Mine(inputs=("url_host", "absent"))))
    fields = (
        "event_type",
        "url_host",
        "mine",
        "n",
        "inner.a",
        "free.any.thing",
        "extra.x",
        "ip",
        "user_agent",
        "user_id",
    )
    steps = built("url", "mine", "fingerprint", fingerprint=fields).enrichers
    enrichers.check(steps, Book(settings.Contract(), SHAPES, enrichers.added(steps)))
    enrichers.check(built(*ALL).enrichers, Book(settings.Contract(), {}))


# ---- the example, installed


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the example as people do, but into a folder of this test's, and with nothing fetched."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", target, EXAMPLE], check=True, cwd=ROOT)
    sys.path.insert(0, str(target))
    try:
        yield target
    finally:
        sys.path.remove(str(target))
        sys.modules.pop("tailrace_enricher_weekday", None)


def test_the_example_adds_its_columns_after_the_envelope(installed: Path) -> None:
    treatment = built("weekday", "user_agent", options=("weekday.hours_ahead=9",))
    made = pipeline({("open", "1-0-0"): OPEN}, treatment=treatment)
    outcome = made(records({"type": "open", "timestamp": "2026-01-02T15:00:00Z", "n": 1}))
    (row,) = stored(outcome)
    assert (row["weekday"], row["weekend"], row["n"]) == ("Saturday", True, 1)
    names = outcome.rows[0].batch.schema.names
    assert names[len(ENVELOPE) : len(ENVELOPE) + 3] == ["weekday", "weekend", "n"]
    assert treatment.enrichers[0].digest == "tailrace-enricher-weekday 1.0.0, 1, 9 hours ahead"


def test_the_example_refuses_options_it_does_not_know(installed: Path) -> None:
    with pytest.raises(SettingsError, match=r"weekday of tailrace-enricher-weekday 1\.0\.0 cannot be made: ValueError"):
        built("weekday", options=("weekday.hour=1",))


def test_the_examples_own_test_passes(installed: Path) -> None:
    own = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={EXAMPLE}"]
    environment = {"PYTHONPATH": f"{installed}:{ROOT / 'consumer'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*own, str(EXAMPLE)], env=environment, capture_output=True, text=True, check=False, cwd=installed
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
