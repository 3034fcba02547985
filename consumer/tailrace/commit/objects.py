"""A plan's objects on their way to their names. Rule: each is put under its own generation, the commit file after all.

Who finds a later owner's object at a name gives up: that owner's commit stands, or will.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from tailrace.commit import protocol
from tailrace.commit.patience import Patience
from tailrace.commit.plan import Plan
from tailrace.commit.ports import Body, Place, Say
from tailrace.commit.protocol import Lost, Upload
from tailrace.nouns import Identity
from tailrace.world import WorldError


class Objects:
    """What one lane stores, and the threads that carry it."""

    def __init__(self, place: Place, identity: Identity, lane: str, say: Say, uploads: int) -> None:
        self._place = place
        self._identity = identity
        self._lane = lane
        self._say = say
        self._uploads = ThreadPoolExecutor(uploads, thread_name_prefix=f"put-{lane}")

    def close(self) -> None:
        """Let the threads go."""
        self._uploads.shutdown(wait=False, cancel_futures=True)

    def write(self, plan: Plan, generation: int, bodies: dict[str, Body], whole: Patience) -> None:
        """Bring every object to its name, the commit file after all others; give up where a later owner was."""
        *others, last = plan.names
        if all(self._all_of(others, plan.chain, generation, bodies, whole)):
            self._place.sync()
            self._put(last, bodies[last], plan.chain, generation, whole)
            self._place.sync()

    def _all_of(
        self, names: Sequence[str], chain: int, generation: int, bodies: dict[str, Body], whole: Patience
    ) -> list[bool]:
        if len(names) == 1:
            return [self._put(names[0], bodies[names[0]], chain, generation, whole)]
        flights = [self._uploads.submit(self._put, name, bodies[name], chain, generation, whole) for name in names]
        try:
            return [flight.result() for flight in flights]
        finally:
            begun = [flight for flight in flights if not flight.cancel()]  # of the others a closed pool never tells
            wait(begun)  # nothing of this plan may still be under way when its owner goes on or gives up

    def _put(self, name: str, body: Body, chain: int, generation: int, whole: Patience) -> bool:
        patience = whole.part()
        upload = Upload(generation)
        about = protocol.meta(self._identity.epoch, chain, generation)
        while upload.step not in {"done", "superseded"}:
            reply: bool | tuple[str, int] | Lost | None
            patience.trying()
            try:
                reply = self._touch_place(upload, name, body, about)
            except WorldError as error:
                self._say("trouble", lane=self._lane, what="place", object=name, error=str(error))
                patience.wait(error)
                reply = Lost()
            upload = protocol.uploaded(upload, reply)
        if upload.step == "done":
            self._say(
                "put",
                lane=self._lane,
                chain=chain,
                generation=generation,
                object=name,
                bytes=body.length,
                rows=body.rows,
            )
        return upload.step == "done"

    def _touch_place(
        self, upload: Upload, name: str, body: Body, about: Mapping[str, str]
    ) -> bool | tuple[str, int] | None:
        match upload.step:
            case "create":
                return self._place.create(name, body, about)
            case "replace":
                return self._place.replace(name, body, upload.etag, about)
        head = self._place.head(name)
        return None if head is None else (head.etag, int(head.meta.get("generation", "0")))
