"""One table's compactions, performed. Rule: every effect is one that `compaction` named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tailrace.commit import compaction, protocol
from tailrace.commit.compacted import Compaction, View, encode_fold, read_file, table_view
from tailrace.commit.compaction import (
    FOLD_EVERY,
    RESTING,
    SWEPT,
    Compactor,
    Fold,
    Input,
    Swap,
    Sweep,
    TableItem,
    Work,
    Write,
    fold_name,
    item_from_dict,
    item_to_dict,
    table_key,
)
from tailrace.commit.ledger import BytesBody
from tailrace.commit.patience import Patience
from tailrace.commit.ports import Body, LedgerStore, Place
from tailrace.commit.protocol import Lost, Read, Upload
from tailrace.world import WorldError

Empty = Callable[[Compaction, Input], Body]  # an object without rows, to stand where the input stood


class TableCompactor:
    """A process's hold on one table. Raises WorldError when the patience is over, WorldDenied at once."""

    def __init__(
        self,
        epoch: str,
        table: str,
        ledger: LedgerStore,
        place: Place,
        empty: Empty,
        patience: Callable[[], Patience],
        fold_every: int = FOLD_EVERY,
    ) -> None:
        self.epoch, self.table = epoch, table
        self._ledger, self._place, self._empty, self._patience = ledger, place, empty, patience
        self._key = table_key(epoch, table)
        self._state = Compactor(fold_every=fold_every)

    def open(self) -> None:
        """Take the table over, and sweep what an earlier owner left."""
        self._drive({})

    def look(self, item: TableItem | None) -> None:
        """Know an item without taking the table over."""
        self._state = self._state._replace(item=item or TableItem(), step="rest")

    @property
    def lost(self) -> bool:
        """Has somebody opened later?"""
        return self._state.step == "lost"

    @property
    def generation(self) -> int:
        return self._state.generation

    @property
    def opened(self) -> Work | None:
        """The compaction that an earlier owner began."""
        return self._state.item.plan

    @property
    def chain(self) -> int:
        """The number of the compaction in hand, or of the next."""
        return self._state.item.chain + 1

    def view(self) -> View:
        """Return what is committed of the table."""
        return table_view(self._place, self.epoch, self.table, self._state.item)

    def compact(self, inputs: tuple[Input, ...], names: tuple[str, ...], bodies: Mapping[str, Body]) -> bool:
        """Bring a compaction through, or the open one with its own names; False when the table was lost."""
        self._state = compaction.take(self._state, Work(0, 0, inputs, names))
        self._drive(bodies)
        return not self.lost

    def _drive(self, bodies: Mapping[str, Body]) -> None:
        patience = self._patience()
        while self._state.step not in RESTING:
            effect = compaction.effect(self._state)
            reply: compaction.Reply = None
            patience.trying()
            try:
                match effect:
                    case Write(plan):
                        self._write(plan, bodies)
                    case Sweep(first, last):
                        self._sweep(range(first, last + 1))
                    case Fold(chain):
                        self._fold(chain)
                    case Read():
                        reply = _known(self._ledger.read(self._key))
                    case Swap(expected, item):
                        reply = _known(self._ledger.swap(self._key, expected, item_to_dict(item)))
            except WorldError as error:
                patience.wait(error)
                if isinstance(effect, Write | Sweep | Fold):
                    continue  # every put may be done again
                reply = Lost()
            self._state = compaction.after(self._state, effect, reply)

    def _write(self, plan: Work, bodies: Mapping[str, Body]) -> None:
        """Bring every object to its name, the file that tells of them last; stop where a later owner was."""
        *objects, file = plan.names
        generation = self._state.generation
        if all(self._put(name, bodies[name], plan.chain, generation) for name in objects):
            self._place.sync()
            self._put(file, bodies[file], plan.chain, generation)
            self._place.sync()

    def _sweep(self, chains: Iterable[int]) -> None:
        for chain in chains:
            done = read_file(self._place, self.epoch, self.table, chain)
            for entry in done.inputs:
                body = self._empty(done, entry)
                try:
                    self._put(entry.name, body, entry.chain, entry.generation + 1, swept=True)
                finally:
                    body.close()
        self._place.sync()

    def _fold(self, chain: int) -> None:
        body = BytesBody(encode_fold(self.view().fold(self.epoch, self.table, chain)))
        about = protocol.meta(self.epoch, chain, self._state.generation)
        self._place.create(fold_name(self.epoch, self.table, chain), body, about)  # a taken name says the same
        self._place.sync()

    def _put(self, name: str, body: Body, chain: int, generation: int, *, swept: bool = False) -> bool:
        upload, about = Upload(generation), protocol.meta(self.epoch, chain, generation)
        if swept:  # something stands there, as a rule
            upload, about = Upload(generation, "head"), {**about, SWEPT: "1"}
        while upload.step not in {"done", "superseded"}:
            reply: bool | tuple[str, int] | None
            match upload.step:
                case "create":
                    reply = self._place.create(name, body, about)
                case "replace":
                    reply = self._place.replace(name, body, upload.etag, about)
                case _:
                    head = self._place.head(name)
                    reply = None if head is None else (head.etag, int(head.meta.get("generation", "0")))
            upload = protocol.uploaded(upload, reply)
        return upload.step == "done"


def _known(found: tuple[int, Mapping[str, object]] | None) -> tuple[int, TableItem] | None:
    return None if found is None else (found[0], item_from_dict(found[1]))
