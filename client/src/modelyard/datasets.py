"""Named tables that the service holds: reading what it says of them, sending and fetching bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.bodies import FilePart, FileSource, Form
from modelyard.errors import DatasetRejected, RowError, UsageError
from modelyard.frames import arrow_table
from modelyard.optional import need
from modelyard.progress import Progress
from modelyard.transport import Call, Transport, path_of

TABLE_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".parquet")
DOWNLOAD_FORMATS = ("csv", "parquet")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A governed name. ``document`` is the service's whole answer."""

    name: str
    description: str = ""
    classification: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Dataset:
        """Read a dataset document."""
        return cls(
            name=str(document["name"]),
            description=document.get("description") or "",
            classification=document.get("classification"),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """Immutable rows under a number.

    ``status`` is pending, ready or rejected; ``rows`` and ``columns`` are known once it is ready;
    ``errors`` (the first 100 of ``error_count``) say by line and column why it was rejected.
    """

    name: str
    number: int
    status: str
    rows: int | None = None
    columns: tuple[Mapping[str, Any], ...] = ()
    tier: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    errors: tuple[RowError, ...] = ()
    error_count: int = 0
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, name: str) -> DatasetVersion:
        """Read a version document of the dataset called ``name``."""
        errors = tuple(RowError.from_json(e) for e in document.get("errors") or ())
        return cls(
            name=name,
            number=int(document["number"]),
            status=str(document["status"]),
            rows=document.get("rows"),
            columns=tuple(document.get("columns") or ()),
            tier=document.get("tier"),
            sha256=document.get("sha256"),
            size_bytes=document.get("size_bytes"),
            errors=errors,
            error_count=document.get("error_count") or len(errors),
            document=document,
        )

    @property
    def ref(self) -> str:
        """``name@number``: always these very rows."""
        return f"{self.name}@{self.number}"

    @property
    def is_settled(self) -> bool:
        """Whether the rows were read, well or not."""
        return self.status != "pending"

    def __str__(self) -> str:
        rows = "" if self.rows is None else f", {self.rows} rows"
        return f"{self.ref}: {self.status}{rows}"

    def raise_if_rejected(self) -> DatasetVersion:
        """The version itself, or DatasetRejected with the row errors."""
        if self.status != "rejected":
            return self
        raise DatasetRejected(
            f"The rows of {self.ref} cannot be read.",
            errors=self.errors,
            facts={"error_count": self.error_count},
        )


def is_table_file(path: Path) -> bool:
    """Whether the name ends as one of a table does."""
    return path.name.lower().endswith(TABLE_SUFFIXES)


def name_from(path: Path) -> str:
    """A dataset name out of a file's: without its suffixes, other characters made ``_``."""
    stem = path.name
    for suffix in sorted(TABLE_SUFFIXES, key=len, reverse=True):
        if stem.lower().endswith(suffix):
            stem = stem[: -len(suffix)]
            break
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in stem)
    name = plain.lstrip("_.-")[:63]
    if not name:
        raise UsageError(f"{path.name!r} gives no dataset name: choose one.")
    return name


@contextmanager
def table_file(table: Any) -> Iterator[Path]:
    """The path of a table: a file's own, or that of a Parquet file written for the block."""
    if isinstance(table, str | Path):
        path = Path(table)
        if path.is_file() and not is_table_file(path):
            known = ", ".join(TABLE_SUFFIXES)
            raise UsageError(f"{path.name!r} is no table file: one of {known} is taken.")
        yield path
        return
    arrow = arrow_table(table)
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        path = Path(folder) / "rows.parquet"
        need("pyarrow.parquet", "Sending a table").write_table(arrow, path)
        yield path


def send_dataset(
    transport: Transport, progress: Progress, path: Path, fields: Mapping[str, str]
) -> DatasetVersion:
    """Upload the file at ``path`` as a version of the dataset ``fields["name"]``, streaming."""
    source = FileSource(path)
    form = Form(fields, [FilePart("file", path.name, source)])
    with progress.step(f"Sending {path.name}", source.size_bytes, in_bytes=True) as step:
        call = Call("POST", "/datasets", body=form.body(step.reach), creates=True)
        document = transport.json(call)
    return DatasetVersion.from_json(document, name=fields["name"])


def fetch_dataset_version(transport: Transport, name: str, number: int) -> DatasetVersion:
    """What the service says of one version now."""
    path = path_of("datasets", name, "versions", number)
    return DatasetVersion.from_json(transport.json(Call("GET", path)), name=name)
