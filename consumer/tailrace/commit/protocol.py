"""The exactly-once protocol as two pure machines. Rule: what to do follows from the state alone; nothing here acts.

`Owner` is one child's hold on one lane. `Upload` is one object on its way to its name. A driver performs the effect
that `effect` names and hands the reply to `after`; the model in the tests drives the same functions through every
interleaving of a small world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tailrace.commit import rules
from tailrace.commit.plan import Item, Plan, Since
from tailrace.commit.rules import Already, Next, Refused, Verdict
from tailrace.nouns import START, told

UNREAD = -1

Step = Literal[
    "open",
    "fill",
    "prepare",
    "take_over",
    "write",
    "advance",
    "commit",
    "skip",
    "suspect",
    "leave",
    "stop",
    "lost",
    "stopped",
    "gone",
]
RESTING: frozenset[Step] = frozenset({"fill", "lost", "stopped", "gone"})


class Owner(NamedTuple):
    """One child's hold on one lane, and what it knows of the lane's item."""

    step: Step = "open"
    generation: int = 0
    revision: int = UNREAD
    item: Item = Item()
    plan: Plan | None = None  # the plan in hand
    span: tuple[str, ...] = ()  # the first and last of the records in hand, in careful mode
    why: str = ""
    start: str = START  # where a lane begins that has no item yet; where one goes on that skips


class Read(NamedTuple):
    """Read the lane's item: (revision, item) or None."""


class Swap(NamedTuple):
    """Write the item if the revision still stands: None, or (revision, item) as they are."""

    expected: int
    item: Item


class Write(NamedTuple):
    """Bring about what the plan says: every object at its name, or a later owner's there (then the commit is refused).

    What takes long may be done in pieces.
    """

    plan: Plan


class Sent(NamedTuple):
    """A piece is done: all messages up to this position are sent."""

    upto: str


class Lost(NamedTuple):
    """The reply did not come: it may have happened or not."""


Effect = Read | Swap | Write
Reply = tuple[int, Item] | None | Lost | Sent


def cut(owner: Owner, draft: Plan) -> Owner:
    """A batch is full: make its plan, or take the open one over with its own names added.

    `draft` needs no chain or generation. A replay that is not the open plan's cut stops the shard; where a person
    accepted it, the plan still ends where it was planned, so that what is lost lies within its range.
    """
    item = owner.item
    if item.plan is None:
        plan = draft._replace(chain=item.chain + 1, generation=owner.generation)
        return _judged(owner._replace(step="prepare", plan=plan))
    opened = item.plan
    names = tuple(sorted({*opened.names, *draft.names}, key=commit_last))
    plan = draft._replace(
        chain=opened.chain,
        generation=owner.generation,
        last=opened.last,
        names=names,
        deltas=opened.deltas,
        sent=opened.sent,
    )
    if opened.covers(draft) or item.waived == opened.chain:
        return _judged(owner._replace(step="take_over", plan=plan))
    why = (
        f"chain {opened.chain} planned {opened.records} records after {told(opened.after)} to {told(opened.last)};"
        f" a replay brought {draft.records} to {told(draft.last)}"
    )
    return _judged(owner._replace(step="stop", why=why))


def commit_last(name: str) -> tuple[bool, str]:
    """Sort key of planned names: the commit file comes after what it speaks of."""
    return (name.startswith("_commits/"), name)


def skip(owner: Owner, upto: str, why: str) -> Owner:
    """Leave out the records up to a mark."""
    return _judged(owner._replace(step="skip", start=upto, why=why))


def suspect(owner: Owner, span: tuple[str, ...]) -> Owner:
    """Careful mode: note the records in hand before they are touched."""
    return _judged(owner._replace(step="suspect", span=span))


def leave(owner: Owner) -> Owner:
    """Say goodbye in good order."""
    return _judged(owner._replace(step="leave"))


