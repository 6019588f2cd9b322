"""What the batch figures stand on: many tabular rows, a service that holds them, and scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.scoring_figures import graph_of
from benchmarks.service import Service, started
from benchmarks.workload import NUMBERS, TEXTS, VALUES, Trained, trained

SEED = 11
# Fewer for a trial: `BENCH_ROWS=500000 python -m benchmarks batch`.
ROWS = int(os.environ.get("BENCH_ROWS", "5000000"))
GROUP_ROWS = 1 << 16
GAPS = 0.1
PEERS = Path(__file__).parent / "peers"
LIMIT_S = 1_800
PEAK_EVERY_S = 0.5


@dataclass(frozen=True)
class Ground:
    """The running service with the tabular model, and the same graph and rows for scripts."""

    service: Service
    model: Trained
    graph: Path
    folder: Path

    def source(self, rows: int) -> Path:
        """A file with so many rows that the service holds as the dataset ``rows-<count>``."""
        path = self.folder / f"rows-{rows}.parquet"
        if not path.exists():
            write_rows(path, rows)
            self.send(path, path.stem)
        return path

    def send(self, path: Path, name: str) -> dict[str, Any]:
        """Upload a file as a dataset; the version once it is ready."""
        session, url = self.service.session, f"{self.service.url}/api/v1/datasets"
        with path.open("rb") as file:
            answer = session.post(
                url, data=_form(name, path.name, file), headers=_FORM, timeout=LIMIT_S
            )
        answer.raise_for_status()
        return _wait(session, answer.json()["url"], "status", ("pending",), "ready")

    def job(self, rows: int, *, keeps: bool) -> dict[str, Any]:
        """Score the dataset of so many rows; the job once it has ended well.

        And once the worker is done with the profile of its results, which it makes afterwards: what
        is measured next has the machine to itself.
        """
        asked = {
            "model": self.model.name,
            "dataset": self.source(rows).stem,
            "keep_columns": "all" if keeps else [],
        }
        session = self.service.session
        answer = session.post(f"{self.service.url}/api/v1/batch-jobs", json=asked, timeout=60)
        answer.raise_for_status()
        url = answer.json()["url"]
        ended = _wait(session, url, "state", ("queued", "running"), "completed")
        assert ended["rows_done"] == rows, ended
        _wait(session, _first_version(ended), "profile_state", ("waiting",), "found")
        return ended

    def first_results(self, job: dict[str, Any]) -> pa.Table:
        """The first row group of what a job has written, as it is downloaded."""
        path = self.folder / "results.parquet"
        link = f"{job['links']['results']}?format=parquet"
        with self.service.session.get(link, stream=True, timeout=LIMIT_S) as answer:
            answer.raise_for_status()
            with path.open("wb") as out:
                for piece in answer.iter_content(1 << 20):
                    out.write(piece)
        return pq.ParquetFile(path).read_row_group(0)

    def scripts_s(self, rows: int, *, keeps: bool) -> float:
        """Two scripts with half of the row groups each: from the word to go to their end."""
        groups = -(-rows // GROUP_ROWS)
        bounds = (0, (groups + 1) // 2, groups)
        halves = [
            self._script(rows, bounds[at], bounds[at + 1], self.half(at), keeps) for at in (0, 1)
        ]
        for script in halves:
            assert _line(script) == "ready"
        began_s = time.perf_counter()
        for script in halves:
            print(file=script.stdin, flush=True)
        done = sum(int(_line(script)) for script in halves)
        took_s = time.perf_counter() - began_s
        for script in halves:
            script.communicate()
        assert done == rows
        return took_s

    def pandas(self, rows: int) -> tuple[float, int]:
        """pandas, the model itself and one process: seconds from the word to go, peak in bytes."""
        script = _started(
            "pandas_batch.py",
            (self.source(rows), self.folder / "pandas.parquet", self.model.file),
            {"PATH": os.environ["PATH"]},
        )
        assert _line(script) == "ready"
        began_s = time.perf_counter()
        print(file=script.stdin, flush=True)
        done, peak_bytes = map(int, _line(script).split())
        took_s = time.perf_counter() - began_s
        script.communicate()
        assert done == rows
        return took_s, peak_bytes

    def half(self, at: int) -> Path:
        """Where a script writes."""
        return self.folder / f"half{at}.parquet"

    def _script(
        self, rows: int, first: int, stop: int, target: Path, keeps: bool
    ) -> subprocess.Popen[str]:
        words = (self.source(rows), target, first, stop, "keep" if keeps else "drop")
        env = {
            "PATH": os.environ["PATH"],
            "GRAPH": str(self.graph),
            "COLUMNS": json.dumps([*NUMBERS, *TEXTS]),
            "TEXTS": json.dumps(TEXTS),
        }
        return _started("stream_batch.py", words, env)


def _started(program: str, words: tuple[object, ...], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PEERS / program), *map(str, words)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def ground(settings: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """A service of its own with the tabular model."""
    with (
        TemporaryDirectory(prefix="modelyard-bench-") as made,
        started(demo=False, settings=settings) as service,
    ):
        folder = Path(made)
        model = trained("tabular", folder)
        version = service.register(model)
        yield Ground(service, model, graph_of(model, version, folder), folder)


def took_s(job: dict[str, Any]) -> float:
    """From a job's acceptance to its end, as its own times say."""
    accepted, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
    return (ended - accepted).total_seconds()


