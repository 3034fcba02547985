"""Which stores a run keeps. Rule: the ledger of file runs is a local file; everything else is a DynamoDB table."""

from __future__ import annotations

from tailrace.commit.ports import Claims, LedgerStore
from tailrace.settings import Settings


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
