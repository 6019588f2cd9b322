"""The express lane answers to the byte like Django, asks no query, and leaves the rest alone."""

from __future__ import annotations

import gzip
import io
import json
import logging
import random
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.actions.access import create_api_key, revoke_api_key
from registry.api.metrics import requests_total
from registry.models import ApiKey, ModelVersion, RegisteredModel
from registry.principals import Principal
from serving.runtimes.isolation.errors import ModelDied
from tests import drawing
from tests.serving.api.doors import Asked, django_door, express_door
from tests.serving.batch import ledger

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
    Asked(body=gzip.compress(bytes(65 * 2**20)), headers={"Content-Encoding": "gzip"}),
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
# What differs from call to call in an error's text: nothing; it stands for the request's own id.
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


@pytest.fixture
def keys(db: None) -> dict[str, str]:
    """The texts of keys of ana, who owns churn, and of a stranger."""
    ana, sam = ledger.person("ana"), ledger.person("sam")
    churn = ledger.ready_version(ana)
    ModelVersion.objects.create(
        **{
            name: getattr(churn, name)
            for name in ("model", "format", "artifact", "runtime", "created_by")
        },
        number=2,
        status="archived",
    )
    secret = ledger.ready_version(ana, "secret").model
    RegisteredModel.objects.filter(pk=secret.pk).update(classification="confidential")
    ledger.ready_version(sam, "hidden")

    def key(by: Principal, **options: Any) -> tuple[ApiKey, str]:
        return create_api_key(by=by, user=by.user, name="doors", **options)

    revoked, revoked_text = key(ana)
    revoke_api_key(by=ana, key=revoked)
    expired, expired_text = key(ana)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    left = ledger.person("left")
    ledger.grant(left, "scorer", churn.model)
    gone_text = key(left)[1]
    left.user.is_active = False
    left.user.save()
    score = key(ana)[1]
    return {
        "score": score,
        "wrong": score[:-1] + ("A" if score[-1] != "A" else "B"),
        "read": key(ana, scopes=["read"])[1],
        "elsewhere": key(ana, models=["secret"])[1],
        "expired": expired_text,
        "revoked": revoked_text,
        "gone": gone_text,
        "stranger": key(sam)[1],
    }


@pytest.fixture
def failing_host(host: ledger.ObedientHost) -> ledger.ObedientHost:
    """Its model dies at age 13; at 99 something happens that nobody expected."""
    host.poison = {13}
    answer = host.score

    def score(spec: Any, open_artifact: Any, batch: pa.RecordBatch, *rest: Any, **more: Any) -> Any:
        if 99 in batch.column("age").to_pylist():
            raise RuntimeError("a bug")
        return answer(spec, open_artifact, batch, *rest, **more)

    host.score = score  # type: ignore[method-assign]
    return host


def with_key(asked: Asked, keys: dict[str, str]) -> Asked:
    """The same with a key that may score, unless it names another."""
    headers = {"Authorization": "Bearer {score}", "X-Request-Id": GIVEN_ID, **asked.headers}
    text = headers["Authorization"]
    for name, key in keys.items():
        text = text.replace(f"{{{name}}}", key)
    return Asked(**{**vars(asked), "headers": {**headers, "Authorization": text}})


@pytest.mark.usefixtures("one_connection")
def test_both_doors_answer_alike_to_the_byte(
    keys: dict[str, str], failing_host: ledger.ObedientHost, record_property: Any
) -> None:
    express, behind = express_door()
    django = django_door()
    seed = drawing.seed()
    requests = [*LISTED, *drawn(drawing.amount(1000, short=60), seed)]
    seen: dict[int, int] = {}
    for asked in (with_key(asked, keys) for asked in requests):
        one, other = express.ask(asked), django.ask(asked)
        if "é" in asked.headers["X-Request-Id"]:
            other = type(one)(
                other.status,
                [
                    (n, v.replace(other["X-Request-Id"], one["X-Request-Id"]))
                    for n, v in other.headers
                ],
                other.body.replace(other["X-Request-Id"].encode(), one["X-Request-Id"].encode()),
            )
        assert one == other, asked
        seen[one.code] = seen.get(one.code, 0) + 1
    record_property(
        "counted",
        f"both doors: {len(requests)} requests, {len(requests) - behind.requests} of them answered "
        f"by the express lane, statuses {dict(sorted(seen.items()))}, seed {seed}",
    )
    assert len(requests) >= 200
    assert behind.requests < len(requests) / 2
    assert seen.keys() >= {200, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 500, 503}