def write_rows(path: Path, count: int) -> None:
    """Ten numbers of which a tenth is missing, four texts, in a file as pyarrow writes it."""
    random = np.random.default_rng(SEED)
    with pq.ParquetWriter(path, _table(random, 0).schema) as writer:
        for start in range(0, count, GROUP_ROWS):
            rows = min(GROUP_ROWS, count - start)
            writer.write_table(_table(random, rows), row_group_size=GROUP_ROWS)


def _table(random: np.random.Generator, rows: int) -> pa.Table:
    columns = {
        name: pa.array(random.normal(at, 1 + at, rows), mask=random.random(rows) < GAPS)
        for at, name in enumerate(NUMBERS)
    }
    for name in TEXTS:
        codes = pa.array(random.integers(0, len(VALUES[name]), rows), pa.int32())
        columns[name] = pa.array(VALUES[name], pa.string()).take(codes)
    return pa.table(columns)


class Peaks:
    """The most memory that the worker's processes have held within the block, in bytes.

    ``largest`` is of one process, ``together`` of all at one moment, where what several share
    counts once. The ledger has the system forget an earlier peak at each attempt, so it is read
    often.
    """

    def __init__(self, service: Service) -> None:
        self.largest = self.together = 0
        self._service = service
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        pids = self._service.processes("celery", "worker")
        while not self._is_over.wait(PEAK_EVERY_S):
            self.largest = max(self.largest, *(_held(pid, "status", "VmHWM") for pid in pids))
            shares = sum(_held(pid, "smaps_rollup", "Pss") for pid in pids)
            self.together = max(self.together, shares)


def _held(pid: int, file: str, line: str) -> int:
    """Zero for a process that is no longer there."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{line}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


_BOUNDARY = "modelyard-bench"
_FORM = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def _form(name: str, file_name: str, file: Any) -> Iterator[bytes]:
    """A form with one file, sent as it is read: requests itself would hold all of it in memory."""
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="'
    yield f'{part}name"\r\n\r\n{name}\r\n'.encode()
    yield f'{part}file"; filename="{file_name}"\r\n\r\n'.encode()
    while piece := file.read(1 << 20):
        yield piece
    yield f"\r\n--{_BOUNDARY}--\r\n".encode()


def _first_version(ended: Mapping[str, Any]) -> str:
    return f"{ended['links']['output_dataset']}/versions/1"


def _wait(
    session: Any, url: str, member: str, waiting: tuple[str, ...], end: str
) -> dict[str, Any]:
    began_s = time.monotonic()
    while (waited_s := time.monotonic() - began_s) < LIMIT_S:
        found: dict[str, Any] = session.get(url, timeout=30).json()
        if found[member] not in waiting:
            break
        # Often at first; later seldom, since to answer costs what is measured.
        time.sleep(0.05 if waited_s < 2 else min(1, waited_s / 20))
    if found[member] != end:
        raise RuntimeError(f"{url} is {found[member]}: {json.dumps(found)[:2_000]}")
    return found


def _line(script: subprocess.Popen[str]) -> str:
    assert script.stdout is not None
    return script.stdout.readline().strip()
