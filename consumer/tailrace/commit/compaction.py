"""Small objects into big ones, as laws and a machine. Rule: what a reader sees changes with one swap of one item.

One item a table says how many compactions are committed; each has a file that says which objects it replaces and which
hold their rows from then on. A compaction is prepared, written and committed as a plan of a lane is: its names are
durable before anything of them is written, and every write needs the generation. Only then are the replaced objects
swept: an object without rows, of a higher generation, is put at each name, so that a writer who wakes up late finds a
later owner there. What was swept is noted before the next compaction begins. Every `FOLD_EVERY` of them, a file is made
of what all so far came to, and then named in the item: readers begin with it. It follows from what is committed, so
whoever makes it makes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from tailrace.commit.protocol import UNREAD, Lost, Read
from tailrace.commit.rules import Already, Refused

INPUTS_MAX = 300  # names of at most 300 bytes, each with its digest, fit in one item of DynamoDB
FOLD_EVERY = 32  # compactions that a reader may have to open one by one
COMPACTED = "compacted"
SWEPT = "swept"  # in the metadata of an object that stands where a replaced one stood


class Input(NamedTuple):
    """One committed object that a compaction replaces."""

    name: str
    rows: int
    bytes: int
    sha256: str
    chain: int
    generation: int  # it was committed under


class Work(NamedTuple):
    """One compaction, made durable before anything of it is written. All objects are of one folder."""

    chain: int
    generation: int
    inputs: tuple[Input, ...]  # none: what was planned could not be done, and the names hold no rows
    names: tuple[str, ...]  # every object it writes: the file that tells of it comes last


class TableItem(NamedTuple):
    """A table's item in the ledger."""

    generation: int = 0
    chain: int = 0  # compactions that are committed
    committed_generation: int = 0
    swept: int = 0  # compactions whose replaced objects are known to hold no rows any more
    plan: Work | None = None
    folded: int = 0  # compactions that one file tells of


class Next(NamedTuple):
    """Write this item."""

    item: TableItem


Law = Next | Already | Refused


def opening(item: TableItem) -> Law:
    """A compactor takes the table over: whoever opened earlier is refused from now on."""
    return Next(item._replace(generation=item.generation + 1))


def preparing(item: TableItem, generation: int, plan: Work) -> Law:
    """Inputs and names become durable."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.plan is not None:
        assert item.plan == plan, "nobody else writes under this generation"
        return Already()
    assert plan.chain == item.chain + 1, "a compaction follows what is committed"
    assert item.swept == item.chain, "what was replaced is swept before more is"
    return Next(item._replace(plan=plan))


def committing(item: TableItem, generation: int, chain: int) -> Law:
    """All names are written: from this swap on the outputs are read in place of the inputs."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.plan is None:
        assert (item.chain, item.committed_generation) == (chain, generation), "only our own commit clears our plan"
        return Already()
    assert item.plan.chain == chain, "only our own plan is open under our generation"
    return Next(item._replace(chain=chain, committed_generation=generation, plan=None))


def sweeping(item: TableItem, generation: int, chain: int) -> Law:
    """The objects that compactions up to `chain` replaced hold no rows any more."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.swept == chain:
        return Already()
    assert item.swept < chain <= item.chain, "only what is committed is swept"
    return Next(item._replace(swept=chain))


def folding(item: TableItem, generation: int, chain: int) -> Law:
    """A file tells of all compactions up to `chain`."""
    if item.generation != generation:
        return Refused("opened later by another")
    if item.folded == chain:
        return Already()
    assert item.folded < chain <= item.chain, "only what is committed is folded"
    return Next(item._replace(folded=chain))


Step = Literal["open", "rest", "prepare", "write", "commit", "sweep", "swept", "fold", "folded", "lost"]
RESTING: frozenset[Step] = frozenset({"rest", "lost"})


class Compactor(NamedTuple):
    """One process's hold on one table, and what it knows of the table's item."""

    step: Step = "open"
    generation: int = 0
    revision: int = UNREAD
    item: TableItem = TableItem()
    plan: Work | None = None  # the plan in hand
    why: str = ""
    fold_every: int = FOLD_EVERY


class Swap(NamedTuple):
    """Write the item if the revision still stands: None, or (revision, item) as they are."""

    expected: int
    item: TableItem


class Write(NamedTuple):
    """Bring every object of the plan to its name, or find a later owner's there: then the commit will be refused."""

    plan: Work


class Sweep(NamedTuple):
    """Put objects without rows in place of what these compactions replaced."""

    first: int
    last: int


class Fold(NamedTuple):
    """Make one file of what all compactions up to this one came to, where there is none."""

    chain: int


Effect = Read | Swap | Write | Sweep | Fold
Reply = tuple[int, TableItem] | None | Lost


