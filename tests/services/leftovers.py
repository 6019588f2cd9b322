"""At the end of a run nothing may be left: no process on a state folder of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.processes import living_in


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fails the run when a test has left a process of a started stack behind."""
    yield
    base = tmp_path_factory.getbasetemp()
    left = {
        pid: command
        for folder in (*base.rglob("stack*"), Path(os.environ["MODELYARD_HOME"]))
        for pid, command in living_in(folder).items()
        if pid != os.getpid()
    }
    assert not left, f"left behind: {left}"
