"""`tailrace init`: what it writes passes `check`, and a backfill of the sample stores every sound line of it."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace import settings_load
from tailrace.cli import main
from tailrace.cli.guess import guessed
from tailrace.cli.trial import STORED, Trial
from tailrace.edition import load
from tailrace.settings import Contract

ROOT = Path(__file__).resolve().parents[3]


class Init:
    """A folder with a sample, and what init made of it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.sample, self.into, self._capsys = folder / "sample.jsonl", folder / "into", capsys

    def __call__(self, *lines: object, options: Sequence[str] = (), status: int = 0) -> str:
        """Write the sample, run init; return what it said."""
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        self.sample.write_bytes(b"\n".join(texts))
        return self.run("--from", str(self.sample), *options, status=status)

    def run(self, *arguments: str, status: int = 0) -> str:
        self._capsys.readouterr()
        assert main(["init", "--into", str(self.into), *arguments], {}) == status
        out = self._capsys.readouterr()
        return out.out + out.err

    def toml(self) -> dict[str, Any]:
        return tomllib.loads((self.into / "tailrace.toml").read_text())

    def schema(self, name: str) -> dict[str, Any]:
        out: dict[str, Any] = json.loads((self.into / "schemas" / f"{name}.json").read_text())
        return out

    def config(self) -> list[str]:
        return ["--config", str(self.into / "tailrace.toml")]

    def holds(self, stored: int) -> None:
        """Check, and bring the sample in."""
        assert main([*self.config(), "check"], {}) == 0, self._capsys.readouterr().out
        assert main([*self.config(), "backfill", "--quiet", str(self.sample)], {}) == 0
        out = self._capsys.readouterr().out
        assert [int(count.replace(",", "")) for count in re.findall(r"([0-9,]+) stored", out)] == [stored], out


@pytest.fixture
def init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Init:
    return Init(tmp_path, capsys)


def clicks(count: int) -> list[dict[str, Any]]:
    return [
        {"event": "click", "ts": 1_760_000_000 + n, "n": n, "who": {"id": f"u{n}"}, "tags": ["a"] * (n % 3)}
        for n in range(count)
    ]


def test_the_day_of_examples_without_its_broken_lines_is_stored_whole(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shipped = settings_load.load(None, {})
    trial = Trial(shipped, load(shipped), arrival_ms=0)
    lines = (ROOT / "examples/day.jsonl").read_bytes().splitlines()
    sound = [line for line in lines if all(one.verdict == STORED for one in trial(line))]
    assert len(sound) > 1900
    said = init(*sound)
    assert "0 rejected" in said
    assert init.toml()["contract"] == {"referer": ["data.referrer"]}
    init.holds(len(sound))


def test_broken_lines_are_counted_and_named_and_no_reason_to_stop(init: Init) -> None:
    said = init(*clicks(30), b'{"event":"click",', [1], {"no": "type"})
    assert "30 would be stored and 3 rejected" in said
    assert [line.split(":")[0] for line in said.splitlines() if line.startswith("  line ")] == [
        "  line 31",
        "  line 32",
        "  line 33",
    ]
    init.holds(30)


def test_what_stands_elsewhere_is_found_by_name_and_values(init: Init) -> None:
    said = init(*[
        {
            "action": ("signup", "login")[n % 2],
            "meta": {"sent_at": f"2026-01-01T00:00:{n:02}Z", "message_id": f"m-{n}"},
            "org": "acme" if n % 3 else "globex",
            "visitor_id": n,
            "client": "Mozilla/5.0 (X11; Linux x86_64)",
        }
        for n in range(40)
    ])  # fmt: skip
    assert "event_type      action  (by its name, 2 types" in said
    assert init.toml()["contract"] == {
        "event_type": ["action"],
        "event_id": ["meta.message_id"],
        "event_time": ["meta.sent_at"],
        "tenant": ["org"],
        "user_id": ["visitor_id"],
        "user_agent": ["client"],
    }
    init.holds(40)


def test_a_default_that_holds_something_else_is_left_out(init: Init) -> None:
    events = [{"type": "video", "time": 12.5 + n, "id": n % 2, "version": "1.4.2", "tenant": n} for n in range(30)]
    init(*events)
    assert init.toml()["contract"] == {"schema_version": [], "event_id": [], "event_time": [], "tenant": []}
    init.holds(30)


def test_a_schema_says_what_was_seen(init: Init) -> None:
    init(*[
        {
            "type": "order",
            "at": f"2026-01-01T00:00:{n % 60:02}Z",
            "state": ("open", "paid")[n % 2],
            "total": n if n % 2 else n + 0.5,
            "lines": [{"sku": "a", "qty": n}],
            "big": 2**63 + n,
            "by_day": {str(day): 1 for day in range(n, n + 3)},
            "note": None if n % 2 else "x",
            **({"coupon": "y"} if n else {}),
        }
        for n in range(120)
    ])  # fmt: skip
    schema = init.schema("order/1-0-0")
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["type", "at", "state", "total", "lines", "big", "by_day", "note"]
    assert schema["properties"] == {
        "type": {"const": "order"},
        "at": {"type": "string", "format": "date-time"},
        "state": {"type": "string", "enum": ["open", "paid"]},
        "total": {"type": "number"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["sku", "qty"],
                "properties": {"sku": {"type": "string", "enum": ["a"]}, "qty": {"type": "integer"}},
            },
        },
        "big": {},
        "by_day": {"type": "object"},
        "note": {"type": ["null", "string"]},
        "coupon": {"type": "string", "enum": ["y"]},
    }
    init.holds(120)


