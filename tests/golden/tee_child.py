"""A child that writes down every line of the daemon. Rule: the standard library alone, nothing of ours under test.

Checkpoints the last record of each message; at one whose partition key is `refuse` first a position never delivered.
"""

import json
import sys
from pathlib import Path
from typing import Any

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
seen: list[bytes] = []


def hear() -> dict[str, Any]:
    line = stdin.readline()
    if not line:
        sys.exit(0)
    said: dict[str, Any] = json.loads(line)
    if said["action"] == "initialize":
        seen.append(str(Path(sys.argv[1]) / f"{said['shardId']}.jsonl").encode())
    with Path(seen[0].decode()).open("ab") as file:
        file.write(line)
    return said


def say(**what: object) -> None:
    stdout.write(json.dumps(what).encode() + b"\n")
    stdout.flush()


while True:
    said = hear()
    records = said.get("records")
    if records:
        sequence, sub = records[-1]["sequenceNumber"], records[-1]["subSequenceNumber"]
        if records[-1]["partitionKey"] == "refuse":
            say(action="checkpoint", sequenceNumber="9" * 56, subSequenceNumber=0)
            hear()
        say(action="checkpoint", sequenceNumber=sequence, subSequenceNumber=sub)
        hear()
    if said["action"] == "shardEnded":
        say(action="checkpoint", sequenceNumber=None, subSequenceNumber=None)
        hear()
    say(action="status", responseFor=said["action"])
