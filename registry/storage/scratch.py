"""Files of this machine that are not yet, or no longer, kept; and what killed processes left."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from registry.conf import conf

SCRATCH_KEPT = timedelta(days=1)


def scratch_folder() -> Path:
    """A local folder for files that are not yet, or no longer, kept."""
    folder = conf.home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def scratch_file(suffix: str = "") -> Iterator[Path]:
    """A local path of our own; whatever stands there at the end is removed."""
    handle, name = tempfile.mkstemp(dir=scratch_folder(), suffix=suffix)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def sweep_scratch(*, older_than: timedelta = SCRATCH_KEPT) -> int:
    """Remove what killed processes have left of this machine's scratch files; how many it was.

    Whoever still works on a file writes to it, so that it is not old.
    """
    born_before_s = time.time() - older_than.total_seconds()
    old = [path for path in scratch_folder().iterdir() if _is_old_file(path, born_before_s)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _is_old_file(path: Path, before_s: float) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_mtime <= before_s
