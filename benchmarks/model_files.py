"""What distrust costs: looking into model files, and scoring in a process of their own."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.measure import Ratio, in_turn

SEED = 11
MEMORY_BYTES = 4 << 30
MANY_ROWS = 100_000
READY_LIMIT_S = 60.0
FEATURES = [f"n{i}" for i in range(8)]


def gate() -> Iterator[Ratio]:
    """Looking into joblib files, beside joblib opening the same bytes, which trusts them."""
    from registry.scan import look

    for name, content in _files().items():

        def look_here(content: bytes = content) -> None:
            finding = look(io.BytesIO(content), len(content), "joblib")
            assert finding.verdict == "passed", finding.summary

        ratio = in_turn(
            f"look into {name}, {len(content) / 1e6:,.1f} MB",
            look_here,
            "joblib.load",
            lambda content=content: joblib.load(io.BytesIO(content)),  # type: ignore[misc]
            calls=1,
        )
        print(f"{'':4}{len(content) / 1e6 / ratio.ours_s:,.1f} MB/s of the file are looked at")
        yield ratio


def _files() -> dict[str, bytes]:
    """Files that are mostly arrays, raw and compressed, and one that is mostly opcodes."""
    random = np.random.default_rng(SEED)
    features, target = random.normal(size=(20_000, 8)), random.normal(size=20_000)
    forest = RandomForestRegressor(40, random_state=SEED, n_jobs=2).fit(features, target)
    words = [
        " ".join(f"w{number}" for number in row) for row in random.integers(0, 90_000, (3_000, 40))
    ]
    texts = make_pipeline(TfidfVectorizer(), ComplementNB())
    texts.fit(words, random.integers(0, 2, len(words)))
    return {
        "a forest": _saved(forest),
        "a forest, zlib": _saved(forest, compress=("zlib", 3)),
        "a vocabulary": _saved(texts),
    }


def _saved(model: Any, compress: Any = 0) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file, compress=compress)
    return file.getvalue()


def host() -> Iterator[Ratio]:
    """The model host: its start, a model's start, one row and many, beside this process."""
    from serving.runtimes.isolation.client import HostClient, ModelSpec

    pipeline, frame = _fitted()
    content = _saved(pipeline)
    digest = hashlib.sha256(content).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.joblib"
        file.write_bytes(content)
        with _hosting(Path(folder) / "host.sock") as socket:
            client = HostClient(socket)

            def opened(key: str) -> ModelSpec:
                return ModelSpec(key, "joblib", "sklearn", digest)

            def score(spec: ModelSpec, batch: pa.RecordBatch) -> Any:
                return client.score(
                    spec, lambda: file.open("rb"), batch, ("prediction",), {}, deadline_s=60
                )

            rows = pa.RecordBatch.from_pandas(frame, preserve_index=False)
            numbers = iter(range(1_000_000))
            yield in_turn(
                "model host: fork, lock, load, first row",
                lambda: score(opened(f"fresh {next(numbers)}"), rows.slice(0, 1)),
                "a new Python that loads and predicts",
                lambda: _predict_anew(file),
                calls=1,
            )
            for count, calls in ((1, 200), (MANY_ROWS, 3)):
                some, few = rows.slice(0, count), frame.head(count)
                answer = score(opened("kept"), some).blocks[0].arrays[0]
                np.testing.assert_array_equal(answer.to_numpy(False), pipeline.predict(few))
                yield in_turn(
                    f"model host: score {count:,} rows",
                    lambda some=some: score(opened("kept"), some),  # type: ignore[misc]
                    "predict in this process",
                    lambda few=few: pipeline.predict(few),  # type: ignore[misc]
                    calls=calls,
                )
            client.close()
        yield in_turn(
            "model host: start until it answers",
            lambda: _start_and_end(Path(folder) / "other.sock"),
            "a Python that imports what models need",
            _import_only,
            calls=1,
        )


@cache
def _fitted() -> tuple[Any, pd.DataFrame]:
    random = np.random.default_rng(SEED)
    frame = pd.DataFrame(random.normal(size=(MANY_ROWS, len(FEATURES))), columns=FEATURES)
    target = frame["n0"] + random.normal(size=MANY_ROWS) > 0
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, target), frame


def _predict_anew(file: Path) -> None:
    code = (
        "import joblib, pandas as pd, sys\n"
        f"frame = pd.DataFrame([[0.0] * {len(FEATURES)}], columns={FEATURES!r})\n"
        "joblib.load(sys.argv[1]).predict(frame)\n"
    )
    subprocess.run([sys.executable, "-c", code, file], check=True)


def _import_only() -> None:
    code = "import pandas, pyarrow, sklearn.pipeline, sklearn.ensemble, skops.io, onnxruntime"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


@contextmanager
def _hosting(socket: Path) -> Iterator[Path]:
    """A model host of our own, ended with the block."""
    from serving.runtimes.isolation.start import command_line, environment_for

    command = command_line(socket, memory_bytes=MEMORY_BYTES)
    process = subprocess.Popen(
        command, env=environment_for(os.environ), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "ready on" in line:
                break
        else:
            raise RuntimeError(f"The model host ended with {process.wait()}.")
        yield socket
    finally:
        process.terminate()
        process.stderr.close()
        process.wait(20)


def _start_and_end(socket: Path) -> None:
    with _hosting(socket):
        pass