def verdict(owner: Owner) -> Verdict:
    """Ask the law of the step about the item as it is known."""
    match owner.step:
        case "open":
            return rules.opening(owner.item)
        case "prepare" if owner.plan is not None:
            return rules.preparing(owner.item, owner.generation, owner.plan)
        case "take_over" if owner.plan is not None:
            return rules.taking_over(owner.item, owner.generation, owner.plan)
        case "advance" if owner.plan is not None:
            return rules.advancing(owner.item, owner.generation, owner.plan)
        case "commit" if owner.plan is not None:
            return rules.committing(owner.item, owner.generation, owner.plan.chain)
        case "skip":
            return rules.skipping(owner.item, owner.generation, owner.start, owner.why)
        case "suspect":
            return rules.suspecting(owner.item, owner.generation, owner.span)
        case "leave":
            return rules.leaving(owner.item, owner.generation)
        case "stop":
            return rules.stopping(owner.item, owner.generation, owner.why)
    raise AssertionError(f"no law for {owner.step}")


def effect(owner: Owner) -> Effect:
    """Name what must be done next. Only for an owner that is not resting."""
    if owner.step == "write" and owner.plan is not None:
        return Write(owner.plan)
    if owner.revision == UNREAD:
        return Read()
    judged = verdict(owner)
    assert isinstance(judged, Next), judged  # `after` has seen to the others
    return Swap(owner.revision, judged.item)


def after(owner: Owner, done: Effect, reply: Reply) -> Owner:
    """Return the owner as the reply leaves it."""
    if isinstance(reply, Lost):
        return owner._replace(revision=UNREAD)
    if isinstance(done, Write):
        if isinstance(reply, Sent):
            return _judged(owner._replace(step="advance", plan=done.plan._replace(sent=reply.upto)))
        return _judged(owner._replace(step="commit"))
    if isinstance(done, Swap) and reply is None:
        return _granted(owner._replace(revision=done.expected + 1, item=done.item))
    assert not isinstance(reply, Sent), "nothing else is done in pieces"
    revision, item = reply if reply is not None else (0, Item(watermark=owner.start, since=Since(owner.start)))
    return _judged(owner._replace(revision=revision, item=item))


def _judged(owner: Owner) -> Owner:
    """Apply the law of the step to the item as it is known."""
    match verdict(owner):
        case Next():
            return owner
        case Already():
            return _granted(owner)
        case Refused(why):
            return owner._replace(step="lost", plan=None, why=why)


def _granted(owner: Owner) -> Owner:
    match owner.step:
        case "open":
            step: Step = "stopped" if owner.item.stopped else "fill"
            return owner._replace(step=step, generation=owner.item.generation, why=owner.item.stopped)
        case "prepare" | "take_over" | "advance":
            return owner._replace(step="write")
        case "commit":
            return owner._replace(step="fill", plan=None)
        case "suspect" | "skip":
            return owner._replace(step="fill", why="")
        case "leave":
            return owner._replace(step="gone")
        case "stop":
            return owner._replace(step="stopped", plan=None)
    raise AssertionError(f"nothing is granted at {owner.step}")


class Upload(NamedTuple):
    """One object on its way to its planned name."""

    generation: int
    step: Literal["create", "head", "replace", "done", "superseded"] = "create"
    etag: str = ""


def uploaded(upload: Upload, reply: bool | tuple[str, int] | Lost | None) -> Upload:
    """Return the upload as the reply leaves it.

    The reply of `create` and `replace` is whether it was stored; of `head` the (etag, generation) that
    stands there, or None.
    """
    match upload.step, reply:
        case (("create" | "head" | "replace"), Lost()):
            return upload._replace(step="create", etag="")
        case "create", True:
            return upload._replace(step="done")
        case "create", False:
            return upload._replace(step="head")
        case "head", None:
            return upload._replace(step="create")
        case "head", (str(etag), int(generation)):
            if generation == upload.generation:
                return upload._replace(step="done")
            if generation > upload.generation:
                return upload._replace(step="superseded")
            return upload._replace(step="replace", etag=etag)
        case "replace", True:
            return upload._replace(step="done")
        case "replace", False:
            return upload._replace(step="head", etag="")
    raise AssertionError(f"{upload.step} has no reply {reply!r}")


def meta(epoch: str, chain: int, generation: int) -> Mapping[str, str]:
    """Return what every object carries, in its bytes and beside them."""
    return {"epoch": epoch, "chain": str(chain), "generation": str(generation)}
