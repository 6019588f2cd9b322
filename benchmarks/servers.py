"""The peers as running servers: each on a loopback port, ended with its measurement."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks.environments import environment
from benchmarks.load import Aim, Body
from benchmarks.workload import TEXTS, Trained

PEERS = Path(__file__).resolve().parent / "peers"
JSON = {"Content-Type": "application/json"}
READY_LIMIT_S = 120
END_LIMIT_S = 20
WORKERS = 2

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Served:
    """What a peer serves: the model, and the graph that was compiled from it with its columns."""

    trained: Trained
    graph: Path
    columns: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class Peer:
    """How a peer is started, asked and understood.

    ``command`` makes the words to start it with on a port; ``body`` writes rows as it wants them;
    ``labels`` finds the predictions in its answer.
    """

    title: str
    command: Callable[[Served, int], Sequence[str]]
    path: str
    body: Callable[[Rows], Any]
    labels: Callable[[Any], list[Any]]
    ready: str | None = None


def _python(name: str, *words: str) -> list[str]:
    return [str(environment(name) / "python"), *words]


def _uvicorn(module: str) -> Callable[[Served, int], Sequence[str]]:
    def command(served: Served, port: int) -> Sequence[str]:
        del served
        place = ("--app-dir", str(PEERS), "--host", "127.0.0.1", "--port", str(port))
        quiet = ("--log-level", "warning", "--no-access-log")
        return _python(
            "fastapi", "-m", "uvicorn", f"{module}:app", *place, *quiet, "--workers", str(WORKERS)
        )

    return command


def _granian(module: str, threads: int) -> Callable[[Served, int], Sequence[str]]:
    def command(served: Served, port: int) -> Sequence[str]:
        del served
        return [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", f"{module}:application"),
            *("--host", "127.0.0.1", "--port", str(port), "--http", "1", "--no-ws", "--no-log"),
            *("--workers", str(WORKERS), "--blocking-threads", str(threads)),
            *("--working-dir", str(PEERS)),
        ]

    return command


def _mlflow(served: Served, port: int) -> Sequence[str]:
    folder = served.folder / f"mlflow-{served.trained.name}"
    if not folder.exists():
        save = _python("mlflow", str(PEERS / "mlflow_save.py"))
        subprocess.run([*save, str(served.trained.file), str(folder)], check=True)
    program = str(environment("mlflow") / "mlflow")
    return [
        *(program, "models", "serve", "-m", str(folder), "--env-manager", "local"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)),
    ]


def _bentoml(served: Served, port: int) -> Sequence[str]:
    del served
    program = str(environment("bentoml") / "bentoml")
    place = ("--working-dir", str(PEERS), "--host", "127.0.0.1", "--port", str(port))
    return [program, "serve", "bentoml_joblib:Predict", *place]


def _litserve(served: Served, port: int) -> Sequence[str]:
    del served, port
    return _python("litserve", str(PEERS / "litserve_joblib.py"))


def _mlserver(batching: dict[str, Any]) -> Callable[[Served, int], Sequence[str]]:
    def command(served: Served, port: int) -> Sequence[str]:
        folder = served.folder / f"mlserver-{port}"
        folder.mkdir()
        others = {"grpc_port": _free_port(), "metrics_port": _free_port()}
        settings = {"host": "127.0.0.1", "http_port": port, "debug": False, **others}
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {
            "name": "m",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(served.trained.file)},
            **batching,
        }
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(environment("mlserver") / "mlserver"), "start", str(folder)]

    return command


def _instances(rows: Rows) -> Any:
    return {"instances": rows}


def _columns_v2(rows: Rows) -> Any:
    """A tensor per column, to be read as a frame."""
    inputs = []
    for name, first in rows[0].items():
        is_text = isinstance(first, str)
        inputs.append(
            {
                "name": name,
                "shape": [len(rows), 1],
                "datatype": "BYTES" if is_text else "FP64",
                "data": [row[name] for row in rows],
                **({"parameters": {"content_type": "str"}} if is_text else {}),
            }
        )
    asked = [{"name": "predict"}]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": asked}


def _predictions(answer: Any) -> list[Any]:
    return list(answer["predictions"])


def _v2_labels(answer: Any) -> list[Any]:
    return list(answer["outputs"][0]["data"])


def _plain(title: str, command: Callable[[Served, int], Sequence[str]]) -> Peer:
    return Peer(title, command, "/predict", _instances, _predictions)


TUNED = {"max_batch_size": 32, "max_batch_time": 0.002}
FASTAPI_ONNX = _plain("FastAPI + onnxruntime, by hand", _uvicorn("fastapi_onnx"))
FASTAPI_JOBLIB = _plain("FastAPI + joblib, by hand", _uvicorn("fastapi_joblib"))
WSGI_ONNX = _plain("a bare WSGI callable + onnxruntime", _granian("wsgi_onnx", 1))
DRF_ONNX = _plain("stock Django REST framework + onnxruntime", _granian("drf_onnx", 1))
BENTOML = _plain("BentoML", _bentoml)
LITSERVE = _plain("LitServe", _litserve)
MLFLOW = Peer(
    "MLflow models serve",
    _mlflow,
    "/invocations",
    lambda rows: {"dataframe_records": rows},
    _predictions,
    "/ping",
)
MLSERVER = Peer(
    "MLServer",
    _mlserver({}),
    "/v2/models/m/infer",
    _columns_v2,
    _v2_labels,
    "/v2/models/m/ready",
)
MLSERVER_TUNED = Peer(
    "MLServer, tuned batching",
    _mlserver(TUNED),
    "/v2/models/m/infer",
    _columns_v2,
    _v2_labels,
    "/v2/models/m/ready",
)


@contextmanager
def running(peer: Peer, served: Served) -> Iterator[str]:
    """The peer's address, once it answers. It ends with its whole process group."""
    port = _free_port()
    log = (served.folder / f"{peer.title.split()[0].lower()}-{port}.log").open("w")
    command = peer.command(served, port)
    process = subprocess.Popen(
        command,
        cwd=served.folder,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(Path(command[0]).parent), os.environ["PATH"]]),
            "MODEL": str(served.trained.file),
            "GRAPH": str(served.graph),
            "COLUMNS": json.dumps(list(served.columns)),
            "TEXTS": json.dumps(TEXTS),
            "PORT": str(port),
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # As many threads as the rest of this measurement: one per process.
            "OMP_NUM_THREADS": "1",
        },
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _await(process, peer, url, Path(log.name))
        yield url
    finally:
        log.close()
        _end(process)


def _await(process: subprocess.Popen[bytes], peer: Peer, url: str, log: Path) -> None:
    deadline_s = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"{url}{peer.ready or peer.path}", timeout=2)
            # A page that only takes POST says so once it is there.
            if answer.status_code in ((200,) if peer.ready else (404, 405, 422, 500)):
                return
        time.sleep(0.2)
    raise RuntimeError(f"{peer.title} does not answer:\n{log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_LIMIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def aim_at(peer: Peer, url: str, requests_rows: Sequence[Rows], expected: Sequence[Any]) -> Aim:
    """The load for a peer, after its answer to the first rows was found right."""
    bodies = [json.dumps(peer.body(rows)).encode() for rows in requests_rows]
    answer = requests.post(f"{url}{peer.path}", bodies[0], headers=JSON, timeout=60)
    answer.raise_for_status()
    got = [getattr(one, "item", lambda one=one: one)() for one in peer.labels(answer.json())]
    if got != list(expected):
        raise RuntimeError(f"{peer.title} answers {got[:3]}, expected {list(expected)[:3]}")
    return Aim(f"{url}{peer.path}", [Body(body) for body in bodies], JSON)


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
