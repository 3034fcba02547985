"""The daemon's pipe. Rule: nothing but the protocol is ever written to it.

`take()` is called before any other import: from then on fd 1 is standard error, so that a `print`, a C library or
a warning cannot put text (or `null`, which kills the JVM) between two protocol lines.
"""

import os

_taken: list[int] = []


def take() -> int:
    """Move the protocol's pipe away from fd 1, once, and return its new descriptor."""
    if not _taken:
        _taken.append(os.dup(1))  # not inheritable: no process started later can write to it
        os.dup2(2, 1)
    return _taken[0]
