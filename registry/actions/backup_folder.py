"""What a backup looks like on disk.

manifest.json        written last: a folder without it is no backup, or one that was broken off
files.jsonl          a line for each file below: {"name", "sha256", "bytes"}
tables/<table>.jsonl.gz   a row per line, the values as a list, in the order of the columns
storage/<name>       the files that the rows name, under the names that the storage has
secret_key           where it is kept in the state folder, mode 0600
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

import msgspec

from registry.actions.backup_faults import BackupRefused, Damaged, NotABackup
from registry.conf import conf

FORMAT = 1
# Where backups of before updates are, in the state folder.
OWN = "backups"
# What the service tidies up there by itself.
_SWEPT = ("storage", "tmp", "cache", "run")
MANIFEST = "manifest.json"
FILES = "files.jsonl"
STORAGE = "storage"
SECRET = "secret_key"  # noqa: S105  the name of a file
# Names of blobs are digests, those of a job's files end with the beginning of one.
_DIGEST = re.compile(
    r"(?P<whole>[0-9a-f]{64})|.*-(?P<part>[0-9a-f]{16})-(results|rejects)\.parquet"
)
# Where the secret key is.
INCLUDED, ELSEWHERE = "included", "elsewhere"


@dataclass(frozen=True, slots=True)
class TableFile:
    """The rows of one table: how many, in which columns, and the file with its digest and size."""

    model: str
    columns: list[str]
    rows: int
    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the storage: its name there, digest and size in bytes."""

    name: str
    sha256: str
    bytes: int


class Listing(TypedDict):
    """Of the files in the list: how many, their bytes, and the digest of the list."""

    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup has.

    ``files`` is null where the files of the storage were left out. ``secret`` says where the secret
    key is, and shows by ``fingerprint`` which it was. ``missing`` names files that the database
    named and the storage did not have, or not whole.
    """

    made_at: str
    engine: str
    migrations: list[list[str]]
    tables: list[TableFile]
    files: Listing | None
    secret: str
    fingerprint: str
    missing: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)

    def write(self, folder: Path) -> None:
        """Make the backup a whole one: all that was written before is on the disk by then."""
        os.sync()
        half = folder / f"{MANIFEST}.part"
        with half.open("w", encoding="utf-8") as out:
            json.dump(asdict(self), out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        half.rename(folder / MANIFEST)
        os.sync()

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises NotABackup for a folder without one, or one of another format."""
        try:
            found = (folder / MANIFEST).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotABackup(
                f"{folder} has no {MANIFEST}: it is no backup, or one that was broken off."
            ) from None
        except OSError as error:
            raise NotABackup(f"{folder / MANIFEST} cannot be read: {error.strerror}") from None
        try:
            written = msgspec.json.decode(found, type=_Written)["format"]
            if written != FORMAT:
                raise NotABackup(
                    f"{folder} was written in format {written} by another release; this one reads "
                    f"format {FORMAT}."
                )
            return msgspec.json.decode(found, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NotABackup(f"{folder / MANIFEST} is not a backup's: {error}") from None


class _Written(TypedDict):
    """What any format has."""

    format: int


@contextmanager
def for_the_owner() -> Iterator[None]:
    """Files that are made within the block are their owner's alone: everything is in them."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def new_folder(folder: Path) -> None:
    """Make the folder, for its owner only. Raises BackupRefused unless it is new or empty."""
    if any(folder.resolve().is_relative_to((conf.home / own).resolve()) for own in _SWEPT):
        raise BackupRefused(
            f"{folder} lies where the service removes files that nobody names: name a folder "
            "elsewhere."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BackupRefused(
                f"{folder} is not empty: name a new folder. A backup without a {MANIFEST} was "
                "broken off and can be removed."
            )
        folder.chmod(0o700)
        (folder / "tables").mkdir()
    except OSError as error:
        raise BackupRefused(f"{folder} cannot be written: {error.strerror}.") from None


def listed_files(folder: Path, manifest: Manifest) -> Iterator[KeptFile]:
    """The files of the storage, by name. Raises Damaged for a list that is not the one written."""
    if manifest.files is None:
        return
    check(folder / FILES, manifest.files["sha256"])
    with (folder / FILES).open("rb") as lines:
        for line in lines:
            try:
                kept = msgspec.json.decode(line, type=KeptFile)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise Damaged(folder / FILES, f"has a line that names no file ({error})") from None
            path_of(folder, f"{STORAGE}/{kept.name}")
            if not fits(kept.name, kept.sha256):
                raise Damaged(folder / FILES, f"gives {kept.name} the digest of other bytes")
            yield kept


def fits(name: str, sha256: str) -> bool:
    """Whether bytes of this digest may have the name: those of blobs and of jobs say which."""
    said = _DIGEST.fullmatch(name.rpartition("/")[2])
    return said is None or sha256.startswith(said["whole"] or said["part"])


def path_of(folder: Path, name: str) -> Path:
    """Where a file of the backup lies. Raises Damaged for a name or a link that leads elsewhere."""
    steps = name.split("/")
    if not all(steps) or {".", ".."} & {*steps} or "\\" in name or "\0" in name:
        raise Damaged(folder, f"names {name!r}")
    path = folder
    for step in steps:
        path /= step
        if path.is_symlink():
            raise Damaged(path, "is a link, which no backup has")
    return path


def check(path: Path, sha256: str) -> None:
    """Raise Damaged unless the file is there and has the digest."""
    try:
        if not path.is_file():
            raise Damaged(path, "is not there" if not path.exists() else "is no file")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Damaged(path, f"cannot be read ({error.strerror})") from None
    if found != sha256:
        raise Damaged(path, "has changed since it was written")