def take(compactor: Compactor, draft: Work) -> Compactor:
    """Begin a compaction, or take the open one over, with its names. `draft` needs no chain or generation."""
    opened = compactor.item.plan
    if opened is None:
        plan = draft._replace(chain=compactor.item.chain + 1, generation=compactor.generation)
        return _judged(compactor._replace(step="prepare", plan=plan))
    # Nothing of that need stand in the ledger: the names are the same, and the file says what was done in the end.
    assert draft.inputs in {(), opened.inputs}, "inputs are chosen once, and then taken all or not at all"
    plan = opened._replace(generation=compactor.generation, inputs=draft.inputs)
    return compactor._replace(step="write", plan=plan)


def verdict(compactor: Compactor) -> Law:
    """Ask the law of the step about the item as it is known."""
    match compactor.step:
        case "open":
            return opening(compactor.item)
        case "prepare" if compactor.plan is not None:
            return preparing(compactor.item, compactor.generation, compactor.plan)
        case "commit" if compactor.plan is not None:
            return committing(compactor.item, compactor.generation, compactor.plan.chain)
        case "swept":
            return sweeping(compactor.item, compactor.generation, compactor.item.chain)
        case "folded":
            return folding(compactor.item, compactor.generation, compactor.item.chain)
    raise AssertionError(f"no law for {compactor.step}")


def effect(compactor: Compactor) -> Effect:
    """Name what must be done next. Only for one that is not resting."""
    if compactor.step == "write" and compactor.plan is not None:
        return Write(compactor.plan)
    if compactor.step == "sweep":
        return Sweep(compactor.item.swept + 1, compactor.item.chain)
    if compactor.step == "fold":
        return Fold(compactor.item.chain)
    if compactor.revision == UNREAD:
        return Read()
    judged = verdict(compactor)
    assert isinstance(judged, Next), judged  # `after` has seen to the others
    return Swap(compactor.revision, judged.item)


def after(compactor: Compactor, done: Effect, reply: Reply) -> Compactor:
    """Return the compactor as the reply leaves it."""
    if isinstance(reply, Lost):
        return compactor._replace(revision=UNREAD)
    if isinstance(done, Write):
        return _judged(compactor._replace(step="commit"))
    if isinstance(done, Sweep):
        return _judged(compactor._replace(step="swept"))
    if isinstance(done, Fold):
        return _judged(compactor._replace(step="folded"))
    if isinstance(done, Swap) and reply is None:
        return _granted(compactor._replace(revision=done.expected + 1, item=done.item))
    revision, item = reply if reply is not None else (0, TableItem())
    return _judged(compactor._replace(revision=revision, item=item))


def _judged(compactor: Compactor) -> Compactor:
    match verdict(compactor):
        case Next():
            return compactor
        case Already():
            return _granted(compactor)
        case Refused(why):
            return compactor._replace(step="lost", plan=None, why=why)


def _granted(compactor: Compactor) -> Compactor:
    match compactor.step:
        case "open":
            compactor = compactor._replace(generation=compactor.item.generation)
            return (
                compactor._replace(step="sweep") if compactor.item.swept < compactor.item.chain else _rested(compactor)
            )
        case "prepare":
            return compactor._replace(step="write")
        case "commit":
            return compactor._replace(step="sweep", plan=None)
        case "swept":
            return _rested(compactor)
        case "folded":
            return compactor._replace(step="rest")
    raise AssertionError(f"nothing is granted at {compactor.step}")


def _rested(compactor: Compactor) -> Compactor:
    due = compactor.item.chain - compactor.item.folded >= compactor.fold_every
    return compactor._replace(step="fold" if due else "rest")


def item_to_dict(item: TableItem) -> dict[str, Any]:
    """Return the item as plain values for a store."""
    out: dict[str, Any] = item._asdict()
    if item.plan is not None:
        out["plan"] = {
            **item.plan._asdict(),
            "inputs": [one._asdict() for one in item.plan.inputs],
            "names": list(item.plan.names),
        }
    return out


def item_from_dict(raw: Mapping[str, Any]) -> TableItem:
    """Read an item back. A member not known here is a TypeError: an older version must not act on it."""
    fields = dict(raw)
    if (plan := raw.get("plan")) is not None:
        inputs = tuple(Input(**one) for one in plan["inputs"])
        fields["plan"] = Work(**{**plan, "inputs": inputs, "names": tuple(plan["names"])})
    return TableItem(**fields)


def table_key(epoch: str, table: str) -> str:
    """Return the ledger key of a table's item."""
    return f"{tables_prefix(epoch)}{table}"


def tables_prefix(epoch: str) -> str:
    """Return what the keys of an epoch's tables begin with."""
    return f"compact/{epoch}/"


def file_name(epoch: str, table: str, chain: int) -> str:
    """Return the name of the file that tells of a compaction."""
    return f"_compactions/{epoch}/{table}/{chain:010d}.json"


def fold_name(epoch: str, table: str, chain: int) -> str:
    """Return the name of the file that tells of all compactions up to one."""
    return f"_compactions/{epoch}/{table}/upto-{chain:010d}.json.gz"


def output_name(epoch: str, folder: str, chain: int, suffix: str) -> str:
    """Return the name of an object that a compaction writes."""
    return f"{folder}/{epoch}-{COMPACTED}-{chain:010d}{suffix}"
