"""The day of the week of an event, where the shop is. Rule: pure, and over whole columns.

[enrich]
steps = ["user_agent", "weekday"]
options = ["weekday.hours_ahead=9"]
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

DAYS = pa.array(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
SATURDAY = 5


class Weekday:
    """Reads the envelope's `event_time`, which is in UTC and never null."""

    name = "weekday"
    inputs = ("event_time",)
    outputs = pa.schema([("weekday", pa.string()), ("weekend", pa.bool_())])

    def __init__(self, hours_ahead: int) -> None:
        self._ahead = pa.scalar(timedelta(hours=hours_ahead))
        self.digest = f"1, {hours_ahead} hours ahead"  # all that decides the outputs beside this package's version

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        day = pc.day_of_week(pc.add(columns["event_time"], self._ahead))
        return {"weekday": DAYS.take(day), "weekend": pc.greater_equal(day, SATURDAY)}


def made(options: Mapping[str, str]) -> Weekday:
    """Return the step. What is raised here refuses the start, with the plug-in's name."""
    unknown = options.keys() - {"hours_ahead"}
    if unknown:
        raise ValueError(f"found the option {min(unknown)}, expected hours_ahead")
    hours = int(options.get("hours_ahead", "0"))
    if not -12 <= hours <= 14:
        raise ValueError(f"hours_ahead: found {hours}, expected -12 to 14")
    return Weekday(hours)
