"""The way back: a tracker ships a broken version, and its events reach the lake after all. Rule: each of them once."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from local import aws
from local.consumer import Consumer, run_command
from local.events import Visit
from local.flaws import Event, Flaw, encode
from local.people import Crowd
from local.screen import Screen
from local.send import send
from local.traffic import Made, Parcel, join
from local.watch import Tally, wait_until

EVENTS = 300
A_PARCEL = 10
TYPE, OLD, NEW = "purchase", "1-0-0", "1-1-0"
PATCH = [{"op": "move", "from": "/page", "path": "/path"}]
CHOSEN = ("--type", TYPE, "--text", "$.page")  # the events that have a member `page`
STEPS = ("user_agent", "bot", "url", "referer", "fingerprint")
SETTINGS = f"""
[contract]
referer = ["data.referrer"]

[enrich]
steps = {json.dumps(STEPS)}
internal_hosts = ["shop.example"]

[refresh]
every_s = 1.0
"""


class Stage(NamedTuple):
    """What the act needs."""

    screen: Screen
    world: aws.World
    settings: Path
    schemas: Path  # of this run alone
    consumer: Consumer
    seed: int

    def shows(self, *arguments: str) -> bool:
        """Run a command of tailrace and show what it says; say whether all is well."""
        status, said = run_command(self.settings, *arguments)
        self.screen.quote(said)
        if status:
            self.screen.bad(f"it ended with status {status}")
        return status == 0


def schemas_of_its_own(folder: Path) -> Path:
    """Copy the schemas, so that the run may alter them."""
    return Path(shutil.copytree(aws.ROOT / "properties" / "schemas", folder / "schemas"))


def play(stage: Stage, tally: Tally, events: int = EVENTS) -> bool:
    """Go through it; say whether every command was content. What was sent is added to the tally."""
    screen = stage.screen
    screen.phase(f"A tracker ships a broken version: {events} purchases")
    screen.say("`path` is called `page` now, and there is a member `coupon` that no schema knows.")
    sent = tally.events
    for step in send(stage.world.putter(stage.seed), shipped(events, stage.seed, int(time.time() * 1000))):
        tally.add(step)
    count = tally.events - sent
    wait_until(screen, stage.consumer, lambda now: now.received >= tally.events, "the broken events to be committed")
    screen.phase("What is wrong: tailrace quarantine stats " + " ".join(CHOSEN))
    ok = stage.shows("quarantine", "stats", *CHOSEN)
    screen.phase(f"The schema gets a new version, {NEW}, with the coupon: tailrace check")
    changed = new_version(stage.schemas)
    ok = stage.shows("check") and ok
    wait_until(screen, stage.consumer, lambda now: now.edition_s >= changed, "the consumer to take the schema up")
    screen.say("The consumer has taken it up by itself, between two plans.")
    return _send(stage, tally.events, count) and ok


def _send(stage: Stage, committed: int, count: int) -> bool:
    screen, patch = stage.screen, Path(stage.world.folder) / "patch.json"
    patch.write_text(json.dumps(PATCH))
    redrive = ("redrive", *CHOSEN, "--patch", str(patch))
    screen.phase(f"Would that do? tailrace redrive --patch, with {json.dumps(PATCH[0])}")
    ok = stage.shows(*redrive)
    screen.phase("It would: tailrace redrive --patch --send")
    ok = stage.shows(*redrive, "--send") and ok
    screen.say("The same once more sends nothing:")
    ok = stage.shows(*redrive, "--send") and ok
    screen.say(
        "With --again they are sent twice, which is harmless: the consumer stores one of each and filters the other."
    )
    ok = stage.shows(*redrive, "--send", "--again") and ok
    again = committed + 2 * count
    wait_until(screen, stage.consumer, lambda now: now.received >= again, "the mended events to be committed")
    return ok


def new_version(schemas: Path) -> float:
    """Write the new version of the schema, with an event that must pass it; return the time."""
    schema = json.loads((schemas / TYPE / f"{OLD}.json").read_text())
    schema["properties"]["coupon"] = {"type": ["string", "null"], "maxLength": 64}
    changed = time.time()
    rng = random.Random("fixture")
    event = Visit(Crowd(0).pick(rng), rng).tracked(TYPE, int(changed * 1000)) | {"coupon": "C-1"}
    (schemas / TYPE / f"{NEW}.good.jsonl").write_bytes(encode(event) + b"\n")
    (schemas / TYPE / f"{NEW}.json").write_text(json.dumps(schema, indent=2) + "\n")
    return changed


def shipped(events: int, seed: int, end_ms: int) -> Iterator[Parcel]:
    """Yield what the broken tracker sends: purchases, some in an array."""
    rng, crowd = random.Random(f"broken {seed}"), Crowd(seed)
    made = 0
    while made < events:
        count = min(A_PARCEL, events - made)
        person = crowd.pick(rng)
        visit = Visit(person, rng)
        batch = tuple(_broken(visit.tracked(TYPE, end_ms - rng.randint(0, 4000))) for _ in range(count))
        yield Parcel(person.user_id, join("array", batch), "array", rng.random() < 0.5, batch)
        made += count


def _broken(event: Event) -> Made:
    return Made(BROKEN.apply(event), TYPE, event["tenant"], event["event_id"], BROKEN)


def _ship(event: Event) -> bytes:
    page = {"page" if name == "path" else name: value for name, value in event.items()}
    return encode({**page, "coupon": f"C-{event['event_id'][:4]}"})


BROKEN = Flaw("the tracker's new version", "schema", False, _ship, mended=True)
