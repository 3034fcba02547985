"""Runs a supervisor over `fake_jvm.py`: `supervised.py FOLDER [key=value ...]` of section [kcl]."""

import sys
from pathlib import Path

import msgspec

from tailrace import settings as s
from tailrace.kcl import java, preflight, properties, supervisor
from tailrace.kcl.supervisor import Supervisor
from tailrace.ops import logs
from tailrace.ops.clock import SystemClock

folder = Path(sys.argv[1])
kcl = {"run_dir": str(folder / "run"), "shutdown_grace_s": 1} | dict(word.split("=") for word in sys.argv[2:])
settings = s.Settings(
    stream=s.Stream(name="clicks"),
    lake=s.Lake(uri=str(folder)),
    serve=s.Serve(port=0),
    kcl=msgspec.convert(kcl, s.Kcl, strict=False),
)
logs.configure("json", "debug")
supervisor.ORPHANS_S = 1.0  # type: ignore[misc]
supervisor.DOOMED_S = 0.5  # type: ignore[misc]
ready = preflight.Ready(
    java.Java(sys.executable, 17, "set"), folder, properties.First("TRIM_HORIZON", 0), "epoch", leases=1
)
fake = Path(__file__).with_name("fake_jvm.py")


def command(real: object) -> list[str]:
    words = list(real)  # type: ignore[call-overload]
    return [sys.executable, str(fake), str(folder), words[words.index("--properties-file") + 1]]


sys.exit(Supervisor(settings, ready, SystemClock(), {"PATH": "/bin", "TAILRACE_X": "1"}, command).run())
