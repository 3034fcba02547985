"""`tailrace redrive`: what was rejected, mended and sent. Rule: nothing goes out without --send, nor what would fail.

Every event is tried first against the schemas as they stand. What is sent carries the row_id of its reject, so that
it is stored once, however often it is sent; the quarantine keeps its row. Run again, it sends what it has not sent.

Exit status: 0 done, 1 nothing chosen or not all was taken; else it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, Self

from tailrace.cli import masking
from tailrace.cli.quarantine import Kind
from tailrace.cli.selection import Chosen, add_filters
from tailrace.commit.claims import LedgerClaims
from tailrace.commit.redrives import SENT
from tailrace.edition import load
from tailrace.nouns import Identity, Redriven
from tailrace.ops import aws
from tailrace.ops.clock import Clock, SystemClock
from tailrace.rows import mending
from tailrace.rows.duplicates import redriven_key
from tailrace.rows.pipeline import Pipeline
from tailrace.rows.redriven import wrap
from tailrace.settings import MIB, Settings, SettingsError
from tailrace.sinks.lake.rejects import Reject
from tailrace.world import WorldDenied, WorldError
from tailrace_producer.aggregate import UserRecord
from tailrace_producer.put import Putter

NAME = "redrive"
HELP = "Mend what was rejected and send it again (dead letters: `tailrace dead`)."
GROUP = "mend"
BATCH: Final = 500  # events tried, noted and sent together
BATCH_BYTES: Final = 8 * MIB
RATE: Final = 500.0  # events a second
RECORD_BYTES_MAX: Final = MIB  # Kinesis: data and partition key
KINDS_SHOWN: Final = 10
_OURS: Final = re.compile(r"[0-9a-f]{32}(/\d{1,9})?")  # a mark that somebody else made up may be anything
TOLD_EVERY_S: Final = 5.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_filters(parser, pending=False)
    parser.add_argument("--patch", metavar="FILE", help="a JSON Patch (RFC 6902), applied to each event")
    parser.add_argument("--send", action="store_true", help="send what would be stored; without it nothing is written")
    parser.add_argument("--out", metavar="FILE", help="send into a new file, for `backfill`, in place of the stream")
    parser.add_argument(
        "--rate", type=_rate, default=RATE, metavar="N", help="events sent a second (default: %(default)g)"
    )
    parser.add_argument("--again", action="store_true", help="also what was sent before")
    parser.add_argument("--json", action="store_true", help="print the sums as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Try, and send if that was said; return the exit status."""
    settings: Settings = args.settings
    patch = _patch(args.patch)
    _whither(args, settings)
    chosen, clock = Chosen(args), SystemClock()
    edition = load(settings)
    pipeline = Pipeline(
        settings.contract, edition.book, settings.limits, Identity("redrive", "-", "-"), edition.treatment
    )
    with ExitStack() as opened:
        target = opened.enter_context(_target(args)) if args.send else None
        work = Work(chosen, pipeline, patch, target, clock, again=args.again)
        try:
            work.run(chosen, args.rate)
        except (KeyboardInterrupt, WorldError, WorldDenied):
            print(f"tailrace: cut off: {work.progress()}; run again, it goes on", file=sys.stderr)
            raise
    print(json.dumps(work.plain()) if args.json else work.text(send=args.send))
    if work.trouble:
        print(f"tailrace: not all was taken: {work.trouble}", file=sys.stderr)
    return 1 if work.trouble or not work.found or not chosen.whole else 0


def _whither(args: argparse.Namespace, settings: Settings) -> None:
    """Raises SettingsError where it could be sent nowhere; warns of a way back that is not the way it came."""
    if not args.send:
        return
    if args.files and not args.out:
        raise SettingsError("what `backfill` rejected goes back through a file: add --out FILE, then `backfill` it")
    if args.drops and not args.out:
        raise SettingsError("what `drops` rejected goes back through a file: add --out FILE, then drop it")
    if not args.out and not settings.stream.name:
        raise SettingsError("there is no stream to send to: name one ([stream] name), or a file (--out FILE)")
    if args.out and not (args.files or args.drops):
        said = "these came by the stream, and a backfill cannot know which of them the consumer has stored since"
        print(f"tailrace: {said}: without --out they go back by the stream, each once", file=sys.stderr)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e6:
        raise argparse.ArgumentTypeError(f"found {text}, expected events a second, more than none")
    return rate


def _patch(file: str | None) -> mending.Patch | None:
    if file is None:
        return None
    try:
        return mending.Patch(Path(file).read_bytes())
    except OSError as error:
        raise SettingsError(f"--patch {file}: {error.strerror}") from None
    except mending.NoPatch as error:
        raise SettingsError(f"--patch {file}: {error}") from None


