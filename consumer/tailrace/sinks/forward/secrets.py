"""Secrets of destinations. Rule: routes name a variable of the environment, and only here is it read."""

from __future__ import annotations

import os


def secret(name: str) -> str | None:
    """Return what the environment holds under a name."""
    return os.environ.get(name)
