"""How far a long command is. Rule: on stderr; one line written over on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time

BAR = 24
TERMINAL_S, ELSEWHERE_S = 0.1, 5.0


class Progress:
    """Bytes done of bytes to do."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self.since = time.monotonic()
        self._total = max(total, 1)
        self._quiet = quiet
        self._done = 0
        self._file = ""
        self._terminal = sys.stderr.isatty()
        self._told = self.since

    def file(self, name: str) -> None:
        """Name the file in hand."""
        self._file = name.rpartition("/")[2]

    def step(self, done: int, text: str) -> None:
        """So many bytes more are done."""
        self._done += done
        now = time.monotonic()
        if self._quiet or now - self._told < (TERMINAL_S if self._terminal else ELSEWHERE_S):
            return
        self._told = now
        share = min(self._done / self._total, 1.0)
        bar = "#" * int(BAR * share)
        line = f"[{bar:<{BAR}}] {share:4.0%}  {text}  {self._file}"
        print(
            f"\r\x1b[K{line}" if self._terminal else line,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def say(self, text: str) -> None:
        """Print a line of its own."""
        print(f"\r\x1b[K{text}" if self._terminal else text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        if self._terminal and not self._quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
