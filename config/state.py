"""The state folder: makes it, checks that it can be written, keeps the generated secret."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from config.env import SettingError

FOLDERS = ("log", "run", "static", "storage", "tmp")
# The longest path that fits sockaddr_un (108 bytes with its end), less the longest name used.
_SOCKET_FOLDER_MAX_BYTES = 107 - len("/modelhost-00000000.sock")


def prepare(home: Path) -> None:
    """Make the state folder and what belongs into it, readable by its owner only.

    Raises SettingError when it cannot be made or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in FOLDERS:
            (home / name).mkdir(exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise SettingError(
            "MODELYARD_HOME",
            f"the state folder {home} cannot be written ({error.strerror}).",
            "Name a folder that you may write to.",
        ) from error


def socket_folder(home: Path) -> Path:
    """Where Unix sockets lie: ``run`` in the state folder, unless its path is too long for one.

    Then it is a private folder beside the system's temporary files, named after the state folder.
    """
    folder = home / "run"
    if len(os.fsencode(folder)) <= _SOCKET_FOLDER_MAX_BYTES:
        return folder
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"modelyard-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    # lstat, not stat: another user could have put a link there before us.
    found = short.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o170777 != 0o040700:
        raise SettingError(
            "MODELYARD_HOME", f"{short} belongs to somebody else.", "Use a shorter state folder."
        )
    return short


def secret_key(home: Path) -> str:
    """The generated secret of this state folder; made once, mode 0600, whoever starts first."""
    path = home / "secret_key"
    try:
        return _read(path) or _make(path)
    except OSError as error:
        raise SettingError(
            "SECRET_KEY", f"{path} cannot be kept ({error.strerror}).", "Set SECRET_KEY."
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> str:
    """Write a whole file under another name first, then link it: no reader sees half a key."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret_key")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(64))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(name, path)
    except FileExistsError:
        if not _read(path):
            os.replace(name, path)
            return _read(path)
    os.unlink(name)
    return _read(path)
