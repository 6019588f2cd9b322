"""A CSV file ten times larger than the memory that may be taken is read; the limit is real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawing import IS_LONG
from tests.registry.tabular.little_memory import LINE, MIB

# In the long run the limit is what a small container has.
MEMORY_MIB = 256 if IS_LONG else 48


def run(folder: Path, csv_mib: int, memory_mib: int) -> subprocess.CompletedProcess[str]:
    words = (str(folder), str(csv_mib), str(memory_mib))
    command = [sys.executable, "-m", "tests.registry.tabular.little_memory", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on private memory is Linux's")
def test_a_csv_of_ten_times_the_memory_is_read(tmp_path: Path) -> None:
    done = run(tmp_path, MEMORY_MIB * 10, MEMORY_MIB)

    assert done.returncode == 0, done.stderr[-2_000:]
    assert int(done.stdout) == MEMORY_MIB * 10 * MIB // len(LINE)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on private memory is Linux's")
def test_the_limit_is_felt(tmp_path: Path) -> None:
    """Otherwise the test above would say nothing."""
    done = run(tmp_path, 200, 4)

    assert done.returncode != 0
    assert "memory" in done.stderr.lower()
