"""Which ledger a run keeps. Rule: file runs keep a local file, everything else the DynamoDB table."""

from __future__ import annotations

from tailrace.commit.ports import LedgerStore
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
