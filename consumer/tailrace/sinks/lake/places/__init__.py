"""Where a lake lies. Rule: `lake.uri` alone decides; `s3://bucket/prefix`, else a directory."""

from __future__ import annotations

from tailrace.commit.ports import Place
from tailrace.settings import Settings

S3 = "s3://"


def place_of(settings: Settings) -> Place:
    """Return the place that `lake.uri` names. What it needs is loaded only then."""
    uri = settings.lake.uri
    if uri.startswith(S3):
        from tailrace.sinks.lake.places.s3 import S3Place  # noqa: PLC0415  boto3 is slow to load

        bucket, _, prefix = uri.removeprefix(S3).partition("/")
        return S3Place.connect(
            bucket,
            prefix,
            region=settings.stream.region,
            endpoint=settings.aws.s3_endpoint,
            threads=settings.lake.upload_threads,
            encryption=settings.lake.encryption,
            kms_key=settings.lake.kms_key,
        )
    if not uri or "://" in uri:
        message = f"lake.uri: `{uri}` is neither `s3://bucket/prefix` nor a directory"
        raise ValueError(message)
    from tailrace.sinks.lake.places.directory import DirectoryPlace  # noqa: PLC0415

    return DirectoryPlace(uri)
