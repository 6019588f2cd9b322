"""Program: reads a large CSV into parts with only so much more memory than it began with.

    python -m tests.registry.tabular.little_memory FOLDER MIB_OF_CSV MIB_OF_MEMORY

Prints how many rows were read. The limit is the system's own, on all private memory.
"""

from __future__ import annotations

import io
import itertools
import re
import resource
import sys
from pathlib import Path

from registry.tabular import reader_of, to_parts

MIB = 1 << 20
HEADER = b"id,city,note,x,y\n"
LINE = b'10000001,Trondheim,"a note, with ""quotes""\nand two lines",-0.25,12345.678\n'


class ManyLines(io.RawIOBase):
    """So many equal lines below a header, seekable, none of them kept."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._size = len(HEADER) + lines * len(LINE)
        self._at = 0
        self._block = LINE * (MIB // len(LINE))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._at < len(HEADER):
            found = HEADER[self._at :]
        else:
            start = (self._at - len(HEADER)) % len(LINE)
            found = self._block[start:]
        left = self._size - self._at
        found = found[: left if size < 0 else min(size, left)]
        self._at += len(found)
        return found


def data_bytes() -> int:
    """What RLIMIT_DATA counts."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^VmData:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def read(folder: Path, lines: int) -> int:
    paths = (folder / f"{lines}-{number}.parquet" for number in itertools.count())
    reader = reader_of(ManyLines(lines), "csv", max_bytes=1 << 40)  # type: ignore[arg-type]
    return to_parts(reader, lambda: next(paths), most_groups=4).rows


def main(folder: Path, csv_mib: int, memory_mib: int) -> None:
    read(folder, 1_000)  # all libraries are loaded, all threads are there
    allowed = data_bytes() + memory_mib * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    print(read(folder, csv_mib * MIB // len(LINE)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
