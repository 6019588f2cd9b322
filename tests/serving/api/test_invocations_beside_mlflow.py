"""The same payloads to MLflow's own scoring server and to ours, with one function behind both.

Each line of the table says what MLflow does and what ours does; both are run. Where MLflow gives a
wrong answer, tells its caller too much or fails, ours must be right. A number that was cut off, a
row that was filled up and a text that was taken for a gap show in the function's answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from registry.errors import DomainError
from registry.problems import render
from registry.signature.types import Signature
from serving.protocols import invocations
from serving.protocols.base import Head, Reply
from serving.runtimes.base import Answer, Block

JSON, CSV = "application/json", "text/csv"
INPUTS = [("age", "int64", "long", False), ("income", "float64", "double", True),
          ("city", "string", "string", False), ("member", "boolean", "boolean", False)]  # fmt: skip
OURS = Signature.from_json(
    {"inputs": [{"name": name, "type": key, "nullable": null} for name, key, _, null in INPUTS]}
)
ROW: dict[str, Any] = {"age": 20, "income": 1.5, "city": "Rome", "member": True}
NAMES, CELLS = list(ROW), list(ROW.values())
GOOD = 421.5
HEADER = ",".join(NAMES) + "\n"
GAP, INFINITE = None, float("inf")


def added(frame: pd.DataFrame) -> np.ndarray:
    """age + income + 100 for each letter of the city; a gap in one of them gives no number."""
    lengths = [np.nan if pd.isna(city) else 100.0 * len(city) for city in frame["city"]]
    return frame["age"].to_numpy(float) + frame["income"].to_numpy(float) + np.array(lengths)


class Adding:
    """The function as MLflow calls it; it reads hints of types as promises."""

    def predict(self, model_input, params=None):
        return added(model_input)


class Case(NamedTuple):
    """``mlflow``: its answers, or its status and what it leaks. ``ours``: answers, or status and
    words of the message.
    """

    name: str
    body: str
    mlflow: list[Any] | str
    ours: list[Any] | tuple[int, str]
    content_type: str | None = JSON


def records(*changes: dict[str, Any]) -> str:
    return json.dumps({"dataframe_records": [ROW | change for change in changes]})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ROW.items() if key != name}


def columns(change: dict[str, Any]) -> str:
    return json.dumps({"inputs": {name: [cell] for name, cell in ROW.items()} | change})


def split(columns: list[str], *rows: list[Any]) -> str:
    return json.dumps({"dataframe_split": {"columns": columns, "data": rows}})


MANY = records(*[{}] * 5, {"age": "old"}, {"income": "much"})
CASES = [
    # what both do alike
    Case("a good row", records({}), [GOOD], [GOOD]),
    Case("whole as a float", records({"age": 20.0}), [GOOD], [GOOD]),
    Case("split", split(NAMES, CELLS), [GOOD], [GOOD]),
    Case("split in another order", split(NAMES[::-1], CELLS[::-1]), [GOOD], [GOOD]),
    Case("instances", json.dumps({"instances": [ROW]}), [GOOD], [GOOD]),
    Case("inputs", columns({}), [GOOD], [GOOD]),
    Case("no rows", split(NAMES), [], []),
    Case("csv", f"{HEADER}20,1.5,Rome,true\n", [GOOD], [GOOD], CSV),
    Case("a charset", records({}), [GOOD], [GOOD], "application/json; charset=utf-8"),
    Case("broken JSON", '{"instances": [', "400 echo", (400, "not valid JSON")),
    Case("two forms", json.dumps({"instances": [ROW], "inputs": [CELLS]}), "400",
         (400, "exactly one of")),
    Case("no form", json.dumps([ROW]), "400", (400, "must be an object")),
    Case("another type", records({}), "415", (415, "Taken are application/json, text/csv"),
         "text/plain"),
    # MLflow answers, and its answer is to another question
    Case("20.5 for an integer", records({"age": 20.5}), [GOOD],
         (400, "row 0, column `age`: not-an-integer")),
    Case("20.5 in columns", columns({"age": [20.5]}), [GOOD], (400, "received 20.5")),
    Case("true for an integer", records({"age": True}), [402.5],
         (400, "not-an-integer (expected int64, received true)")),
    Case("text for an integer", records({"age": "20"}), [GOOD], (400, "not-an-integer")),
    Case("text for a number", records({"income": "1.5"}), [GOOD], (400, "not-a-number")),
    Case("1 for a boolean", records({"member": 1}), [GOOD], (400, "not-a-boolean")),
    Case("text for a boolean", records({"member": "no"}), [GOOD], (400, "not-a-boolean")),
    Case("a number for a text", records({"city": 7070}), "400 traceback", (400, "not-a-string")),
    Case("null for a required text", records({"city": None}), [GAP],
         (400, "`city`: null-not-allowed")),
    Case("null for a required boolean", records({"member": None}), [GOOD],
         (400, "`member`: null-not-allowed")),
    Case("a name twice", records({}).replace('"age": 20', '"age": 20, "age": 30'), [431.5],
         (400, "`age` stands twice")),
    Case("an unknown column", records({"colour": "red"}), [GOOD],
         (400, "`colour`: unknown-column")),
    Case("a slip in a member", json.dumps({"instances": [ROW], "parms": {}}), [GOOD],
         (400, "the nearest is `params`")),
    Case("params nobody declared", json.dumps({"instances": [ROW], "params": {"x": 1}}), [GOOD],
         (400, "There is no parameter `x`")),
    Case("a row that ends early", split(NAMES, CELLS, [20, 1.5, "Rome"]), [GOOD, GOOD],
         (400, "A row is a list of 4 values")),
    Case("NA in CSV is a text", f"{HEADER}20,1.5,NA,true\n", [GAP], [221.5], CSV),
    Case("20.5 in CSV", f"{HEADER}20.5,1.5,Rome,true\n", "400 traceback",
         (400, "row 0 (line 2), column `age`: not-an-integer"), CSV),
    # MLflow answers with what is no JSON
    Case("an answer that is no number", records({"income": None}), [GAP], [None]),
    Case("NaN", records({}).replace("1.5", "NaN"), [GAP], (400, "not valid JSON")),
    Case("Infinity", records({}).replace("1.5", "Infinity"), [INFINITE],
         (400, "not valid JSON")),
    # MLflow refuses without saying where, or tells what it had in hand
    Case("null for a required integer", records({}, {"age": None}), "400",
         (400, "row 1, column `age`: null-not-allowed")),
    Case("bad cells of many", MANY, "400", (400, "row 6, column `income`: not-a-number")),
    Case("a column is missing", json.dumps({"dataframe_records": [without("member")]}), "400 echo",
         (400, "row 0, column `member`: missing")),
    Case("a row lacks a member", json.dumps({"dataframe_records": [ROW, without("age")]}), "400",
         (400, "row 1, column `age`: missing")),
    Case("a huge integer", records({"age": 2**70}), "400", (400, "out-of-range")),
    Case("a column twice", split([*NAMES, "age"], [*CELLS, 7]), "400 echo",
         (400, "`age` stands there twice")),
    Case("uneven columns", columns({"age": [1, 2]}), "400 echo",
         (400, "has 1 values, those before it 2. (at /inputs/income)")),
    Case("the wrong orient", json.dumps({"dataframe_split": [ROW]}), "400",
         (400, "(at /dataframe_split)")),
    Case("a bad cell in CSV", f"{HEADER}20,1.5,Rome,true\nold,1.5,Rome,true\n", "400 traceback",
         (400, "row 1 (line 3), column `age`: not-an-integer (expected int64, received old)"), CSV),
    Case("a gap in CSV", f"{HEADER},1.5,Rome,true\n", "400 traceback",
         (400, "`age`: null-not-allowed"), CSV),
    Case("a long line in CSV", f"{HEADER}20,1.5,Rome,true,7\n20,1.5,Rome,true\n", "400 traceback",
         (400, "row 0 (line 2): ragged-row"), CSV),
    # MLflow refuses or fails where there is an answer
    Case("no content type", records({}), "500", [GOOD], None),
    Case("bytes of no type", records({}), "415", [GOOD], "application/octet-stream"),
    Case("no records", json.dumps({"dataframe_records": []}), "400", []),
    Case("no instances", json.dumps({"instances": []}), "400", []),
    Case("lists in the order of the columns", json.dumps({"instances": [CELLS]}), "400 echo",
         [GOOD]),
    Case("CSV without a header", "20,1.5,Rome,true\n", "400 echo", [GOOD], CSV),
]  # fmt: skip


@pytest.fixture(scope="module")
def mlflow_app() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of itself while it is imported
        from mlflow.models import Model, ModelSignature
        from mlflow.pyfunc import PyFuncModel
        from mlflow.pyfunc.scoring_server import init
        from mlflow.types import ColSpec, Schema

        # Its server sets this for the whole process.
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
        columns = [ColSpec(kind, name, required=not null) for name, _, kind, null in INPUTS]
        yield init(PyFuncModel(Model(signature=ModelSignature(Schema(columns))), Adding()))


async def _posted(app: Any, case: Case) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {} if case.content_type is None else {"Content-Type": case.content_type}
    async with httpx.AsyncClient(transport=transport, base_url="http://mlflow") as client:
        return await client.post("/invocations", content=case.body.encode(), headers=headers)


def told_by_mlflow(app: Any, case: Case) -> list[Any] | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has many of its own
        # In a thread of its own: in this one a browser's tests may have left a loop behind.
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(asyncio.run, _posted(app, case)).result()
    if answer.status_code == 200:
        return [None if v != v else v for v in json.loads(answer.text)["predictions"]]
    leaks = "traceback" if "Traceback" in answer.text else "echo" if _echoes(answer) else ""
    return f"{answer.status_code} {leaks}".strip()


def _echoes(answer: httpx.Response) -> bool:
    """Whether it holds cells that were sent and are not wrong, or the whole body."""
    return "Rome" in answer.text or '{"instances": [' in answer.text.replace("\\", "")


def told_by_us(case: Case) -> list[Any] | tuple[int, str]:
    try:
        decoded = invocations.decode(case.body.encode(), Head(case.content_type), OURS)
        decoded.validated.refuse_bad_rows()
    except DomainError as error:
        shown = render(error, request_id="request-1", docs_url="", dialect="mlflow")
        told = json.loads(shown.body)
        assert told.keys() == {"error_code", "message"}
        assert "Rome" not in told["message"]
        return shown.status, told["message"]
    batch = decoded.validated.batch
    predicted = pa.array(added(batch.to_pandas()))
    blocks = (Block("prediction", None, None, (predicted,)),) if batch.num_rows else ()
    answer, notes = Answer(batch.num_rows, blocks), decoded.notes
    reply = Reply("adding", 1, "r", OURS, decoded.validated, answer, ("prediction",), notes=notes)
    body = invocations.encode(reply).body
    if notes == CSV:
        return [float(line) if line else None for line in body.decode().splitlines()]
    return json.loads(body, parse_constant=pytest.fail)["predictions"]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_server_does_what_the_table_says(mlflow_app: Any, case: Case) -> None:
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    assert told_by_mlflow(mlflow_app, case) == case.mlflow
    told = told_by_us(case)
    if isinstance(case.ours, list):
        assert told == case.ours
    else:
        assert told[0] == case.ours[0]
        assert case.ours[1] in told[1]
