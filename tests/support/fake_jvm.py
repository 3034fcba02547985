"""Stands for the daemon in the supervisor's tests. Rule: it does what its plan says, nothing of its own.

`fake_jvm.py FOLDER PROPERTIES`: the n-th start (counted by files in FOLDER) does the n-th word of FOLDER/plan, the last
word from then on: `crash` ends with 1, `run` waits for SIGTERM and ends with 143 as a JVM does, `deaf` ignores SIGTERM,
`doomed` says that a child failed it and hangs, `children` starts a child that outlives it, then crashes.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder, properties = Path(sys.argv[1]), Path(sys.argv[2])
words = (folder / "plan").read_text().split()
number = len(list(folder.glob("start-*")))
keys = dict(line.split("=", 1) for line in properties.read_text().splitlines())
word = words[min(number, len(words) - 1)]
sys.stdout.write(f"|WARN|a.b.Fake|shardId-7|start {number}: {word}\n")
sys.stdout.flush()
if word == "children":
    settings = keys["executableName"].split(" ")[-1]
    lazy = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    # As the real daemon's children: the same command line, their own pipes.
    subprocess.Popen([sys.executable, "-c", lazy, "tailrace.kcl.child", settings], stdout=subprocess.DEVNULL)
    time.sleep(0.3)
if word == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
started = folder / f"start-{number}"
(folder / "new").write_text(f"{os.getpid()} {os.getpgrp()} {keys['workerId']}")
(folder / "new").rename(started)
if word == "doomed":
    sys.stdout.write("|ERROR|s.a.MultiLangShardRecordProcessor||Encountered an error while trying to process records\n")
    sys.stdout.flush()
if word in {"crash", "children"}:
    os._exit(1)
time.sleep(60)
