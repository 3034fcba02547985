"""What the commit protocol asks of the world. Rule: shapes only; whatever obeys them can be plugged in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol

from tailrace.commit.patience import Patience
from tailrace.commit.plan import CommitFacts, Plan
from tailrace.nouns import Rows

FORMATS_MAX = 2  # objects that one row may stand in


class Head(NamedTuple):
    """What is known of a stored object without reading it."""

    etag: str
    meta: Mapping[str, str]  # epoch, chain, generation as text
    length: int


class Body(Protocol):
    """The bytes of one object to be."""

    @property
    def length(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def rows(self) -> int: ...
    def open(self) -> BinaryIO: ...
    def close(self) -> None: ...


class Place(Protocol):
    """Where objects live: a bucket or a directory. Every call may raise WorldError or WorldDenied."""

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        """Store a new object; False when the name is taken."""

    def head(self, name: str) -> Head | None:
        """Say what stands under the name; None when nothing does."""

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        """Store over the object that has this etag; False when another stands there by now."""

    def read(self, name: str) -> bytes:
        """Return the object's bytes. FileNotFoundError when there is none."""

    def open(self, name: str) -> BinaryIO:
        """Open the object for random reads. FileNotFoundError when there is none."""

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (name, length) of every object below the prefix, in name order."""

    def sync(self) -> None:
        """Return when all that was stored would survive a power cut."""


class LedgerStore(Protocol):
    """Items under keys, each with a revision that rises by one with every write."""

    def read(self, key: str) -> tuple[int, dict[str, Any]] | None:
        """Return (revision, item) as it stands now, or None. Never a stale copy."""

    def swap(self, key: str, expected: int, item: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Write the item if the revision is still `expected` (0: no item yet).

        None: written, the revision is `expected + 1`. Otherwise what stands there now, untouched.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that starts with the prefix, in order."""


class Claims(Protocol):
    """Keys that belong to whoever asked first. An owner asks again as often as it likes: the key stays its own."""

    def claim(self, keys: Mapping[str, str], now_s: int, expires_s: int) -> Mapping[str, str]:
        """Ask for keys, each for an owner; return who owns each. Raises WorldError: the same may be asked again.

        A key whose time was over before `now_s` is free. One that is got, or was one's own, expires at `expires_s`.
        """


class Say(Protocol):
    """Told of everything that happens, for logs, metrics and tests."""

    def __call__(self, what: str, /, **facts: object) -> None: ...


class Filling(Protocol):
    """A batch's rows on their way into objects."""

    @property
    def rows(self) -> int: ...
    @property
    def objects(self) -> int: ...

    def opens(self, rows: Sequence[Rows]) -> int:
        """Return how many objects more these rows would need."""

    def add(self, rows: Sequence[Rows]) -> None:
        """Take rows in; full row groups are encoded at once."""

    def names(self, stem: str) -> tuple[str, ...]:
        """Return the names of the objects these rows need, sorted, without the commit file."""

    def seal(self, names: Sequence[str], facts: CommitFacts) -> dict[str, Body]:
        """Finish every object. Each of `names` gets a body (zero rows where nothing fills it), the commit file last."""

    def deltas(self) -> str:
        """Return what the plan must hold word for word, since it is applied once; "" where there is nothing."""

    def deliver(self, plan: Plan, patience: Patience) -> str:
        """Bring about what is no object, by the plan's deltas and after what it has sent already.

        Return the position up to which it is sent, to be called again with that noted; "" when all of it is done.
        Whoever owns the plan later may do it again: to apply deltas twice must be the same as once.
        """

    def drop(self) -> None:
        """Forget the rows and free what they held."""


class Sink(Protocol):
    """Where a lane's rows end."""

    def start(self) -> Filling:
        """Return a new, empty filling."""
