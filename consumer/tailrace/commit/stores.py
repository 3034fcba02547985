"""Which stores a run keeps. Rule: the ledger of file runs is a local file; everything else is a DynamoDB table."""

from __future__ import annotations

from typing import Final, NamedTuple

from tailrace.commit.ports import Claims, LedgerStore
from tailrace.settings import Settings

DROPS: Final = "drops"  # the stream of dropped files, as lanes have it


class Origin(NamedTuple):
    """Whose shards they are: the consumer's of a stream, `backfill`'s, or `drops`'s."""

    file_run: bool
    application: str  # as the ledger knows it
    stream: str  # "" for every stream of the ledger


def origin_of(settings: Settings, *, files: bool = False, drops: bool = False) -> Origin:
    """Return where to look in the ledger."""
    application = settings.kcl.application
    if drops:
        return Origin(False, f"{DROPS}/{application}", DROPS)  # no application of KCL has a `/`
    return Origin(True, application, "") if files else Origin(False, application, settings.stream.name)


def ledger_of(settings: Settings, *, file_run: bool) -> LedgerStore:
    """Return the ledger's store. What it needs is loaded only then."""
    if file_run:
        from tailrace.commit.ledger_sqlite import SqliteLedger  # noqa: PLC0415

        return SqliteLedger(settings.ledger.path)
    from tailrace.commit.ledger_dynamodb import DynamoLedger  # noqa: PLC0415  boto3 is slow to load

    return DynamoLedger.connect(
        settings.ledger.table, region=settings.stream.region, endpoint=settings.aws.dynamodb_endpoint
    )


def claims_of(settings: Settings) -> Claims | None:
    """Return the claims that de-duplication across plans needs; None where the settings ask for none."""
    if not (settings.dedup.by and settings.dedup.table):
        return None
    from tailrace.commit.claims_dynamodb import DynamoClaims  # noqa: PLC0415  boto3 is slow to load

    return DynamoClaims.connect(
        settings.dedup.table, region=settings.stream.region, endpoint=settings.aws.dynamodb_endpoint
    )