def batches(rejects: Iterable[Reject], rows_max: int, bytes_max: int) -> Iterator[list[Reject]]:
    """Yield rejects some hundreds at a time, fewer where they are large."""
    batch, size = list[Reject](), 0
    for one in rejects:
        if batch and (len(batch) >= rows_max or size + len(one.raw) > bytes_max):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.raw)
    if batch:
        yield batch


class Ready(NamedTuple):
    """A mended event as it would go out."""

    row_id: str  # of the reject in hand
    key: str  # partition key: all that was ever sent for one reject comes to one shard, in order
    data: bytes
    again: str = ""  # the mark, where the reject in hand had been sent again itself


# ---- where it goes


class Target(Protocol):
    """Where mended events go."""

    def send(self, events: list[Ready]) -> tuple[list[str], str]:
        """Return the row_ids of what was taken, and why the rest was not."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def _target(args: argparse.Namespace) -> Target:
    return Lines(args.out) if args.out else Stream.of(args.settings)


class Stream:
    """The stream that events come from."""

    def __init__(self, putter: Putter) -> None:
        self._putter = putter

    @classmethod
    def of(cls, settings: Settings) -> Stream:
        """Return the stream of the settings."""
        client: Any = aws.client("kinesis", region=settings.stream.region, endpoint=settings.aws.kinesis_endpoint)
        return cls(Putter(client, settings.stream.name, rng=random.Random()))  # noqa: S311 - only spreads retries

    def send(self, events: list[Ready]) -> tuple[list[str], str]:
        results = self._putter.put([UserRecord(one.key, one.data) for one in events])
        failed = [result.attempts[-1] for result in results if not result.success]
        taken = [one.row_id for one, result in zip(events, results, strict=True) if result.success]
        return taken, f"{len(failed):,} events: {failed[0].code}: {failed[0].message}" if failed else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""


class Lines:
    """A new file of JSON lines, for `backfill`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def send(self, events: list[Ready]) -> tuple[list[str], str]:
        assert self._file is not None
        self._file.writelines(one.data + b"\n" for one in events)
        self._file.flush()
        os.fsync(self._file.fileno())
        return [one.row_id for one in events], ""

    def __enter__(self) -> Self:
        try:
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            raise SettingsError(f"--out {self._path}: {error.strerror}; expected the name of a new file") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            empty = not self._file.tell()
            self._file.close()
            if empty:
                Path(self._path).unlink()


# ---- the work


