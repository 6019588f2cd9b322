"""Plain: a file that is hashed while it is written, so that nobody reads it again for that."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any


class HashingSink(io.RawIOBase):
    """A new file at ``path``; what was there is overwritten. It counts and hashes its bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._out = path.open("wb")
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, part: Any) -> int:
        """All of ``part``."""
        self._hash.update(part)
        self.size_bytes += len(part)
        return self._out.write(part)

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        self._out.flush()
        os.fsync(self._out.fileno())

    def close(self) -> None:
        """Close the file; the digest stays."""
        self._out.close()
        super().close()

    def sha256(self) -> str:
        """The digest of all that was written, in hexadecimal."""
        return self._hash.hexdigest()
