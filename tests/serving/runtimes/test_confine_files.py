"""Hostile files, opened without any gate in a locked child: nothing around it changes."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import CheckRefused, DomainError
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import HostUnavailable
from tests.serving.runtimes.hosts import RunningHost, running
from tests.serving.runtimes.test_probes_of_confinement import HOSTILE, Surroundings

CORPUS = os.environ.get("MODELYARD_CORPUS", "")
IS_LONG = os.environ.get("MODELYARD_LONG") == "1"


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    found = Surroundings(tmp_path_factory.mktemp("c"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder = tmp_path_factory.mktemp("files")
    with running(folder / "h.sock", is_warmed=False, runtimes=HOSTILE) as started:
        if started.client.status()["confinement"]["level"] == "rlimits-only":
            pytest.skip("this machine offers no Landlock or no seccomp")
        yield started


def calling(module: str, name: str, *arguments: object) -> bytes:
    """A pickle that calls a function of that name when it is opened."""
    packed = pickle.dumps(arguments, 2)[2:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + packed + b"R."


def opened(host: RunningHost, content: bytes) -> str:
    """Open it as nobody should; ``loaded``, or the kind of error."""
    digest = hashlib.sha256(content).hexdigest()
    spec = ModelSpec(digest, "pickle", "hostile", digest)
    try:
        with host.client.inspect(lambda: io.BytesIO(content), spec, deadline_s=3.0) as child:
            child.load()
    except HostUnavailable:
        raise
    except (DomainError, CheckRefused) as error:
        return type(error).__name__
    return "loaded"


def test_a_harmless_pickle_loads(host: RunningHost) -> None:
    assert opened(host, calling("builtins", "len", "abc")) == "loaded"


@pytest.mark.parametrize(
    ("module", "name", "target", "error"),
    [
        ("builtins", "open", "write", "ModelRaised"),
        ("builtins", "open", "read", "ModelRaised"),
        ("os", "remove", "read", "ModelRaised"),
        ("os", "listdir", "list", "ModelRaised"),
        ("shutil", "rmtree", "list", "ModelRaised"),
        ("os", "fork", None, "ModelRaised"),
        ("os", "execv", "exec", "ModelDied"),
        ("os", "abort", None, "ModelDied"),
        ("socket", "create_connection", "tcp", "ModelRaised"),
        ("urllib.request", "urlopen", "http", "ModelRaised"),
        ("os", "kill", "parent", "ModelRaised"),
        ("ctypes", "string_at", "zero", "ModelDied"),
    ],
)
def test_a_file_that_calls_something_gets_no_further(
    host: RunningHost, around: Surroundings, module: str, name: str, target: str | None, error: str
) -> None:
    arguments: dict[str | None, tuple[object, ...]] = {
        None: (),
        "write": (around.targets["write"], "w"),
        "read": (around.targets["read"],),
        "list": (around.targets["list"],),
        "exec": ("/bin/true", ("true",)),
        "tcp": (("127.0.0.1", int(around.targets["tcp connect"])),),
        "http": (f"http://127.0.0.1:{around.targets['tcp connect']}/",),
        "parent": (host.process.pid, 9),
        "zero": (0,),
    }
    assert opened(host, calling(module, name, *arguments[target])) == error
    around.assert_untouched()
    assert host.process.poll() is None


@pytest.mark.parametrize("command", ["touch {created}", "rm -r {folder}", "kill -9 {pid}"])
def test_a_file_that_runs_a_command_runs_none(
    host: RunningHost, around: Surroundings, command: str
) -> None:
    filled = command.format(
        created=around.created, folder=around.targets["list"], pid=host.process.pid
    )
    # os.system gives the failure back as a number: the file loads, and nothing was run.
    for module, name, argument in (
        ("posix", "system", filled),
        ("subprocess", "Popen", filled.split()),
        ("os", "popen", filled),
    ):
        opened(host, calling(module, name, argument))
        around.assert_untouched()
    assert host.process.poll() is None


def malicious() -> list[Path]:
    with (Path(CORPUS) / "manifest.tsv").open(encoding="utf-8", newline="") as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    found = [Path(CORPUS) / row["file"] for row in rows if row["expected"] == "malicious"]
    if IS_LONG:
        return found
    return random.Random(20).sample(found, len(found) // 10)


@pytest.mark.skipif(not CORPUS, reason="MODELYARD_CORPUS is not set")
def test_the_hostile_files_of_the_corpus_touch_nothing(
    host: RunningHost, around: Surroundings, tmp_path: Path
) -> None:
    environment, here = dict(os.environ), sorted(os.listdir())
    temporary = set(os.listdir("/tmp"))
    files = malicious()
    for path in files:
        opened(host, path.read_bytes())
        around.assert_untouched()
    assert files
    assert host.process.poll() is None
    assert dict(os.environ) == environment
    assert sorted(os.listdir()) == here
    assert not {name for name in os.listdir("/tmp") if name not in temporary and "pwn" in name}
