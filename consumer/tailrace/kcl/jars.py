"""The daemon's jars. Rule: no daemon starts from jars that are not, byte for byte, the ones that were tested.

They come by amazon_kclpy's own build, from Maven Central; a build that was cut short or throttled leaves some out
without a word. The committed table names each with its SHA-256; 33 MB take a tenth of a second.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

VERSION: Final = "3.1.3"
AGAIN: Final = f"fetch them again: pip install --force-reinstall --no-cache-dir amazon_kclpy=={VERSION}"
_NAMES_SHOWN: Final = 5


class JarsError(Exception):
    """A jar is missing or altered; one line that says which and what to do."""


def table() -> Mapping[str, str]:
    """Return the tested jars: name -> SHA-256 in hex."""
    lines = resources.files("tailrace.kcl").joinpath("jars.sha256").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def folder() -> Path:
    """Return where amazon_kclpy keeps its jars."""
    found = importlib.util.find_spec("amazon_kclpy")
    if found is None or not found.submodule_search_locations:
        raise JarsError(f"amazon_kclpy is not installed: pip install amazon_kclpy=={VERSION}")
    return Path(found.submodule_search_locations[0]) / "jars"


def check(where: Path, expected: Mapping[str, str]) -> int:
    """Compare the jars of a folder with the table and return how many there are. Raises JarsError.

    A jar too many is refused as well: the class path takes the whole folder.
    """
    there = {path.name: path for path in where.glob("*.jar")} if where.is_dir() else {}
    missing = sorted(expected.keys() - there.keys())
    strange = sorted(there.keys() - expected.keys())
    altered = sorted(name for name, digest in expected.items() if name in there and _sha256(there[name]) != digest)
    wrong = [
        f"{what}: {_listed(names)}"
        for what, names in (("missing", missing), ("altered", altered), ("unknown", strange))
        if names
    ]
    if wrong:
        raise JarsError(f"the KCL jars in {where} are not the tested ones ({'; '.join(wrong)}); {AGAIN}")
    return len(there)


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
