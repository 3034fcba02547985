"""Reasons not to start. Rule: pure judgments, each a sentence that says what is wrong and what to do.

A refusal is cheaper than a hole: what is refused here could otherwise skip or double records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tailrace.kcl import properties
from tailrace.nouns import Destination, mark
from tailrace.settings import Settings

START_AHEAD_S = 60  # clocks may differ by so much


class Lease(NamedTuple):
    """A row of KCL's lease table. `checkpoint` is a number, or a word such as TRIM_HORIZON or SHARD_END."""

    shard: str
    checkpoint: str
    sub: int

    @property
    def numeric(self) -> bool:
        """Was a position stored?"""
        return self.checkpoint.isascii() and self.checkpoint.isdigit()


def of_settings(settings: Settings) -> list[str]:
    """Judge what can be judged without asking anyone."""
    kcl, out = settings.kcl, []
    if not settings.stream.name:
        out.append("[stream] name: say which stream to read")
    if not settings.lake.uri:
        out.append("[lake] uri: say where the rows go, s3://bucket/prefix or a directory")
    out += of_turn(settings)
    if settings.dedup.by and settings.dedup.table == settings.ledger.table:
        out.append("[dedup] table is the ledger's: give it one of its own, which may forget")
    needed_mb = properties.heap_needed_mb(settings)
    if kcl.heap_mb and kcl.heap_mb < needed_mb:
        out.append(
            f"[kcl] heap_mb is {kcl.heap_mb}, but {kcl.max_leases} leases with lines of {kcl.line_mb} MiB may need"
            f" {needed_mb}: raise it, or lower max_leases or line_mb"
        )
    elif needed_mb > properties.HEAP_CEILING_MB and not kcl.heap_mb:
        out.append(
            f"{kcl.max_leases} leases with lines of {kcl.line_mb} MiB may need a heap of {needed_mb} MiB, more than"
            f" the {properties.HEAP_CEILING_MB} given unasked: set [kcl] heap_mb, or lower max_leases or line_mb"
        )
    return out


def of_turn(settings: Settings, destinations: int = 0) -> list[str]:
    """Judge the time that a turn may take. `destinations`: how many there are beside the lake."""
    timeout_s, needed_s = settings.kcl.turn_timeout_s, properties.turn_needed_s(settings, destinations)
    if timeout_s >= needed_s:
        return []
    others = f", {destinations} destinations with [lanes] patience_s ({settings.lanes.patience_s:g})"
    return [
        (
            f"[kcl] turn_timeout_s is {timeout_s}, but a turn may take {needed_s:.0f} s: two plans"
            f"{', and [dedup] table,' if settings.dedup.by and settings.dedup.table else ','} each with"
            f" [world] patience_s ({settings.world.patience_s:g}) and a last call{others if destinations else ''}, and"
            " the work; raise the one or lower the other, or KCL kills a child that is only patient"
        )
    ]


def of_destinations(destinations: Sequence[Destination], stream_arn: str) -> list[str]:
    """Judge where routes send events. `stream_arn`: of the stream that is read."""
    return [
        f"route {one.name}: {one.address} is the stream that is read: its events would go round"
        for one in destinations
        if one.address == stream_arn
    ]


def of_application(
    application: str, item: Mapping[str, Any], stream: str, stream_created_ms: int, lake: str
) -> list[str]:
    """Judge whether stream and lake are still those that the application's ledger speaks of."""
    if item["stream"] != stream:
        return [
            (
                f"the application {application} belongs to the stream {item['stream']}, not to {stream}:"
                " choose another [kcl] application for another stream"
            )
        ]
    if item["stream_created_at"] != stream_created_ms:
        return [
            (
                f"the stream {stream} was made anew since application {application} began (its creation time changed):"
                " its positions mean other records now; choose a new [kcl] application"
            )
        ]
    if item.get("lake", lake) != lake:  # an item of an early version does not say
        return [
            (
                f"the application {application} stores into the lake {item['lake']}, not into {lake}: its plans would"
                " be split over two lakes; set [lake] uri back, or choose a new [kcl] application for another lake"
            )
        ]
    return []


def of_checkpoints(leases: Sequence[Lease], watermarks: Mapping[str, str]) -> list[str]:
    """Judge KCL's checkpoints by the ledger. `watermarks`: by shard, where the lake's lane stands.

    Other lanes have no say: one whose destination was taken away stands somewhere for ever, and one that comes back
    goes on at the checkpoint.
    """
    out = []
    for lease in leases:
        if not lease.numeric:
            continue
        if lease.shard not in watermarks:
            out.append(
                f"{lease.shard} has a checkpoint ({lease.checkpoint}) but no ledger item: another program wrote it, or"
                " the ledger was lost; records before it may never have been stored; choose a new [kcl] application,"
                " or restore the ledger's table"
            )
        elif mark(lease.checkpoint, lease.sub) > watermarks[lease.shard]:
            out.append(
                f"{lease.shard} has a checkpoint ({lease.checkpoint}/{lease.sub}) after what the ledger has committed:"
                " records between them would be skipped; restore the ledger's table, or set the lease's checkpoint back"
            )
    return out


def left_behind(leases: Sequence[Lease], watermarks: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str, str]]:
    """Return (lane, shard, checkpoint) of lanes that stand before KCL's checkpoint. `watermarks`: by lane and shard."""
    return [
        (lane, lease.shard, lease.checkpoint)
        for lane, marks in watermarks.items()
        for lease in leases
        if lease.numeric
        and marks.get(lease.shard, mark(lease.checkpoint, lease.sub)) < mark(lease.checkpoint, lease.sub)
    ]


def of_start(start_ms: int, now_ms: int) -> list[str]:
    """Judge the time of a first start."""
    if start_ms > now_ms + START_AHEAD_S * 1000:
        return ["[stream] start lies in the future: Kinesis refuses that"]
    return []
