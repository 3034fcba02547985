"""The folder of one run. Rule: no path that KCL or a socket gets holds a blank or is too long.

KCL splits the child's command at blanks, without quoting, and a unix socket's path ends at 107 bytes: where a path
will not do, a link in the temporary folder stands for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

from tailrace.kcl.properties import Place

PATH_CHARS_MAX: Final = 90
COPY: Final = "edition.copy"
_OURS: Final = (
    "metrics",
    "settings.json",
    "daemon.properties",
    "logback.xml",
    "log.sock",
    "lock",
    "pid",
    "python",
    COPY,
)


def edition_copy(settings: Path) -> Path:
    """Return where the copy of the last sound edition stands, beside the children's settings."""
    return settings.with_name(COPY)


class RunDirBusyError(Exception):
    """Another supervisor uses the folder."""


class RunDir:
    """The folder, emptied and locked. `close` removes what was made."""

    def __init__(self, wanted: str) -> None:
        self._links: list[Path] = []
        self._temporary = not wanted
        folder = Path(wanted).absolute() if wanted else Path(tempfile.mkdtemp(prefix="tailrace-"))
        folder.mkdir(parents=True, exist_ok=True)
        self.path = self._safe(folder)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise RunDirBusyError(f"[kcl] run_dir: another tailrace consume runs in {folder}") from None
        self._empty()
        self.metrics = self.path / "metrics"
        self.metrics.mkdir()
        self.settings = self.path / "settings.json"
        self.properties = self.path / "daemon.properties"
        self.logback = self.path / "logback.xml"
        self.socket = self.path / "log.sock"
        (self.path / "pid").write_text(f"{os.getpid()}\n", encoding="ascii")

    def place(self) -> Place:
        """Return the paths that stand in the child's command line."""
        return Place(str(self._safe_python(Path(sys.executable))), str(self.settings))

    def write(self, settings: bytes, properties: str) -> None:
        """Write what the daemon and the children read."""
        self.settings.write_bytes(settings)
        self.settings.chmod(0o600)  # endpoints and names: nobody else's business
        self.properties.write_text(properties, encoding="ascii")
        self.logback.write_bytes(resources.files("tailrace.kcl").joinpath("logback.xml").read_bytes())

    def close(self) -> None:
        """Remove the links, and the folder when it was made for this run."""
        self._empty()
        if self._temporary:
            shutil.rmtree(self.path.resolve(), ignore_errors=True)
        os.close(self._lock)
        for link in self._links:
            link.unlink(missing_ok=True)
            link.parent.rmdir()

    def _empty(self) -> None:
        for name in _OURS:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif name != "lock":
                path.unlink(missing_ok=True)
        for half in self.path.glob(f"{COPY}.*"):  # of a child that died while it wrote
            half.unlink(missing_ok=True)

    def _safe(self, folder: Path) -> Path:
        """Return the folder, or a link to it that KCL can be told."""
        text = str(folder)
        if len(text) <= PATH_CHARS_MAX and not any(char.isspace() for char in text) and text.isascii():
            return folder
        link = Path(tempfile.mkdtemp(prefix="tailrace-link-")) / folder.name.translate(_PLAIN)[:20]
        link.symlink_to(folder, target_is_directory=True)
        self._links.append(link)
        return link

    def _safe_python(self, python: Path) -> Path:
        """Return the interpreter's path. The whole environment is linked: Python finds `pyvenv.cfg` beside `bin`."""
        if not any(char.isspace() for char in str(python)) and str(python).isascii():
            return python
        return self._safe_blank(python.parent.parent) / python.parent.name / python.name

    def _safe_blank(self, folder: Path) -> Path:
        link = Path(tempfile.mkdtemp(prefix="tailrace-link-")) / "python"
        link.symlink_to(folder, target_is_directory=True)
        self._links.append(link)
        return link


_PLAIN: Final = {code: "_" for code in range(256) if not (chr(code).isascii() and chr(code).isalnum())}