def test_a_type_that_was_seen_seldom_stays_open(init: Init) -> None:
    said = init(*clicks(30), {"event": "seldom", "ts": 1_760_000_000, "m": {}})
    assert "additionalProperties" not in init.schema("seldom/1-0-0")
    assert "1 event, 3 members, 3 required, open" in said
    init.holds(31)


def test_versions_and_self_describing_events_have_their_own_files(init: Init) -> None:
    uri = "iglu:com.acme/order/jsonschema/1-0-2"
    init(
        *[{"type": "page", "version": "2-0-0", "n": n} for n in range(5)],
        *[{"type": "page", "version": "1-0-0", "n": n} for n in range(5)],
        *[{"schema": uri, "data": {"id": n}} for n in range(5)],
        {"type": "page", "n": 1},
    )
    files = sorted(path.relative_to(init.into / "schemas").as_posix() for path in init.into.rglob("*.json"))
    assert files == ["com.acme/order/jsonschema/1-0-2.json", "page/1-0-0.json", "page/2-0-0.json"]
    init.holds(16)


def test_things_around_an_event_that_describe_themselves_not_are_left_alone(init: Init) -> None:
    init(*[{"type": "page", "context": [{"page": n}], "n": n} for n in range(20)])
    init.holds(20)


def test_lists_of_events_are_found(init: Init) -> None:
    init(*[{"batch": clicks(3), "sent": n} for n in range(4)])
    assert init.toml()["contract"]["batch"] == ["batch"]
    init.holds(12)


def test_types_that_can_have_no_schema_are_named(init: Init) -> None:
    said = init(*clicks(20), *[{"event": name, "n": 1} for name in ("a/b", "Click", ".hidden", "_x", "x" * 101)])
    assert said.count("no schema for the type") == 5
    assert "20 would be stored" in said


def test_nothing_is_overwritten_unless_asked_for(init: Init) -> None:
    init(*clicks(3))
    before = (init.into / "tailrace.toml").read_text()
    said = init({"other": "x", "type": "y"}, status=2)
    assert "say --force to overwrite it" in said
    assert (init.into / "tailrace.toml").read_text() == before
    init({"type": "y"}, options=["--force"])
    assert (init.into / "schemas/y/1-0-0.json").exists()


def test_events_without_a_type_are_refused_with_a_way_out(init: Init) -> None:
    events = [{"what": f"w{n % 2}", "n": n} for n in range(10)]
    assert "say --type PATH" in init(*events, status=2)
    assert not init.into.exists()
    init(*events, options=["--type", "what"])
    init.holds(10)


def test_a_big_sample_is_looked_at_in_part_and_said_so(init: Init) -> None:
    said = init(*clicks(50), options=["--lines", "30"])
    assert "30 events in 30 lines, its beginning: more was not looked at." in said


def test_gzip_stdin_and_what_is_none(init: Init, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = b"\n".join(json.dumps(event).encode() for event in clicks(3))
    (tmp_path / "day.jsonl.gz").write_bytes(gzip.compress(lines))
    assert "3 events" in init.run("--from", str(tmp_path / "day.jsonl.gz"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert "3 events" in init.run("--from", "-", "--force")
    assert "no such file" in init.run("--from", "absent", "--force", status=2)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(lines)[:-9])
    init.run("--from", str(tmp_path / "cut.gz"), "--force", status=2)
    assert "found no event" in init(b"no JSON", options=["--force"], status=2)


def test_where_no_schema_can_be_made_nothing_is_written(init: Init) -> None:
    said = init(*clicks(3), options=["--type", "nowhere"], status=2)
    assert "found no event that a schema could judge; the first: $: found no event type" in said
    assert not init.into.exists()
    assert "--lines: found 0, expected 1 or more" in init(*clicks(3), options=["--lines", "0"], status=2)


def test_a_document_over_many_lines_is_no_backfill(init: Init) -> None:
    said = init(json.dumps(clicks(4), indent=1).encode())
    assert "4 events" in said
    assert "backfill" not in said


def test_unhashable_values_where_a_type_could_stand_are_no_fault() -> None:
    events: list[dict[str, Any]] = [{"event": "click", "id": [n]} for n in range(20)] + [{"event": {}}]
    assert guessed(events, Contract(), None)[0].paths == ("event",)


NAMES = st.sampled_from(["a", "b", "A", "id", "time", "tenant", "user_id", "version", "context", "browser", "", "x.y"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["2026-01-01", "2026-01-01T00:00:00Z", "1-0-0", "u@example.org", "10.0.0.1"]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
EVENTS = st.builds(
    lambda kind, members: {**members, "event_type": kind},
    st.sampled_from(["click", "view", "a b", "größe"]),
    st.dictionaries(NAMES, VALUES, max_size=5),
)


@given(st.lists(EVENTS, min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_whatever_is_stored_by_its_own_word_passes_check_and_is_brought_in(events: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample, into, config = folder / "sample.jsonl", folder / "into", folder / "into" / "tailrace.toml"
        sample.write_bytes(b"\n".join(json.dumps(event).encode() for event in events))
        status = main(["init", "--from", str(sample), "--into", str(into)], {})
        if status == 2:  # no event names a usable version, or is one at all
            assert not into.exists()
            return
        assert status == 0
        assert main(["check", "--config", str(config)], {}) == 0
        loaded = settings_load.load(str(config), {})
        trial = Trial(loaded, load(loaded), arrival_ms=0)
        found = [one for line in sample.read_bytes().splitlines() for one in trial(line)]
        broken = [reason["stage"] for one in found if one.verdict != STORED for reason in one.reasons]
        assert set(broken) <= {"contract", "parse"}  # such as a tenant that is no text: no schema can mend it
