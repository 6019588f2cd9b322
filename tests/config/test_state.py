"""The state folder: private, with a secret that is made once and sockets that fit."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import state
from config.env import SettingError


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(state.secret_key, [tmp_path] * 8))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_an_empty_secret_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    assert len(state.secret_key(tmp_path)) >= 50


def test_a_state_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"^MODELYARD_HOME: .* cannot be written"):
        state.prepare(tmp_path / "file" / "home")


def test_the_state_folder_is_private(tmp_path: Path) -> None:
    state.prepare(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == sorted(state.FOLDERS)


def test_sockets_of_a_deep_state_folder_lie_in_a_private_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    short = state.socket_folder(deep)
    assert short == state.socket_folder(deep) != deep / "run"
    assert len(os.fsencode(short)) < 60
    assert stat.S_IMODE(short.stat().st_mode) == 0o700
    short.rmdir()


def test_a_short_socket_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("y" * 120)
    short = state.socket_folder(deep)
    short.chmod(0o755)
    with pytest.raises(SettingError, match="belongs to somebody else"):
        state.socket_folder(deep)
    short.rmdir()
