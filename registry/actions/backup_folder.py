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
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from registry.actions.backup_faults import BackupRefused, Damaged, NotABackup

FORMAT = 1
MANIFEST = "manifest.json"
FILES = "files.jsonl"
SECRET = "secret_key"  # noqa: S105  the name of a file
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


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup has.

    ``files`` is null where the files of the storage were left out, else their number, their bytes
    and the digest of the list. ``secret`` says where the secret key is, and shows by
    ``fingerprint`` which it was. ``missing`` names files that the database named and the storage
    did not have, or not whole.
    """

    made_at: str
    engine: str
    migrations: list[list[str]]
    tables: list[TableFile]
    files: dict[str, Any] | None
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

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises NotABackup for a folder without one, or one of another format."""
        try:
            found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise NotABackup(
                f"{folder} has no {MANIFEST}: it is no backup, or one that was broken off."
            ) from None
        except (OSError, ValueError) as error:
            raise NotABackup(f"{folder / MANIFEST} cannot be read: {error}") from None
        try:
            if found["format"] != FORMAT:
                raise NotABackup(
                    f"{folder} was written in format {found['format']} by another release; this "
                    f"one reads format {FORMAT}."
                )
            tables = [TableFile(**table) for table in found.pop("tables")]
            return cls(tables=tables, **found)
        except (KeyError, TypeError, AttributeError) as error:
            raise NotABackup(f"{folder / MANIFEST} is not a backup's: {error!r}") from None


def new_folder(folder: Path) -> None:
    """Make the folder, for its owner only. Raises BackupRefused unless it is new or empty."""
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
    with (folder / FILES).open(encoding="utf-8") as lines:
        for line in lines:
            kept = KeptFile(**json.loads(line))
            if ".." in Path(kept.name).parts or Path(kept.name).is_absolute():
                raise Damaged(folder / FILES, f"names {kept.name!r}")
            yield kept


def check(path: Path, sha256: str) -> None:
    """Raise Damaged unless the file is there and has the digest."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Damaged(path, f"cannot be read ({error.strerror})") from None
    if found != sha256:
        raise Damaged(path, "has changed since it was written")
