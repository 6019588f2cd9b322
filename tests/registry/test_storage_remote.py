"""Bytes in a bucket: read by ranges, put once, copied here only when they are small."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.test import override_settings

from config.env import S3Store
from registry import storage
from registry.errors import StorageAway
from registry.storage import copies
from registry.storage.remote import bucket_of
from tests.services.s3 import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, running_s3

CONTENT = os.urandom(3 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def settings_of(address: str) -> dict[str, Any]:
    store = S3Store(BUCKET, "kept/here", address, "us-east-1", ACCESS_KEY, SECRET_KEY, "path")
    return store.as_storage()


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with running_s3("moto") as running:
        boto3.client(
            "s3",
            endpoint_url=running.address,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        ).create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def bucket(server: S3Server, tmp_path: Path) -> Iterator[Any]:
    from django.core.files.storage import storages

    with override_settings(
        STORAGES={"default": settings_of(server.address), "staticfiles": {"BACKEND": "none"}},
        MODELYARD_HOME=tmp_path,
    ):
        yield bucket_of(storages["default"])


def put(content: bytes) -> str:
    return storage.put(io.BytesIO(content)).sha256


def test_what_was_put_is_read_again_by_ranges(bucket: Any) -> None:
    assert put(CONTENT) == SHA256
    name = storage.blob_name(SHA256)
    assert storage.size_of(name) == len(CONTENT)
    assert storage.read_blob(SHA256) == CONTENT
    assert b"".join(storage.chunks_of(name)) == CONTENT
    with storage.opened(name) as file:
        file.seek(1_000_000)
        assert file.read(10) == CONTENT[1_000_000:1_000_010]
    with storage.opened_verified(SHA256) as file:
        assert file.read(5) == CONTENT[:5]


def test_nothing_held_is_missing(bucket: Any) -> None:
    for ask in (storage.size_of, storage.open_named, storage.local_path):
        with pytest.raises(storage.BlobMissing):
            ask("blobs/00/00")
    assert not storage.exists("blobs/00/00")
    storage.remove("blobs/00/00")


def test_a_name_that_is_held_stays_as_it_is(bucket: Any, tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        path = tmp_path / "file"
        path.write_bytes(content)
        storage.put_file(path, "batch/once")
    assert b"".join(storage.chunks_of("batch/once")) == b"first"
    storage.remove("batch/once")
    assert not storage.exists("batch/once")


def test_a_put_is_one_request(bucket: Any, tmp_path: Path) -> None:
    asked: list[str] = []
    events = bucket._client.meta.events
    events.register("before-send.s3", lambda request, **_: asked.append(request.method))
    path = tmp_path / "file"
    path.write_bytes(b"rows")
    storage.put_file(path, "batch/one-request")
    storage.size_of("batch/one-request")
    storage.size_of("batch/one-request")
    assert asked == ["PUT", "HEAD"]


def test_names_below_a_prefix_are_listed_with_sizes_and_times(bucket: Any, tmp_path: Path) -> None:
    for name in ("inbox/b.csv", "inbox/a.csv", "inbox-not/c.csv"):
        path = tmp_path / "file"
        path.write_bytes(name.encode())
        storage.put_file(path, name)
    found = list(storage.listed("inbox/"))
    assert [(one.name, one.size_bytes) for one in found] == [
        ("inbox/a.csv", 11),
        ("inbox/b.csv", 11),
    ]
    assert all(abs(one.modified.timestamp() - time.time()) < 60 for one in found)


def test_a_copy_is_made_once_and_made_again_when_it_was_damaged(bucket: Any) -> None:
    sha256 = put(b"a graph")
    path = storage.local_path(storage.blob_name(sha256))
    assert path.read_bytes() == b"a graph"
    before = path.stat().st_ino
    assert storage.local_path(storage.blob_name(sha256)).stat().st_ino == before

    path.write_bytes(b"a giraffe")
    with storage.open_verified(sha256) as file:
        assert file.read() == b"a graph"


def test_bytes_that_changed_in_the_bucket_are_not_copied(bucket: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"other bytes")
    name = storage.blob_name("ab" * 32)
    storage.put_file(path, name)
    with pytest.raises(storage.BlobDamaged):
        storage.open_verified("ab" * 32)
    with pytest.raises(storage.BlobDamaged), storage.opened_verified("ab" * 32):
        pass
    assert not (tmp_path / "cache" / name).exists()


def test_copies_that_were_asked_for_longest_ago_go_first(bucket: Any, tmp_path: Path) -> None:
    names = [storage.blob_name(put(bytes([at]) * 1_000)) for at in range(4)]
    paths = [storage.local_path(name) for name in names]
    for age, path in enumerate(paths):
        used_s = time.time() - 1_000 + age
        os.utime(path, (used_s, used_s))
    storage.local_path(names[0])  # asked for again just now

    assert storage.trim_cache(2_000) == 2_000
    assert [path.exists() for path in paths] == [True, False, False, True]
    assert storage.trim_cache(0) == 1_000, "what was asked for within a minute stays"
    assert copies.trim_cache(0) == 0


def test_a_server_that_is_not_there_is_away(tmp_path: Path) -> None:
    nowhere = settings_of("http://127.0.0.1:9")
    with (
        override_settings(
            STORAGES={"default": nowhere, "staticfiles": {"BACKEND": "none"}},
            MODELYARD_HOME=tmp_path,
        ),
        pytest.raises(StorageAway, match="did not answer"),
    ):
        storage.size_of("blobs/00/00")
