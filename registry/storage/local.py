"""A file system: a file appears whole or not at all, and is still there after a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path


def move_durably(source: Path, target: Path) -> None:
    """Rename a file of the same file system; it, its name and new folders above are flushed."""
    make_folders(target.parent)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.chmod(0o640)
    os.replace(source, target)
    _flush_folder(target.parent)


def touch(path: Path) -> bool:
    """Let a file count as written now; False where there is none."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def remove_untouched(path: Path, since: datetime) -> bool:
    """Remove a file that was not written and not touched since; whether it was removed.

    It is renamed first: whoever touches the name from then on finds nothing and writes a new file,
    and what was touched just before shows by its time, and gets its name back.
    """
    going = path.with_name(f"{path.name}.{os.getpid()}.going")
    try:
        os.rename(path, going)
    except FileNotFoundError:
        return False
    is_old = going.stat().st_mtime < since.timestamp()
    if not is_old:
        with suppress(FileExistsError):
            os.link(going, path)
    going.unlink()
    return is_old


def make_folders(folder: Path) -> None:
    """The folder and those above it; the name of each new one is flushed in the one above."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush_folder(folder.parent)


def files_below(root: Path, prefix: str) -> Iterator[tuple[str, int, datetime]]:
    """Name from ``root`` on, size in bytes and time of change of each file, in order of names.

    A file that goes away meanwhile is left out; links are not followed.
    """
    start = root / prefix.rpartition("/")[0]
    for folder, folders, names in os.walk(start):
        folders.sort()
        for path in sorted(Path(folder, name) for name in names):
            name = path.relative_to(root).as_posix()
            if name.startswith(prefix) and not path.is_symlink():
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                yield name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
