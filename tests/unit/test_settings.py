"""The settings' laws: what is unknown or unusable is refused by name and place, and the reference tells the truth."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.settings import Settings, SettingsError, Stream, dump, load_resolved
from tailrace.settings_checks import CHECKS
from tailrace.settings_load import SECTIONS, load

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "properties" / "reference.toml"
KEYS = [(section, key) for section, kind in SECTIONS.items() for key in get_type_hints(kind)]


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "t.toml"
    path.write_text(text)
    return str(path)


def refusal(path: str | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_and_variables_the_defaults_hold() -> None:
    assert load(None, {"PATH": "/bin"}) == Settings()


def test_the_reference_has_every_key_with_its_default_and_no_other() -> None:
    document = tomllib.loads(REFERENCE.read_text())
    assert [(section, key) for section, table in document.items() for key in table] == KEYS
    assert load(str(REFERENCE), {}) == Settings()


def test_every_key_of_the_reference_has_a_comment() -> None:
    commented, bare = False, []
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("#"):
            commented = True
        elif not line.strip() or line.startswith("["):
            commented = False
        elif not commented and "#" not in line:
            bare.append(line)
    # Keys that go together share the comment above the first.
    assert bare == []


def test_the_short_file_loads() -> None:
    assert load(str(ROOT / "properties" / "tailrace.toml"), {}).kcl.application == "tailrace"


def test_a_file_wins_over_the_defaults_and_a_variable_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[stream]\nname = "a"\nregion = "eu-west-1"\n')
    assert load(path, {"TAILRACE_STREAM_NAME": "b"}).stream == Stream(name="b", region="eu-west-1")


def test_variables_become_what_their_key_is() -> None:
    settings = load(
        None,
        {
            "TAILRACE_FLUSH_ROWS": " 7 ",
            "TAILRACE_FLUSH_AGE_S": "0.5",
            "TAILRACE_KCL_QUICK_START": "true",
            "TAILRACE_CONTRACT_TENANT": "a, meta.tenant",
            "TAILRACE_CONTRACT_BATCH": "",
            "TAILRACE_LAKE_CODEC": "snappy",
        },
    )
    assert (settings.flush.rows, settings.flush.age_s, settings.kcl.quick_start) == (7, 0.5, True)
    assert (settings.contract.tenant, settings.contract.batch) == (("a", "meta.tenant"), ())
    assert settings.lake.codec == "snappy"


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_a_variable_too(section: str, key: str) -> None:
    default = getattr(getattr(Settings(), section), key)
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    assert load(None, {f"TAILRACE_{section}_{key}".upper(): text}) == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[flsh]\nrows = 1", "[flsh] is no section (did you mean [flush]?)"),
        ("[flush]\nrowz = 1", "[flush] rowz is no setting (did you mean rows?)"),
        ("[flush]\nqqq = 1", "[flush] qqq is no setting"),
        ("flush = 1", "[flush]: expected a section, found 1"),
        ('[flush]\nrows = "many"', '[flush] rows: expected a whole number, found "many"'),
        ("[flush]\nrows = true", "[flush] rows: expected a whole number, found true"),
        ("[flush]\nrows = 0", "[flush] rows: expected at least 1, found 0"),
        ("[flush]\nage_s = nan", "[flush] age_s: expected more than 0, found nan"),
        ("[stream]\nname = 5", "[stream] name: expected text, found 5"),
        ('[stream]\nstart = "LATEST"', "[stream] start: expected TRIM_HORIZON, now, or a time with its zone"),
        ('[stream]\nstart = "2026-01-01T00:00:00"', "[stream] start: expected TRIM_HORIZON, now, or a time with"),
        ('[lake]\ncodec = "lzo"', '[lake] codec: expected one of "zstd", "snappy", "gzip", "none", found "lzo"'),
        ('[lake]\ncodec = "gzip"\ncodec_level = 12', "[lake] codec_level: expected 1 to 9 with codec gzip, found 12"),
        (
            '[lake]\nkms_key = "k"\nencryption = "AES256"',
            '[lake] kms_key: expected [lake] encryption aws:kms with it, found "AES256"',
        ),
        (
            '[lake]\nuri = "lake"\nencryption = "AES256"',
            "[lake] encryption: S3 alone encrypts, but [lake] uri is lake: expected nothing",
        ),
        ('[lake]\nuri = "gs://bucket"', '[lake] uri: expected s3://bucket/prefix or a directory, found "gs://bucket"'),
        ("[kcl]\nquick_start = 1", "[kcl] quick_start: expected true or false, found 1"),
        ("[kcl]\nidle_ms = 100", "[kcl] idle_ms: expected at least 200, found 100"),
        ("[serve]\nport = 70000", "[serve] port: expected 0 to 65535, found 70000"),
        ('[contract]\ntenant = "a"', '[contract] tenant: expected a list of text, found "a"'),
        ('[contract]\ntenant = ["a..b"]', "[contract] tenant: expected dotted paths without empty parts"),
        (
            '[privacy]\npseudonyms = ["email "]',
            "[privacy] pseudonyms: expected dotted paths without empty parts, or spaces",
        ),
        ("[contract]\nevent_type = []", "[contract] event_type: expected one dotted path or more, found []"),
        ('[aws]\ns3_endpoint = "localhost:1"', "[aws] s3_endpoint: expected http://host:port or https://host"),
        ("[flush\n", "no TOML: "),
    ],
)
def test_a_file_with_a_fault_is_refused_by_name_and_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    assert refusal(path).startswith(f"{path}: {sentence}")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "TAILRACE_FLUSH_ROWZ",
            "1",
            "TAILRACE_FLUSH_ROWZ (a variable) is no setting (did you mean TAILRACE_FLUSH_ROWS?)",
        ),
        ("TAILRACE_FLUSH_ROWS", "many", 'TAILRACE_FLUSH_ROWS: expected a whole number, found "many"'),
        ("TAILRACE_FLUSH_ROWS", "-1", "TAILRACE_FLUSH_ROWS: expected at least 1, found -1"),
        ("TAILRACE_KCL_QUICK_START", "maybe", 'TAILRACE_KCL_QUICK_START: expected true or false, found "maybe"'),
    ],
)
def test_a_variable_with_a_fault_is_refused_by_name(name: str, text: str, sentence: str) -> None:
    assert refusal(None, {name: text}) == sentence


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "no.toml")) == f"{tmp_path}/no.toml: no such file or directory"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(b"\xff\xfe")
    assert refusal(str(path)).startswith(f"{path}: no TOML: ")


def test_a_value_below_the_processes_is_the_same_value(tmp_path: Path) -> None:
    settings = load(None, {"TAILRACE_LAKE_URI": "s3://lake/ü", "TAILRACE_CONTRACT_TENANT": "a,b"})
    path = tmp_path / "settings.json"
    path.write_bytes(dump(settings))
    assert load_resolved(str(path)) == settings


def test_every_check_names_a_key() -> None:
    assert {tuple(name.split(".")) for name in CHECKS} <= set(KEYS)


def test_every_number_and_every_text_that_names_something_is_checked() -> None:
    free = {("stream", "retrieval"), ("kcl", "java"), ("kcl", "run_dir"), ("kcl", "quick_start")}
    free |= {("contract", "unknown_types"), ("lake", "codec"), ("lake", "avro_codec"), ("lake", "tenant_partition")}
    free |= {("lake", "raw")}
    free |= {("verdicts", "lenient"), ("verdicts", "drop"), ("dedup", "by"), ("privacy", "anonymise_ip")}
    free |= {("enrich", key) for key in ("steps", "referers", "geo", "tenants")}
    free |= {("privacy", "keys"), ("privacy", "key"), ("routes", "json"), ("lake", "encryption"), ("lake", "kms_key")}
    free |= {("logs", "format"), ("logs", "level")}
    free |= {("csv", key) for key in ("encoding", "header", "others", "required", "nulls")}
    assert set(KEYS) - {tuple(name.split(".")) for name in CHECKS} == free


@given(st.sampled_from(KEYS), st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none()))
def test_whatever_a_variable_says_the_answer_is_settings_or_one_sentence(key: tuple[str, str], value: object) -> None:
    name = f"TAILRACE_{key[0]}_{key[1]}".upper()
    try:
        load(None, {name: str(value)})
    except SettingsError as error:
        refused = str(error)
    else:
        refused = ""
    assert refused == "" or (refused.startswith(name) and "\n" not in refused)
