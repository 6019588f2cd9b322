"""A bucket of an S3 server: ranges read, one conditional put, and what its errors mean here.

The requests are those of Amazon's API of 2006-03-01; `If-None-Match` on a put is of 2024, and a
server that does not know it takes the put as it is: the same bytes under the same name.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from registry.errors import StorageAway
from registry.storage.faults import BlobMissing, no_space

# One put may have 5 GiB; what is larger goes in pieces, without the condition.
SINGLE_PUT_BYTES = 1 << 30
RETRY_AFTER_S = 10
# Far below the age at which files that no row names are removed.
RECENT = timedelta(hours=1)
TRIES = 3
SIZES_KNOWN = 4_096
_MISSING = {"404", "NoSuchKey", "NotFound"}
_EXISTS = {"412", "PreconditionFailed"}
_CONFLICT = {"409", "ConditionalRequestConflict"}
_FULL = {"507", "InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "EntityTooLarge"}
_NO_CONDITIONS = {"501", "NotImplemented"}


class Bucket:
    """The objects below one prefix of a bucket. Thread-safe, and of this process alone."""

    def __init__(self, client: Any, name: str, location: str) -> None:
        self._client = client
        self._bucket = name
        self._location = location.strip("/")
        # Nothing is ever written anew under a name, so a size is asked for once.
        self._known_size = lru_cache(maxsize=SIZES_KNOWN)(self._asked_size)

    def size_of(self, name: str) -> int:
        """The size in bytes. Raises BlobMissing, StorageAway."""
        size: int = self._known_size(name)
        return size

    def exists(self, name: str) -> bool:
        """Whether there is an object under the name now."""
        try:
            self._asked_size(name)
        except BlobMissing:
            return False
        return True

    def fetch(self, name: str, start: int, stop: int) -> bytes:
        """The bytes ``start`` up to ``stop``. Raises BlobMissing, StorageAway."""
        for is_last in [False] * (TRIES - 1) + [True]:
            with _named_errors(name):
                answer = self._client.get_object(
                    Range=f"bytes={start}-{stop - 1}", **self._of(name)
                )
                try:
                    found: bytes = answer["Body"].read()
                except Exception:  # cut off in the middle, which the client does not try again
                    if is_last:
                        raise
                    continue
            if len(found) == stop - start:
                return found
        raise StorageAway(f"A part of {name} came incomplete.", retry_after_s=RETRY_AFTER_S)

    def put(self, path: Path, name: str) -> None:
        """Hold a local file under the name, unless something is held there already.

        What has been there for long is written again, the same bytes: it counts as written now.
        """
        with _named_errors(name):
            if path.stat().st_size > SINGLE_PUT_BYTES:
                if not self._was_written(name, datetime.now(UTC) - RECENT):
                    self._client.upload_file(str(path), self._bucket, self._key(name))
                return
            code = self._put_once(path, name, IfNoneMatch="*")
            is_held = code in _EXISTS
            if is_held and self._was_written(name, datetime.now(UTC) - RECENT):
                return
            if is_held or code in _NO_CONDITIONS | _CONFLICT:
                self._put_once(path, name)

    def remove(self, name: str) -> None:
        """Let the object go; nothing happens where there is none."""
        with _named_errors(name):
            self._client.delete_object(**self._of(name))

    def remove_untouched(self, name: str, since: datetime) -> bool:
        """Remove what was not written since; whether it was. There is no one request for both."""
        if not self.exists(name) or self._was_written(name, since):
            return False
        self.remove(name)
        return True

    def _was_written(self, name: str, since: datetime) -> bool:
        """Whether there is an object that was written, or written again, since."""
        with _named_errors(name):
            try:
                found = self._client.head_object(**self._of(name))
            except self._client.exceptions.ClientError as error:
                if _code_of(error) in _MISSING:
                    return False
                raise
        return bool(found["LastModified"] >= since)

    def listed(self, prefix: str) -> Iterator[tuple[str, int, datetime]]:
        """Name, size in bytes and time of each object, in order; one question per 1,000 names."""
        pages = self._client.get_paginator("list_objects_v2")
        skipped = len(self._location) + 1 if self._location else 0
        with _named_errors(prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._key(prefix)):
                for found in page.get("Contents", ()):
                    yield found["Key"][skipped:], found["Size"], found["LastModified"]

    def _put_once(self, path: Path, name: str, **condition: str) -> str:
        """The code of a refusal that is none, or nothing."""
        from botocore.exceptions import ClientError

        with path.open("rb") as body:
            try:
                self._client.put_object(Body=body, **self._of(name), **condition)
            except ClientError as error:
                code = _code_of(error)
                if condition and code in _EXISTS | _CONFLICT | _NO_CONDITIONS:
                    return code
                raise
        return ""

    def _asked_size(self, name: str) -> int:
        with _named_errors(name):
            return int(self._client.head_object(**self._of(name))["ContentLength"])

    def _of(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(name)}

    def _key(self, name: str) -> str:
        return f"{self._location}/{name}" if self._location else name


def bucket_of(storage: Any) -> Bucket:
    """The bucket of a ``storages.backends.s3.S3Storage``: one client for all threads.

    A forked child makes its own, from a copy that has no connections: two processes must not share
    one.
    """
    held = getattr(storage, "_modelyard_bucket", None)
    if held is None or held[0] != os.getpid():
        client = copy.copy(storage).connection.meta.client
        held = (os.getpid(), Bucket(client, storage.bucket_name, storage.location))
        storage._modelyard_bucket = held
    bucket: Bucket = held[1]
    return bucket


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    """Raises BlobMissing, StorageFull and StorageAway in place of the client's own errors."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        code = _code_of(error)
        if code in _MISSING:
            raise BlobMissing(name) from None
        if code in _FULL:
            raise no_space() from error
        raise StorageAway(
            f"The storage refused {name}: {code}.", retry_after_s=RETRY_AFTER_S
        ) from error
    except (BotoCoreError, Boto3Error, HTTPError, ConnectionError, TimeoutError) as error:
        what = type(error).__name__
        raise StorageAway(
            f"The storage did not answer for {name} ({what}).", retry_after_s=RETRY_AFTER_S
        ) from error


def _code_of(error: Any) -> str:
    """The error's code; the HTTP status where an answer without a body has no other."""
    code: str = error.response.get("Error", {}).get("Code", "")
    return code
