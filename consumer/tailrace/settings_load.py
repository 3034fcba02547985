"""How settings are read. Rule: nothing else reads the environment or the settings file.

Order: the defaults, then `properties/tailrace.toml` (or --config), then `TAILRACE_<SECTION>_<KEY>` variables.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from tailrace.settings import Section, Settings, SettingsError
from tailrace.settings_checks import CHECKS

PREFIX = "TAILRACE_"
SECTIONS: Mapping[str, type[Section]] = get_type_hints(Settings)


def load(path: str | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file (None: the defaults) with the variables of `environ` laid over them.

    Raises SettingsError for a file that cannot be read, and for anything unknown or unusable in it or in `environ`.
    """
    found: dict[str, dict[str, object]] = {}
    sources: dict[tuple[str, str], str] = {}
    for section, key, value in _file_values(path) if path else ():
        found.setdefault(section, {})[key] = _typed(f"{path}: [{section}] {key}", SECTIONS[section], key, value)
        sources[section, key] = f"{path}: [{section}] {key}"
    for name, section, key, text in _variables(environ):
        value = _typed(name, SECTIONS[section], key, _from_text(_hints(SECTIONS[section])[key], text))
        found.setdefault(section, {})[key] = value
        sources[section, key] = name
    settings = Settings(**{name: SECTIONS[name](**keys) for name, keys in found.items()})  # type: ignore[arg-type]
    _check(settings, sources)
    return settings


def _hints(section: type[Section]) -> dict[str, Any]:
    return get_type_hints(section)


def _file_values(path: str) -> list[tuple[str, str, object]]:
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: no TOML: {error}") from None
    values = []
    for section, table in document.items():
        if section not in SECTIONS:
            raise SettingsError(f"{path}: [{section}] is no section{_nearest(section, SECTIONS, '[{}]')}")
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: [{section}]: expected a section, found {_shown(table)}")
        for key, value in table.items():
            if key not in _hints(SECTIONS[section]):
                near = _nearest(key, _hints(SECTIONS[section]))
                raise SettingsError(f"{path}: [{section}] {key} is no setting{near}")
            values.append((section, key, value))
    return values


def _variables(environ: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    known = {
        f"{PREFIX}{section}_{key}".upper(): (section, key) for section, kind in SECTIONS.items() for key in _hints(kind)
    }
    values = []
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise SettingsError(f"{name} (a variable) is no setting{_nearest(name, known)}")
        values.append((name, *known[name], environ[name]))
    return values


def _nearest(word: str, known: Mapping[str, object], form: str = "{}") -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {form.format(close[0])}?)" if close else ""


def _from_text(kind: Any, text: str) -> object:
    """Return what a variable's text stands for; text that does not fit is left for the type check to refuse."""
    text = text.strip()
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",")] if text else []
    if kind is bool:
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text


def _typed(where: str, section: type[Section], key: str, value: object) -> object:
    kind = _hints(section)[key]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise SettingsError(f"{where}: expected {_expected(kind)}, found {_shown(value)}") from None


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(_shown(choice) for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return "a list of text"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool | list | tuple) else str(value)


def _check(settings: Settings, sources: Mapping[tuple[str, str], str]) -> None:
    for name, (good, expected) in CHECKS.items():
        section, key = name.split(".")
        value = getattr(getattr(settings, section), key)
        if not good(value):
            where = sources.get((section, key), f"[{section}] {key}")
            raise SettingsError(f"{where}: expected {expected}, found {_shown(value)}")
    if settings.lake.codec == "gzip" and settings.lake.codec_level > 9:  # gzip's own bound
        where = sources.get(("lake", "codec_level"), "[lake] codec_level")
        raise SettingsError(f"{where}: expected 1 to 9 with codec gzip, found {settings.lake.codec_level}")
    if settings.lake.kms_key and settings.lake.encryption != "aws:kms":
        where = sources.get(("lake", "kms_key"), "[lake] kms_key")
        raise SettingsError(
            f"{where}: expected [lake] encryption aws:kms with it, found {_shown(settings.lake.encryption)}"
        )
    if settings.lake.encryption and settings.lake.uri and not settings.lake.uri.startswith("s3://"):
        where = sources.get(("lake", "encryption"), "[lake] encryption")
        raise SettingsError(f"{where}: S3 alone encrypts, but [lake] uri is {settings.lake.uri}: expected nothing")
