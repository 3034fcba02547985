import os
import subprocess
import sys
from pathlib import Path

import tailrace

PROGRAM = """
from tailrace.kcl import fd
pipe = fd.take()
assert fd.take() == pipe
import os, subprocess, sys
print("null", flush=True)
os.write(1, b"bare\\n")
subprocess.run(["echo", "from a program"], check=True)
os.write(pipe, b"protocol\\n")
assert not os.get_inheritable(pipe)
"""


def test_only_the_protocol_reaches_the_daemon() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert done.stdout == b"protocol\n"
    assert done.stderr == b"null\nbare\nfrom a program\n"


def test_nothing_but_os_is_imported_before() -> None:
    """Whatever is imported before the pipe is safe could print into it."""
    program = "import sys; before = set(sys.modules); import tailrace.kcl.fd; print(*set(sys.modules) - before)"
    environment = os.environ | {"PYTHONPATH": str(Path(tailrace.__path__[0]).parent)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, check=True, text=True, env=environment
    )
    modules = set(done.stdout.split())
    assert "tailrace.kcl.fd" in modules
    others = {name for name in modules if not name.startswith("tailrace")} - {"__future__"}
    assert others <= {
        "os",
        "os.path",
        "posixpath",
        "genericpath",
        "stat",
        "_stat",
        "_collections_abc",
        "posix",
        "errno",
    }
