"""How the world fails. Rule: either the same call may be tried again, or the answer is no for good."""

from __future__ import annotations


class WorldError(Exception):
    """A service did not answer, or not yet as it should. The same call may be tried again."""


class WorldDenied(Exception):
    """A service said no for good: wrong credentials, no such bucket or table."""
