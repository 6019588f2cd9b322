"""At the end of a run nothing may be left: no process on a state folder of ours."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.services.processes import living_in, wait_until

# A sweeper outlives its supervisor for as long as it takes to look around once.
LAST_LOOK_S = 10


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fails the run when a test has left a process of a started stack behind."""
    yield
    folders = (*tmp_path_factory.getbasetemp().rglob("stack*"), Path(os.environ["MODELYARD_HOME"]))
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not _left_in(folders), LAST_LOOK_S, "all have ended")
    left = _left_in(folders)
    assert not left, f"left behind: {left}"


def _left_in(folders: Sequence[Path]) -> dict[int, str]:
    """The processes on those folders but for this one, each with its command."""
    found = {pid: command for folder in folders for pid, command in living_in(folder).items()}
    found.pop(os.getpid(), None)
    return found
