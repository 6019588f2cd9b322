"""Storage: bytes that come in; what killed processes leave of their scratch files."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation

from registry import storage
from registry.errors import StorageFull
from registry.storage.incoming import Incoming


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("registry.storage.scratch.scratch_folder", lambda: tmp_path)
    return tmp_path


def aged(path: Path, age: timedelta) -> Path:
    path.write_bytes(b"half a result")
    born_s = time.time() - age.total_seconds()
    os.utime(path, (born_s, born_s))
    return path


def test_scratch_files_of_yesterday_are_removed_and_others_stay(scratch: Path) -> None:
    old = aged(scratch / "old.parquet", timedelta(hours=25))
    young = aged(scratch / "young.parquet", timedelta(hours=23))
    folder = scratch / "folder"
    folder.mkdir()
    elsewhere = aged(scratch.parent / "elsewhere", timedelta(days=9))
    (scratch / "link").symlink_to(elsewhere)

    assert storage.sweep_scratch() == 1

    assert sorted(path.name for path in scratch.iterdir()) == ["folder", "link", "young.parquet"]
    assert elsewhere.exists()
    assert not old.exists()
    assert storage.sweep_scratch(older_than=timedelta(hours=1)) == 1
    assert not young.exists()


def test_a_file_that_goes_away_meanwhile_is_no_error(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(scratch / "old", timedelta(days=2))
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([scratch / "gone", scratch / "old"]))

    assert storage.sweep_scratch() == 1


def test_a_file_on_this_machine_is_listed_read_in_pieces_and_removed() -> None:
    for name in ("inbox/l/day/b.csv", "inbox/l/a.csv", "inbox/ll/c.csv"):
        with storage.scratch_file() as path:
            path.write_bytes(b"x" * 10)
            storage.put_file(path, name)

    found = [one.name for one in storage.listed("inbox/l/")]
    assert found == ["inbox/l/a.csv", "inbox/l/day/b.csv"]
    assert [len(piece) for piece in storage.chunks_of("inbox/l/a.csv", at_once=4)] == [4, 4, 2]
    assert storage.size_of("inbox/l/a.csv") == 10
    for name in ("inbox/l/day/b.csv", "inbox/l/a.csv", "inbox/ll/c.csv"):
        storage.remove(name)
    assert list(storage.listed("inbox/l/")) == []
    with pytest.raises(storage.BlobMissing):
        storage.size_of("inbox/l/a.csv")


def test_what_leads_out_of_the_storage_is_not_listed() -> None:
    with pytest.raises(SuspiciousFileOperation):
        list(storage.listed("../"))


def test_what_comes_in_pieces_is_counted_hashed_and_whole(tmp_path: Path) -> None:
    pieces = [bytes([number]) * 70_000 for number in range(40)]
    incoming = Incoming(tmp_path / "new")
    for piece in pieces:
        incoming.write(piece)
    stored = incoming.finish()
    whole = b"".join(pieces)
    assert (tmp_path / "new").read_bytes() == whole
    assert stored == storage.Stored(hashlib.sha256(whole).hexdigest(), len(whole))


@pytest.mark.parametrize("size", [10, 70_000, 1 << 20])
@pytest.mark.parametrize("pieces", [1, 40])
def test_a_full_disk_is_told_to_whoever_sends(pieces: int, size: int) -> None:
    with pytest.raises(StorageFull), closing(Incoming(Path("/dev/full"))) as incoming:
        _send(incoming, pieces, size)


def _send(incoming: Incoming, pieces: int, size: int) -> None:
    for _ in range(pieces):
        incoming.write(b"x" * size)
    incoming.finish()


def test_a_file_that_is_given_up_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    incoming = Incoming(tmp_path / "new")
    incoming.write(b"x")
    incoming.close()
    incoming.close()
    assert threading.active_count() == before
