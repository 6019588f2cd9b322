"""P1 to P7 and P10: the service under load, beside what others put up for the same models."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import requests

from benchmarks import servers
from benchmarks.figures import ROUNDS, WARM_S, Figure, faster, loads_in_turn, slower_at_most
from benchmarks.load import Aim, Body, load, loading, told_by
from benchmarks.servers import Peer, Rows, Served, aim_at, running
from benchmarks.service import ARROW, PASSWORD, Service, started
from benchmarks.workload import TEXTS, Trained, rows_of, trained

REQUESTS = 400
MANY = 1_000
MANY_REQUESTS = 20
MANY_SECONDS = 2.0
SLOW_CONNECTIONS = 32
OTHER_CONNECTIONS = 2
P10_SECONDS = 2.0
# "as installed", and what has to be reached beside it.
FIELD: tuple[tuple[Peer, float], ...] = (
    (servers.MLFLOW, 60),
    (servers.BENTOML, 40),
    (servers.MLSERVER, 25),
    (servers.LITSERVE, 20),
    (servers.FASTAPI_JOBLIB, 15),
    (servers.MLSERVER_TUNED, 8),
)


@dataclass(frozen=True)
class Stage:
    """The running service with the reference models, and what the peers serve."""

    service: Service
    models: dict[str, Trained]
    served: dict[str, Served]

    def rows(self, name: str, rows: int = 1) -> list[Rows]:
        """Different rows for each request."""
        return rows_of(self.models[name], REQUESTS if rows == 1 else MANY_REQUESTS, rows)

    def expected(self, name: str, rows: Rows) -> list[Any]:
        """What scikit-learn predicts here."""
        return self.models[name].model.predict(pd.DataFrame(rows)).tolist()  # type: ignore[no-any-return]

    def ours(self, name: str, requests_rows: Sequence[Rows], model: str = "") -> Aim:
        """The native dialect, after its first answer was found right."""
        bodies = [json.dumps({"instances": rows}).encode() for rows in requests_rows]
        url = f"{self.service.url}/api/v1/models/{model or name}/predict"
        return self._checked(Aim(url, _bodies(bodies), self.headers()), name, requests_rows[0])

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        """The key, and the type of the body."""
        return {"Authorization": f"Bearer {self.service.key}", "Content-Type": content_type}

    def _checked(self, aim: Aim, name: str, rows: Rows) -> Aim:
        answer = requests.post(aim.url, aim.bodies[0].content, headers=aim.headers, timeout=60)
        answer.raise_for_status()
        _same(answer.json()["predictions"], self.expected(name, rows))
        return aim


@contextmanager
def stage(*names: str) -> Iterator[Stage]:
    """The service with those reference models registered."""
    with TemporaryDirectory(prefix="modelyard-peers-") as made, started(demo=False) as service:
        folder = Path(made)
        models = {name: trained(name, folder) for name in names}
        served = {}
        for name, model in models.items():
            version = service.register(model)
            if name != "slow":
                served[name] = Served(
                    model, graph_of(model, version, folder), list(model.frame.columns), folder
                )
        yield Stage(service, models, served)


def graph_of(model: Trained, version: dict[str, Any], folder: Path) -> Path:
    """The graph that both sides run: the one that the service compiled too."""
    from registry.signature.types import Signature
    from serving.runtimes.compiled.convert import compile_graph
    from serving.runtimes.sklearn.model import SklearnModel

    signature = Signature.from_json(version["signature"])
    path = folder / f"{model.name}.onnx"
    path.write_bytes(compile_graph(SklearnModel(model.model), signature))
    if version["runtime"] != "onnx":
        raise RuntimeError(f"{model.name} is not compiled: {version['checks'][-1]}")
    return path


def one_row() -> Iterator[Figure]:
    """P1, P2, P3: one tabular row a request."""
    with stage("tabular") as here:
        rows, served = here.rows("tabular"), here.served["tabular"]
        ours, expected = here.ours("tabular", rows), here.expected("tabular", rows[0])
        with running(servers.FASTAPI_ONNX, served) as url:
            pairs = loads_in_turn(ours, aim_at(servers.FASTAPI_ONNX, url, rows, expected))
        title = servers.FASTAPI_ONNX.title
        yield faster("P1", "tabular, one row", pairs, beside=title, reach=1.5)
        yield slower_at_most(
            "P1",
            "tabular, one row, p99",
            [mine.p99_ms for mine, _ in pairs],
            [theirs.p99_ms for _, theirs in pairs],
            beside=title,
            reach=1.0,
        )
        with running(servers.WSGI_ONNX, served) as url:
            pairs = loads_in_turn(ours, aim_at(servers.WSGI_ONNX, url, rows, expected))
        yield faster("P2", "tabular, one row", pairs, beside=servers.WSGI_ONNX.title, reach=0.7)
        for peer, reach in FIELD:
            with running(peer, served) as url:
                pairs = loads_in_turn(ours, aim_at(peer, url, rows, expected))
            yield faster("P3", "tabular, one row", pairs, beside=peer.title, reach=reach)


def many_rows() -> Iterator[Figure]:
    """P4: a thousand tabular rows a request."""
    with stage("tabular") as here:
        rows, served = here.rows("tabular", MANY), here.served["tabular"]
        ours, expected = here.ours("tabular", rows), here.expected("tabular", rows[0])
        with running(servers.FASTAPI_ONNX, served) as url:
            peer = aim_at(servers.FASTAPI_ONNX, url, rows, expected)
            pairs = loads_in_turn(ours, peer, seconds=MANY_SECONDS)
        what, title = "tabular, 1,000 rows, JSON", servers.FASTAPI_ONNX.title
        yield faster("P4", what, pairs, beside=title, reach=2.5, rows=MANY, best=True)
        pairs = loads_in_turn(_arrow(here, rows), ours, seconds=MANY_SECONDS)
        what = "tabular, 1,000 rows, Arrow"
        yield faster("P4", what, pairs, beside="our JSON", reach=1.3, rows=MANY)


def _arrow(here: Stage, requests_rows: Sequence[Rows]) -> Aim:
    bodies = []
    for rows in requests_rows:
        sink = pa.BufferOutputStream()
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        bodies.append(bytes(sink.getvalue()))
    headers = here.headers(ARROW) | {"Accept": ARROW}
    url = f"{here.service.url}/api/v1/models/tabular/predict"
    answer = requests.post(url, bodies[0], headers=headers, timeout=60)
    answer.raise_for_status()
    got = pa.ipc.open_stream(answer.content).read_all()["prediction"].to_pylist()
    _same(got, here.expected("tabular", requests_rows[0]))
    return Aim(url, _bodies(bodies), headers)


def originals() -> Iterator[Figure]:
    """P5: models that stay on scikit-learn, in the model host."""
    with stage("tabular", "iris") as here:
        for name in ("iris", "tabular"):
            model = f"{name}-original"
            here.service.pin(here.service.register(here.models[name], model), "original")
            rows, served = here.rows(name), here.served[name]
            ours, expected = here.ours(name, rows, model), here.expected(name, rows[0])
            with running(servers.FASTAPI_JOBLIB, served) as url:
                pairs = loads_in_turn(ours, aim_at(servers.FASTAPI_JOBLIB, url, rows, expected))
            what = f"{name} pinned to scikit-learn, one row"
            yield faster("P5", what, pairs, beside=servers.FASTAPI_JOBLIB.title, reach=1.5)


def dialects() -> Iterator[Figure]:
    """P6: Open Inference and invocations beside the native dialect."""
    with stage("tabular") as here:
        rows = here.rows("tabular")
        native = here.ours("tabular", rows)
        v2 = _v2_json(here, rows)
        pairs = loads_in_turn(v2, native)
        yield faster("P6", "Open Inference, one row", pairs, beside="native", reach=0.85)
        pairs = loads_in_turn(_invocations(here, rows), native)
        yield faster("P6", "invocations, one row", pairs, beside="native", reach=0.85)
        many = here.rows("tabular", MANY)
        pairs = loads_in_turn(_v2_binary(here, many), _v2_json(here, many), seconds=MANY_SECONDS)
        what = "Open Inference, 1,000 rows, binary"
        yield faster("P6", what, pairs, beside="its JSON", reach=1.3, rows=MANY)


def _v2_json(here: Stage, requests_rows: Sequence[Rows]) -> Aim:
    bodies = [json.dumps({"inputs": _tensors(rows)}).encode() for rows in requests_rows]
    url = f"{here.service.url}/v2/models/tabular/infer"
    aim = Aim(url, _bodies(bodies), here.headers())
    answer = requests.post(url, bodies[0], headers=aim.headers, timeout=60)
    answer.raise_for_status()
    _same(_output(answer.json(), "predict")["data"], here.expected("tabular", requests_rows[0]))
    return aim


def _tensors(rows: Rows) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": "BYTES" if name in TEXTS else "FP64",
            "data": [row[name] for row in rows],
        }
        for name in rows[0]
    ]


def _output(answer: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in answer["outputs"] if one["name"] == name)
    return found


def _v2_binary(here: Stage, requests_rows: Sequence[Rows]) -> Aim:
    """Tensors as bytes both ways, as tritonclient sends and wants them."""
    bodies = []
    for rows in requests_rows:
        inputs, parts = [], []
        for tensor in _tensors(rows):
            values = tensor.pop("data")
            part = (
                _as_bytes(values) if tensor["datatype"] == "BYTES" else np.array(values).tobytes()
            )
            inputs.append(tensor | {"parameters": {"binary_data_size": len(part)}})
            parts.append(part)
        told = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        header = f"Inference-Header-Content-Length: {len(told)}"
        bodies.append(Body(told + b"".join(parts), header))
    url = f"{here.service.url}/v2/models/tabular/infer"
    headers = here.headers("application/octet-stream")
    name, _, size = bodies[0].header.partition(": ")
    answer = requests.post(url, bodies[0].content, headers=headers | {name: size}, timeout=60)
    answer.raise_for_status()
    told_bytes = int(answer.headers["Inference-Header-Content-Length"])
    first = json.loads(answer.content[:told_bytes])["outputs"][0]
    expected = here.expected("tabular", requests_rows[0])
    part = answer.content[told_bytes : told_bytes + first["parameters"]["binary_data_size"]]
    if first["name"] != "predict" or part != _as_bytes(expected):
        raise RuntimeError("the binary answer is not that of scikit-learn")
    return Aim(url, bodies, headers)


def _as_bytes(values: Sequence[str]) -> bytes:
    return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)


def _invocations(here: Stage, requests_rows: Sequence[Rows]) -> Aim:
    bodies = [json.dumps({"dataframe_records": rows}).encode() for rows in requests_rows]
    url = f"{here.service.url}/endpoints/tabular/invocations"
    aim = Aim(url, _bodies(bodies), here.headers())
    return here._checked(aim, "tabular", requests_rows[0])


def sessions() -> Iterator[Figure]:
    """P7: the path through Django and its REST framework, as a signed-in browser goes."""
    with stage("tabular") as here:
        rows, served = here.rows("tabular"), here.served["tabular"]
        keyed = here.ours("tabular", rows)
        ours = Aim(keyed.url, keyed.bodies, _signed_in(here.service))
        answer = requests.post(ours.url, ours.bodies[0].content, headers=ours.headers, timeout=60)
        answer.raise_for_status()
        expected = here.expected("tabular", rows[0])
        with running(servers.DRF_ONNX, served) as url:
            pairs = loads_in_turn(ours, aim_at(servers.DRF_ONNX, url, rows, expected))
        what = "tabular, one row, in a browser session"
        yield faster("P7", what, pairs, beside=servers.DRF_ONNX.title, reach=1.5)


def _signed_in(service: Service) -> dict[str, str]:
    """The headers of a session: its cookie, and the token against forged requests."""
    with requests.Session() as browser:
        page = f"{service.url}/admin/login/"
        browser.get(page, timeout=30)
        token = browser.cookies["modelyard-csrf"]
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        browser.post(page, form, headers={"Referer": page}, timeout=30).raise_for_status()
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
        token = browser.cookies["modelyard-csrf"]
    return {"Cookie": cookies, "X-CSRFToken": token, "Content-Type": "application/json"}


def neighbours() -> Iterator[Figure]:
    """P10: what a slow model under load does to another one."""
    with stage("iris", "slow") as here:
        service = here.service
        url = f"{service.url}/api/v1/models/slow"
        service.pin(service.session.get(f"{url}/versions/1", timeout=30).json(), "original")
        slow = here.ours("slow", here.rows("slow"))
        for title, model in (("compiled", "iris"), ("on scikit-learn", "iris-original")):
            if model != "iris":
                service.pin(service.register(here.models["iris"], model), "original")
            other = here.ours("iris", here.rows("iris"), model)
            alone, beside = _beside(other, slow)
            what = f"another model ({title}), p95 beside a slow one"
            yield slower_at_most("P10", what, beside, alone, beside="its p95 alone", reach=1.5)


def _beside(other: Aim, slow: Aim) -> tuple[list[float], list[float]]:
    """The other's p95 in ms alone, and beside the slow model, in turn."""
    load(other, seconds=WARM_S, connections=OTHER_CONNECTIONS)
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append(load(other, seconds=P10_SECONDS, connections=OTHER_CONNECTIONS).p95_ms)
        with loading(slow, seconds=P10_SECONDS + 2, connections=SLOW_CONNECTIONS) as process:
            beside.append(load(other, seconds=P10_SECONDS, connections=OTHER_CONNECTIONS).p95_ms)
            told_by(process, may_refuse=True)
        _until_answered(slow)
    return alone, beside


def _until_answered(slow: Aim) -> None:
    """Until nothing waits any more that the load has asked and left behind."""
    for _ in range(60):
        body = slow.bodies[0].content
        if requests.post(slow.url, body, headers=slow.headers, timeout=60).ok:
            return
        time.sleep(1)  # it is told when to come again: in a second
    raise RuntimeError("the slow model answers nobody")


def _bodies(contents: Sequence[bytes]) -> list[Body]:
    return [Body(content) for content in contents]


def _same(got: Sequence[Any], expected: Sequence[Any]) -> None:
    """Labels alike, numbers as close as every answer of the service is."""
    is_number = isinstance(expected[0], float)
    alike = (
        np.allclose(got, expected, rtol=1e-9, atol=1e-12)
        if is_number
        else list(got) == list(expected)
    )
    if not alike:
        raise RuntimeError(f"the service answers {list(got)[:3]}, expected {list(expected)[:3]}")
