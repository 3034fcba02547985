"""Where stored files go. Rule: copied whole, then deleted, and nothing is deleted that was not copied.

Done twice, or ended anywhere and done again, it leaves one copy. The copy's name has the object's ETag, so that a file
dropped again under its old name with other bytes does not fall upon the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.drops.messages import Announced
from tailrace.files import MISSING, STATUS_CHANGED
from tailrace.ops import aws
from tailrace.world import WorldDenied

COPY_BYTES_MAX: Final = 5 * 1024**3  # of one copy call; a larger file stays where it is


class Archive:
    """A prefix of a bucket."""

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self._bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        self._prefix = prefix.strip("/") + "/"

    def name(self, file: Announced) -> str:
        """Return the copy's key."""
        folder, slash, name = file.key.rpartition("/")
        return f"{self._prefix}{folder}{slash}{file.etag}-{name}"

    def move(self, file: Announced) -> str:
        """Move a file here; return where it is, or why it stays. Raises WorldError, WorldDenied."""
        if file.size > COPY_BYTES_MAX:
            return f"it stays: more than {COPY_BYTES_MAX} bytes"
        source = {"Bucket": file.bucket, "Key": file.key} | ({"VersionId": file.version} if file.version else {})
        copied = self._asked(
            file,
            lambda: self._client.copy_object(
                Bucket=self._bucket, Key=self.name(file), CopySource=source, CopySourceIfMatch=f'"{file.etag}"'
            ),
        )
        there = f"s3://{self._bucket}/{self.name(file)}"
        if not copied:  # gone, or another object by now: an earlier try may have moved it
            return there if self._stands(file) else "it stays: deleted or replaced before it could be moved"
        condition = {} if file.version else {"IfMatch": f'"{file.etag}"'}
        self._asked(file, lambda: self._client.delete_object(**source, **condition))
        return there

    def _stands(self, file: Announced) -> bool:
        return self._asked(file, lambda: self._client.head_object(Bucket=self._bucket, Key=self.name(file)))

    @staticmethod
    def _asked(file: Announced, call: Callable[[], Any]) -> bool:
        """Return False where the object is not there, or is another."""
        try:
            call()
        except ClientError as error:
            if aws.code(error) in MISSING or aws.status(error) == STATUS_CHANGED:
                return False
            aws.raise_world(error, f"archive {file.uri}")
        except BotoCoreError as error:
            aws.raise_world(error, f"archive {file.uri}")
        return True


def refusal(error: WorldDenied) -> str:
    """Return why a file stays, where the archive may not be used."""
    return f"it stays: {error}"
