"""Requests of every kind to all lanes: listed ones, and more put together at random."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tests.serving.api.doors import Asked

ROWS = b'{"instances": [{"age": 42, "city": "Rome"}, {"age": 7, "city": null}]}'
BAD_ROWS = b'{"instances": [{"age": 42.5, "city": "Rome"}, {"age": 7}, {"age": 8, "city": null}]}'
CSV = b"age,city\r\n42,Rome\r\n7,\r\n"
TABLE = pa.table({"age": pa.array([42, 7], pa.int64()), "city": ["Rome", None]})
ARROW_TYPE = "application/vnd.apache.arrow.stream"
PARQUET_TYPE = "application/vnd.apache.parquet"
PREDICT = "/api/v1/models/churn/predict"


def arrow_bytes() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


BODIES: list[tuple[bytes, dict[str, str]]] = [
    (ROWS, {"Content-Type": "application/json"}),
    (ROWS, {}),
    (ROWS, {"Content-Type": ""}),
    (ROWS, {"Content-Type": "application/json; charset=utf-8"}),
    (ROWS, {"Content-Type": "application/json; charset=latin-1"}),
    (ROWS, {"Content-Type": "text/plain"}),
    (b'{"columns": {"age": [42, 7], "city": ["Rome", null]}}', {}),
    (b'{"instances": [[42, "Rome"]], "outputs": ["probabilities"]}', {}),
    (b'{"instances": [[42, "Rome"]], "outputs": ["decision"]}', {}),
    (b'{"instances": []}', {}),
    (b'{"instances": [{"age": 1, "agee": 2}]}', {}),
    (b'{"instances": 3}', {}),
    (b'{"instances": [], "columns": {}}', {}),
    (b'{"other": 1}', {}),
    (b'{"instances": [{"age": NaN}]}', {}),
    (b'{"instances": [], "instances": []}', {}),
    (b"[" * 40, {}),
    (b"\xff\xfe", {}),
    (b"", {}),
    (b"", {"Content-Type": "text/csv"}),
    (BAD_ROWS, {}),
    (CSV, {"Content-Type": "text/csv"}),
    (b"age,city\r\nx,Rome\r\n", {"Content-Type": "text/csv; header=present"}),
    (CSV, {"Content-Type": "text/csv", "Accept": "text/csv"}),
    (arrow_bytes(), {"Content-Type": ARROW_TYPE, "Accept": ARROW_TYPE}),
    (arrow_bytes()[:-30], {"Content-Type": ARROW_TYPE}),
    (parquet_bytes(), {"Content-Type": PARQUET_TYPE, "Accept": PARQUET_TYPE}),
    (gzip.compress(ROWS), {"Content-Encoding": "gzip"}),
    (gzip.compress(ROWS)[:-4], {"Content-Encoding": "gzip"}),
    (ROWS, {"Content-Encoding": "gzip"}),
    (zlib.compress(ROWS), {"Content-Encoding": "deflate"}),
    (ROWS, {"Content-Encoding": "br"}),
    (b"age=42", {"Content-Type": "application/x-www-form-urlencoded"}),
    (b"--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"}),
]
ACCEPTS = ("application/json", "text/csv", ARROW_TYPE, "*/*", "image/png", "text/csv;q=2", None)
PATHS = (
    PREDICT,
    "/api/v1/models/churn%40champion/predict",
    "/api/v1/models/churn@champion/predict",
    "/api/v1/models/%63hurn/predict",
    "/api/v1/models/CHURN/predict",
    "/api/v1/models/churn/versions/1/predict",
    "/api/v1/models/secret/predict",
)
LISTED: tuple[Asked, ...] = (
    *(Asked(path=path) for path in PATHS),
    *(Asked(body=body, headers=headers) for body, headers in BODIES),
    *(Asked(body=body, headers=headers, chunked=True) for body, headers in BODIES),
    *(Asked(headers={"Accept": accept}) for accept in ACCEPTS if accept),
    *(Asked(method=method) for method in ("GET", "HEAD", "PUT", "OPTIONS", "DELETE")),
    Asked(path="/api/v1/models/churn@3/predict"),
    Asked(path="/api/v1/models/churn@nobody/predict"),
    Asked(path="/api/v1/models/nobody/predict"),
    Asked(path="/api/v1/models/%E2%82%AC/predict"),
    Asked(path="/api/v1/models/ch%FFurn/predict"),
    Asked(path="/api/v1/models/churn/predict/"),
    Asked(path="/api/v1/models/churn/versions/01/predict"),
    Asked(path="/api/v1/models/churn/versions/2/predict"),
    Asked(path="/api/v1/models/churn/versions/9/predict"),
    Asked(path="/api/v1/models/churn/versions/99999999999999999999/predict"),
    Asked(path="/api/v1/models/hidden/predict"),
    Asked(path="/api/v1/models/secret/predict", body=BAD_ROWS),
    Asked(query="on_row_error=skip", body=BAD_ROWS),
    Asked(query="on_row_error=skip", body=BAD_ROWS, headers={"Accept": "text/csv"}),
    Asked(query="on_row_error=fail", body=BAD_ROWS),
    Asked(query="on_row_error=perhaps"),
    Asked(query="on_row_error=skip&on_row_error=skip"),
    Asked(query="outputs=prediction", body=CSV, headers={"Content-Type": "text/csv"}),
    Asked(query="page=2"),
    Asked(headers={"Cookie": "modelyard-session=nonsense"}),
    Asked(headers={"Host": "elsewhere.example"}),
    Asked(headers={"Host": "127.0.0.1"}),
    Asked(headers={"Host": ""}),
    Asked(scheme="https"),
    Asked(scheme="https", body=BAD_ROWS),
    Asked(headers={"X-Request-Id": "é"}, body=b"{"),
    Asked(headers={"X-Modelyard-Route-Key": "anna"}),
    Asked(headers={"HX-Request": "true"}),
    Asked(headers={"Accept-Encoding": "gzip"}),
    Asked(headers={"Origin": "https://elsewhere.example"}),
    Asked(body=b'{"instances": [[13, "a"]]}'),
    Asked(body=b'{"instances": [[99, "a"]]}'),
    Asked(body=b" " * (6 * 2**20 + 1)),
    Asked(body=gzip.compress(b" " * (6 * 2**20 + 1)), headers={"Content-Encoding": "gzip"}),
    Asked(body=zlib.compress(bytes(65 * 2**20), 1), headers={"Content-Encoding": "deflate"}),
    Asked(said_length=str(64 * 2**20 + 1)),
    Asked(said_length="60"),
    Asked(said_length="nonsense"),
    Asked(said_length="-1"),
    Asked(said_length=""),
    *(
        Asked(headers={"Authorization": text})
        for text in (
            "",
            "Bearer",
            "Basic b2xnYTp4",
            "Bearer my_aaaaaaaa_" + "b" * 43,
            "bearer {score}",
            "Bearer  {score} ",
            "Bearer {score}x",
            "Bearer {wrong}",
            "Bearer {read}",
            "Bearer {elsewhere}",
            "Bearer {expired}",
            "Bearer {revoked}",
            "Bearer {gone}",
            "Bearer {stranger}",
        )
    ),
)
V2 = "/v2/models/churn/infer"
INVOKE = "/endpoints/churn/invocations"
TENSORS = (
    b'{"id": "7", "inputs": [{"name": "age", "shape": [2, 1], "datatype": "INT64", "data":'
    b' [42, 7]}, {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Rome", null]}]}'
)
BINARY_HEAD = (
    b'{"inputs": [{"name": "age", "shape": [1], "datatype": "INT64", "parameters":'
    b' {"binary_data_size": 8}}, {"name": "city", "shape": [1], "datatype": "BYTES", "data":'
    b' ["Rome"]}], "parameters": {"binary_data_output": true}}'
)
BINARY = BINARY_HEAD + (42).to_bytes(8, "little")
SIGNED = "AWS4-HMAC-SHA256 Credential={score}/20260101/x/sagemaker/aws4_request, Signature=0"
DIALECTS: tuple[Asked, ...] = (
    Asked(V2, TENSORS),
    Asked(V2, TENSORS, {"Content-Type": "application/json"}),
    Asked(V2, TENSORS, {"Accept-Encoding": "gzip"}),
    Asked(V2, TENSORS * 9, {"Accept-Encoding": "gzip"}),
    Asked(V2, gzip.compress(TENSORS), {"Content-Encoding": "gzip", "Accept-Encoding": "deflate"}),
    Asked(V2, BINARY, {"Inference-Header-Content-Length": str(len(BINARY_HEAD))}),
    Asked(V2, BINARY, {"Inference-Header-Content-Length": "9999"}, chunked=True),
    Asked(V2, BINARY, {"Inference-Header-Content-Length": "x"}),
    Asked(V2, BINARY),
    Asked(V2, b""),
    Asked(V2, TENSORS.replace(b"42", b"42.5")),
    Asked(V2, TENSORS.replace(b"42", b"13")),
    Asked(V2, TENSORS.replace(b"42", b"99")),
    Asked(V2, TENSORS, query="a=b"),
    Asked(V2, TENSORS, {"Authorization": "Bearer {wrong}"}),
    Asked(V2, TENSORS, {"Authorization": "Bearer {read}"}),
    Asked("/v2/models/churn%40champion/infer", TENSORS),
    Asked("/v2/models/churn/versions/1/infer", TENSORS),
    Asked("/v2/models/churn/versions/2/infer", TENSORS),
    Asked("/v2/models/churn@champion/versions/1/infer", TENSORS),
    Asked("/v2/models/secret/infer", TENSORS.replace(b"42", b"42.5")),
    Asked("/v2/models/hidden/infer", TENSORS),
    Asked(INVOKE, b'{"dataframe_records": [{"age": 42, "city": "Rome"}]}'),
    Asked(INVOKE, b'{"dataframe_split": {"columns": ["age"], "data": [[42]]}}'),
    Asked(INVOKE, b'{"inputs": {"age": [42], "city": ["Rome"]}}'),
    Asked(INVOKE, ROWS),
    Asked(INVOKE, b'{"instances": [[42.5, "a"]]}'),
    Asked(INVOKE, b'{"instances": [[13, "a"]]}'),
    Asked(INVOKE, b'{"instances": [[13, "a"]]}', {"Authorization": SIGNED}),
    Asked(INVOKE, ROWS, {"Authorization": SIGNED}),
    Asked(INVOKE, b"{", {"Authorization": SIGNED}),
    Asked(INVOKE, ROWS, {"Authorization": SIGNED.replace("{score}", "{wrong}")}),
    Asked(INVOKE, ROWS, {"Authorization": SIGNED.replace("{score}", "AKIA")}),
    Asked(INVOKE, ROWS, {"X-Amzn-SageMaker-Target-Variant": "v1"}),
    Asked(INVOKE, ROWS, {"X-Amzn-SageMaker-Target-Variant": "v2"}),
    Asked(INVOKE, b"42,Rome\r\n7,\r\n", {"Content-Type": "text/csv"}),
    Asked(INVOKE, CSV, {"Content-Type": "text/csv", "Accept": "text/csv"}, chunked=True),
    Asked(INVOKE, ROWS, {"Content-Type": "image/png"}),
    Asked("/endpoints/nobody/invocations", ROWS),
)
# Otherwise every answer would hold an id of its own.
GIVEN_ID = "both-doors"


def drawn(count: int, seed: int) -> Iterator[Asked]:
    """Requests put together at random."""
    draw = random.Random(seed)
    for _ in range(count):
        body, headers = draw.choice(BODIES)
        accept = draw.choice(ACCEPTS)
        yield Asked(
            path=draw.choice(PATHS),
            body=body,
            headers={**headers, **({"Accept": accept} if accept else {})},
            query=draw.choice(("", "", "on_row_error=skip")),
            chunked=draw.random() < 0.3,
        )


def with_key(asked: Asked, keys: dict[str, str]) -> Asked:
    """The same with a key that may score, unless it names another."""
    headers = {"Authorization": "Bearer {score}", "X-Request-Id": GIVEN_ID, **asked.headers}
    text = headers["Authorization"]
    for name, key in keys.items():
        text = text.replace(f"{{{name}}}", key)
    return Asked(**{**vars(asked), "headers": {**headers, "Authorization": text}})
