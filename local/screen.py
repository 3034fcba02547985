"""What the demo says. Rule: the same words with and without a terminal; only the moving line needs one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

PLAIN_EVERY_S = 3.0  # between two lines of progress where none can move
WIDTH_PLAIN = 110


class Screen:
    """Says what happens, with the seconds since it began."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        self._console = console if console.is_terminal else Console(highlight=False, width=WIDTH_PLAIN)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the screen was made."""
        return time.monotonic() - self._began

    def phase(self, title: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.print(f"[bold]{escape(title)}[/bold] [dim]({self.seconds:.0f} s)[/dim]")

    def say(self, text: str) -> None:
        """Say one thing."""
        self._console.print("  " + escape(text), soft_wrap=True)

    def good(self, text: str) -> None:
        """Say that something holds."""
        self._console.print("  [green]" + escape(text) + "[/green]", soft_wrap=True)

    def bad(self, text: str) -> None:
        """Say that something does not."""
        self._console.print("  [red]" + escape(text) + "[/red]", soft_wrap=True)

    def quote(self, text: str) -> None:
        """Show what another program said."""
        for line in text.splitlines():
            self._console.print("    " + escape(line), style="dim", soft_wrap=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
        """Show a table; the columns in `right` hold numbers."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for at, head in enumerate(heads):
            table.add_column(escape(head), justify="right" if at in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._console.print(_Indented(table))

    def progress(self) -> Progress:
        """Return a line that moves, or one that is said again every few seconds."""
        return Progress(self._console)


class Progress:
    """What is going on right now."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=5, transient=True) if console.is_terminal else None
        self._said = ""
        self._at = float("-inf")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, lines: Sequence[str], plain: str) -> None:
        """Show the lines in place of the last ones; without a terminal the plain one, not too often, never twice."""
        if self._live:
            self._live.update(Text("\n".join("  " + line for line in lines)))
        elif plain != self._said and time.monotonic() - self._at >= PLAIN_EVERY_S:
            self._console.print(Text("  " + plain), soft_wrap=True)
            self._said, self._at = plain, time.monotonic()


class _Indented:
    """A renderable two columns to the right."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich__(self) -> Table:
        outer = Table.grid(padding=(0, 0, 0, 2))
        outer.add_row("", self._table)
        return outer