class Work:
    """What becomes of the chosen rejects, added up."""

    def __init__(
        self,
        chosen: Chosen,
        pipeline: Pipeline,
        patch: mending.Patch | None,
        target: Target | None,
        clock: Clock,
        *,
        again: bool = False,
    ) -> None:
        self._redrives, self._pipeline, self._patch = chosen.redrives, pipeline, patch
        self._epoch, self._claims = chosen.epoch, LedgerClaims(chosen.ledger)
        self._target, self._clock, self._again = target, clock, again
        self._told = clock.monotonic()
        self.counts: Counter[str] = Counter()
        self.tables: Counter[str] = Counter()
        self.kinds: Counter[Kind] = Counter()
        self.misfits: Counter[str] = Counter()
        self.trouble = ""

    @property
    def found(self) -> int:
        """How many rejects were chosen."""
        return self.counts["found"]

    def run(self, rejects: Iterable[Reject], rate: float) -> None:
        """Go through all of them, at most so many events a second, until something is not taken."""
        clock = self._clock
        for batch in batches(rejects, max(1, min(BATCH, int(rate))), BATCH_BYTES):
            began = clock.monotonic()
            sent = self.batch(batch)
            if self.trouble:
                return
            early = began + sent / rate - clock.monotonic()
            if early > 0:
                clock.sleep(early)

    def batch(self, rejects: list[Reject]) -> int:
        """Try a batch, and send what would be stored; return how many events were sent."""
        self.counts["found"] += len(rejects)
        ready = [event for one in rejects if (event := self._ready(one)) is not None]
        good = self._good(ready)
        sent = 0
        if self._target is not None and good:
            self._release(good)
            key = self._redrives.sending([one.row_id for one in good], self._clock.now_ms())
            taken, self.trouble = self._target.send(good)
            self._redrives.sent(key, taken, self._clock.now_ms())
            sent = len(taken)
            self.counts["sent"] += sent
        self._tell()
        return sent

    def _release(self, events: list[Ready]) -> None:
        """Free the marks of events that were sent before and rejected again, if they hold them.

        A mark may belong to a row that was to be stored when a child died, and was rejected after all: by the next
        schema, or since it kills children. That row stands in quarantine; so nothing of the mark is in the lake.
        """
        for one in events:
            if one.again:
                self._claims.release(redriven_key(self._epoch, one.again), one.row_id)

    def _ready(self, one: Reject) -> Ready | None:
        if self._redrives.state(one.row_id) == SENT:
            self.counts["before"] += 1
            if not self._again:
                return None
        raw = one.raw
        if self._patch is not None:
            try:
                raw = self._patch(raw)
            except mending.NotPatched as why:
                self.counts["no_json" if isinstance(why, mending.NoJson) else "misfit"] += 1
                if isinstance(why, mending.Misfit):
                    self.misfits[str(why)] += 1  # as many as the patch has operations, twice
                return None
        first = one.redrive_of or one.row_id
        data = wrap(Redriven(first, one.event_id or one.row_id), raw)
        key = first if _OURS.fullmatch(first) else blake2b(first.encode(), digest_size=16).hexdigest()
        if len(data) + len(key) > RECORD_BYTES_MAX:
            self.counts["too_large"] += 1
            return None
        return Ready(one.row_id, key, data, one.redrive_of or "")

    def _good(self, ready: list[Ready]) -> list[Ready]:
        fates = mending.tried(self._pipeline, [one.data for one in ready], self._clock.now_ms())
        for tried in fates:
            self.counts[tried.fate] += 1
            if tried.fate == mending.STORED:
                self.tables[tried.table] += 1
            elif tried.fate == mending.REJECTED:
                self._count(Kind.of(tried.event_type, tried.reasons[0]))
        return [one for one, tried in zip(ready, fates, strict=True) if tried.fate == mending.STORED]

    def _count(self, kind: Kind) -> None:
        if kind in self.kinds or len(self.kinds) < BATCH:
            self.kinds[kind] += 1

    def _tell(self) -> None:
        now = self._clock.monotonic()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            print(self.progress(), file=sys.stderr, flush=True)

    def progress(self) -> str:
        """Return how far it is."""
        return f"{self.found:,} rejects looked at" + f", {self.counts['sent']:,} sent" * (self._target is not None)

    def plain(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        names = (
            "found",
            "before",
            mending.STORED,
            mending.REJECTED,
            mending.FILTERED,
            *(name for name, _ in _REST),
            "sent",
        )
        kinds = [kind._asdict() | {"count": count} for kind, count in self.kinds.most_common()]
        more = {"tables": dict(self.tables), "reasons": kinds, "misfits": dict(self.misfits)}
        return {name: self.counts[name] for name in names} | more

    def text(self, *, send: bool) -> str:
        """Return the sums for a person."""
        counts = self.counts
        if not self.found:
            return "No rejects found."
        before, good = counts["before"], counts[mending.STORED]
        lines = [f"{self.found:,} reject{'s' * (self.found != 1)}"]
        if before and self._again:
            lines.append(f"{before:>9,} were sent before, and are tried once more")
        elif before:
            lines.append(f"{before:>9,} were sent before (--again sends them once more)")
        if self._again or before < self.found:
            tables = ", ".join(f"{name} {count:,}" for name, count in self.tables.most_common())
            lines.append(f"{good:>9,} would be stored    {tables}".rstrip())
            lines.append(f"{counts[mending.REJECTED]:>9,} would be rejected again")
        lines += [f"{count:>18,} {_kind(kind)}" for kind, count in self.kinds.most_common(KINDS_SHOWN)]
        for name, said in ((mending.FILTERED, "would be filtered"), *_REST):
            lines += [f"{counts[name]:>9,} {said}"] * bool(counts[name])
            if name == "misfit":
                lines += [f"{count:>18,} {what}" for what, count in self.misfits.most_common(KINDS_SHOWN)]
        if send:
            return "\n".join([*lines, f"{counts['sent']:,} sent."])
        return "\n".join([*lines, f"Nothing was sent; --send sends the {good:,}." if good else "Nothing to send."])


def _kind(kind: Kind) -> str:
    return masking.line(f"{kind.event_type}  {kind.stage}/{kind.keyword} {kind.path}: {kind.message}")


_REST: Final = (
    ("no_json", "not patchable: no JSON"),
    ("misfit", "not patchable: the patch does not fit"),
    (mending.SEVERAL, "not sent: several events in one reject"),
    ("too_large", f"not sent: too large for a record of {RECORD_BYTES_MAX:,} bytes"),
)
