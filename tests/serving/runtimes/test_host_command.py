"""``manage.py modelhost`` becomes a program without Django and without secrets."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from serving.runtimes.isolation.client import HostClient
from tests.serving.runtimes.hosts import running, until

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_becomes_the_host_under_its_own_process_id(tmp_path: Path) -> None:
    socket = tmp_path / "run" / "host.sock"
    secret = "a-secret-that-no-model-may-read-0123456789"
    started = subprocess.Popen(
        [sys.executable, "manage.py", "modelhost", "--socket", str(socket)],
        cwd=ROOT,
        env={**os.environ, "MODELYARD_HOME": str(tmp_path), "SECRET_KEY": secret},
        stderr=subprocess.DEVNULL,
    )
    client = HostClient(socket)
    try:
        until(lambda: started.poll() is not None or client.alive(), 120)
        assert client.status()["pid"] == started.pid
        for name in ("environ", "cmdline"):
            assert secret not in Path(f"/proc/{started.pid}/{name}").read_text()
    finally:
        started.terminate()
        assert started.wait(20) == 0
        client.close()
    assert not socket.exists()


@pytest.mark.parametrize(
    ("without", "told"),
    [((), "full"), (("landlock",), "rlimits-only (landlock: left off by --without)")],
)
def test_the_command_says_what_the_running_host_confines(
    tmp_path: Path, without: tuple[str, ...], told: str
) -> None:
    with (
        running(tmp_path / "h.sock", is_warmed=False, without=without) as started,
        override_settings(
            MODELYARD={**settings.MODELYARD, "MODELHOST_SOCKET": str(started.socket)}
        ),
    ):
        level = started.client.status()["confinement"]["level"]
        out = io.StringIO()
        call_command("modelhost", level=True, stdout=out)
        assert out.getvalue().startswith(level)
        if level == told.split()[0]:
            assert out.getvalue().strip() == told


def test_the_command_says_that_no_host_runs(tmp_path: Path) -> None:
    out = io.StringIO()
    with override_settings(
        MODELYARD={**settings.MODELYARD, "MODELHOST_SOCKET": str(tmp_path / "nobody")}
    ):
        call_command("modelhost", level=True, stdout=out)
    assert "does not answer" in out.getvalue()
