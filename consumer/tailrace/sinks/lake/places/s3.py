"""A lake in S3. Rule: every write is conditional, so that no write undoes another that it has not seen.

One PUT an object, at most 5 GiB; a plan's objects are far smaller. Epoch, chain and generation are user metadata as
well as bytes. HEAD needs `s3:ListBucket`: without it S3 answers 403 where 404 is meant.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from tailrace.commit.compaction import SWEPT
from tailrace.commit.ports import Body, Head
from tailrace.ops import aws
from tailrace.world import WorldDenied, WorldError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PUT_BYTES_MAX = 5 * 1024**3
READ_BYTES = 8 * 1024 * 1024  # of one ranged GET
SPARE_CONNECTIONS = 2  # for calls beside the uploads
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
STATUS_TAKEN = 412
_BUCKETS_OWN: Mapping[str, str] = {}
SWEPT_TAG = "tailrace=swept"  # what a lifecycle rule can go by


class S3Place:
    """Objects below one prefix of a bucket."""

    def __init__(
        self, client: S3Client, bucket: str, prefix: str = "", encryption: Mapping[str, str] = _BUCKETS_OWN
    ) -> None:
        """`encryption`: what each put asks for, as `put_object` names it."""
        self._client = client
        self._encryption = encryption
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""

    @classmethod
    def connect(
        cls,
        bucket: str,
        prefix: str,
        *,
        region: str,
        endpoint: str = "",
        threads: int = 4,
        encryption: str = "",
        kms_key: str = "",
    ) -> S3Place:
        """Return the place over a client of its own. `encryption`: AES256 or aws:kms; empty: the bucket's own."""
        client = aws.client("s3", region=region, endpoint=endpoint, connections=threads + SPARE_CONNECTIONS)
        asked = {"ServerSideEncryption": encryption, "SSEKMSKeyId": kms_key}
        return cls(client, bucket, prefix, {name: value for name, value in asked.items() if value})

    def create(self, name: str, body: Body, meta: Mapping[str, str]) -> bool:
        """Store a new object; False when the name is taken."""
        return self._put(name, body, meta, {"IfNoneMatch": "*"})

    def replace(self, name: str, body: Body, etag: str, meta: Mapping[str, str]) -> bool:
        """Store over the object that has this etag; False when another stands there by now."""
        return self._put(name, body, meta, {"IfMatch": etag})

    def _put(self, name: str, body: Body, meta: Mapping[str, str], condition: dict[str, str]) -> bool:
        if body.length > PUT_BYTES_MAX:
            message = f"{name}: {body.length} bytes are more than one PUT takes; lower flush.bytes"
            raise WorldDenied(message)
        try:
            with body.open() as source:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + name,
                    Body=source,
                    ContentLength=body.length,
                    Metadata=dict(meta),
                    **({"Tagging": SWEPT_TAG} if SWEPT in meta else {}),  # type: ignore[arg-type]
                    **self._encryption,  # type: ignore[arg-type]
                    **condition,  # type: ignore[arg-type]
                )
        except ClientError as error:
            if aws.status(error) == STATUS_TAKEN:
                return False
            if aws.code(error) in MISSING and "IfMatch" in condition:
                return False  # deleted meanwhile
            aws.raise_world(error, self._what("put", name))
        except BotoCoreError as error:
            aws.raise_world(error, self._what("put", name))
        return True

    def head(self, name: str) -> Head | None:
        """Say what stands under the name; None when nothing does."""
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
        except ClientError as error:
            if aws.code(error) in MISSING:
                return None
            aws.raise_world(error, self._what("head", name))
        except BotoCoreError as error:
            aws.raise_world(error, self._what("head", name))
        return Head(found["ETag"], dict(found["Metadata"]), found["ContentLength"])

    def read(self, name: str) -> bytes:
        """Return the object's bytes. FileNotFoundError when there is none."""
        return self._get(name, None)

    def open(self, name: str) -> BinaryIO:
        """Open the object for random reads. FileNotFoundError when there is none."""
        head = self.head(name)
        if head is None:
            raise FileNotFoundError(self._what("open", name))
        if head.length <= READ_BYTES:  # one request is cheaper than a range for footer, column and column
            return io.BytesIO(self._get(name, None, head.etag))
        return io.BufferedReader(_Ranges(self, name, head), READ_BYTES)

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (name, length) of every object below the prefix, in name order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix), entry["Size"]
        except (ClientError, BotoCoreError) as error:
            aws.raise_world(error, self._what("list", prefix))

    def sync(self) -> None:
        """Return at once: S3 answers a PUT only when it is durable."""

    def _get(self, name: str, part: tuple[int, int] | None, etag: str = "") -> bytes:
        extra = {} if part is None else {"Range": f"bytes={part[0]}-{part[1] - 1}"}
        if etag:
            extra["IfMatch"] = etag  # never halves of two objects
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name, **extra)  # type: ignore[arg-type]
            return answer["Body"].read()
        except ClientError as error:
            if aws.code(error) in MISSING:
                raise FileNotFoundError(self._what("get", name)) from error
            if aws.status(error) == STATUS_TAKEN:
                message = f"{self._what('get', name)}: replaced while it was read"
                raise WorldError(message) from error
            aws.raise_world(error, self._what("get", name))
        except (BotoCoreError, HTTPClientError) as error:
            aws.raise_world(error, self._what("get", name))

    def _what(self, verb: str, name: str) -> str:
        return f"{verb} s3://{self._bucket}/{self._prefix}{name}"


class _Ranges(io.RawIOBase):
    """One version of an object, read by ranges."""

    def __init__(self, place: S3Place, name: str, head: Head) -> None:
        self._place, self._name, self._head, self._at = place, name, head, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._head.length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._head.length)
        if end <= self._at:
            return 0
        data = self._place._get(self._name, (self._at, end), self._head.etag)  # noqa: SLF001  same file
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
