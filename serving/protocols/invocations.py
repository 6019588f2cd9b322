"""Plain: what MLflow's scoring server and SageMaker endpoints take and give: predictions alone.

Followed: MLflow 2 and 3, "Inference Server Specification" (JSON with exactly one of
``dataframe_split``, ``dataframe_records``, ``instances``, ``inputs``, and ``params``), TensorFlow
Serving's row and column forms of the last two, and SageMaker's convention of CSV without a header.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from registry import strict_json
from registry.errors import (
    InvalidField,
    TooLarge,
    UnsupportedMediaType,
)
from registry.signature.names import first_repeated, nearest, pointer_token, shown
from registry.signature.params import read_params
from registry.signature.types import Column, Signature
from registry.signature.validate import Validated, validate_columns, validate_rows
from registry.tabular import csv_chunks
from serving.protocols import media
from serving.protocols.answers import written_members
from serving.protocols.base import Decoded, Encoded, Head, Limits, Reply
from serving.protocols.fast_json import Form, read_request
from serving.protocols.invocations_csv import LINE_END, read_csv
from serving.protocols.tables import table_answer

OUTPUTS = ("prediction",)
VERSION_HEADER = "X-Modelyard-Model-Version"
VARIANT_HEADER = "x-Amzn-Invoked-Production-Variant"
TAKEN = (media.JSON, media.CSV)
# What clients send that say nothing of the body: boto3 without a ContentType does.
_SAYS_NOTHING = ("", "application/octet-stream", "binary/octet-stream")
_FAST = Form(
    (
        ("dataframe_split", "split"),
        ("dataframe_records", "rows"),
        ("instances", "rows"),
        ("inputs", "table"),
    )
)


def decode(
    body: bytes, head: Head, signature: Signature, *, limits: Limits | None = None
) -> Decoded:
    """The rows of a request, checked against the signature; the prediction alone is asked for.

    The notes are the media type to answer in: that of the body, unless ``Accept`` names the other.
    Bad cells do not raise: they stand in ``validated``. Raises MalformedBody, TooLarge,
    UnsupportedMediaType, NotAcceptable, and InvalidField with a JSON pointer.
    """
    limits = limits or Limits()
    media_type = _body_type(head.content_type)
    # The body's own type where the caller takes it as well as the other one.
    offered = TAKEN if media_type == media.JSON else TAKEN[::-1]
    answer_type = media.answer_type(head.accept, offered)
    if len(body) > limits.body_bytes:
        text = f"The body is larger than {limits.body_bytes} bytes."
        raise TooLarge(text, limit_bytes=limits.body_bytes)
    if media_type == media.CSV:
        validated = read_csv(body, signature, limits)
        return Decoded(validated, OUTPUTS, read_params(signature, {}), answer_type)
    fast = read_request(body, signature, _FAST)
    if fast is not None and fast.columns.n_rows <= limits.rows:
        validated, params = Validated.all_good(fast.columns), read_params(signature, fast.params)
    else:
        validated, params = _from_json(body, signature, limits)
    return Decoded(validated, OUTPUTS, params, answer_type)


def encode(reply: Reply) -> Encoded:
    """``{"predictions": [...]}``, or CSV without a header: one line per row."""
    headers = {
        VERSION_HEADER: f"{reply.model}/{reply.version}",
        VARIANT_HEADER: f"v{reply.version}",
    }
    if reply.notes != media.CSV:
        found = written_members(reply.answer, reply.asked)
        body = strict_json.dumps({"predictions": found.get("predictions", [])})
        return Encoded(body, media.JSON, headers)
    content_type = f"{media.CSV}; charset=utf-8"
    if not reply.answer.blocks:
        return Encoded(b"", content_type, headers)
    table: pa.RecordBatch = table_answer(reply.answer)
    lines = csv_chunks([table], table.schema, header=False, line_end=LINE_END)
    return Encoded(b"".join(lines), content_type, headers)


def _body_type(content_type: str | None) -> str:
    bare = (content_type or "").partition(";")[0].strip().lower()
    if bare in _SAYS_NOTHING:
        return media.JSON
    if bare not in TAKEN:
        raise UnsupportedMediaType(f"`{bare[:80]}` is not read here.", accepted=TAKEN)
    return media.body_type(content_type)


# --- JSON ---------------------------------------------------------------------------------------


def _from_json(
    body: bytes, signature: Signature, limits: Limits
) -> tuple[Validated, dict[str, Any]]:
    """Checked rows, and the params."""
    members = _members(strict_json.loads(body, max_bytes=limits.body_bytes))
    params = read_params(signature, members.pop("params", None) or {})
    if len(members) != 1:
        text = f"Send exactly one of {', '.join(_READERS)}; {len(members)} are here."
        raise InvalidField(text)
    ((name, sent),) = members.items()
    return _READERS[name](sent, signature, limits), params


def _members(parsed: Any) -> dict[str, Any]:
    known = [*_READERS, "params"]
    if not isinstance(parsed, dict):
        raise InvalidField(f"The body must be an object with one of {', '.join(_READERS)}.")
    for name in parsed:
        if name not in known:
            raise InvalidField(
                f"There is no member `{shown(name)}`; the nearest is `{nearest(name, known)}`.",
                pointer=f"/{pointer_token(name)}",
            )
    return parsed


def _split(sent: Any, signature: Signature, limits: Limits) -> Validated:
    """pandas' ``{"columns": [...], "data": [[...]], "index": [...]?}``; the index says nothing."""
    here = "/dataframe_split"
    if not isinstance(sent, dict) or not set(sent) <= {"columns", "data", "index"}:
        text = "`dataframe_split` is an object of `columns`, `data` and perhaps `index`."
        raise InvalidField(text, pointer=here)
    names = sent.get("columns", list(signature.input_names))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidField("`columns` is a list of names.", pointer=f"{here}/columns")
    twice = first_repeated(names)
    if twice is not None:
        text = f"The column `{shown(twice)}` stands there twice."
        raise InvalidField(text, pointer=f"{here}/columns")
    rows = _list(sent.get("data"), f"{here}/data", limits)
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            text = f"A row is a list of {len(names)} values, one per column."
            raise InvalidField(text, pointer=f"{here}/data/{at}")
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return validate_columns(
        signature, {name: list(column) for name, column in zip(names, cells, strict=True)}
    )


def _records(sent: Any, signature: Signature, limits: Limits) -> Validated:
    return validate_rows(signature, _list(sent, "/dataframe_records", limits))


def _instances(sent: Any, signature: Signature, limits: Limits) -> Validated:
    return validate_rows(signature, _rows(_list(sent, "/instances", limits), signature))


def _inputs(sent: Any, signature: Signature, limits: Limits) -> Validated:
    """Lists by column, or the rows of a matrix."""
    if not isinstance(sent, dict):
        return validate_rows(signature, _rows(_list(sent, "/inputs", limits), signature))
    length: int | None = None
    for name, cells in sent.items():
        here = f"/inputs/{pointer_token(name)}"
        found = len(_list(cells, here, limits))
        if length is not None and found != length:
            text = f"The column `{shown(name)}` has {found} values, those before it {length}."
            raise InvalidField(text, pointer=here)
        length = found
    return validate_columns(signature, sent)


def _list(sent: Any, pointer: str, limits: Limits) -> list[Any]:
    if not isinstance(sent, list):
        raise InvalidField("A list was expected.", pointer=pointer)
    if len(sent) > limits.rows:
        text = f"A request may have {limits.rows} rows at most; a batch job takes any number."
        raise InvalidField(text, pointer=pointer)
    return sent


def _rows(values: list[Any], signature: Signature) -> list[Any]:
    """Rows as the validator takes them: a model of one column takes its bare values too."""
    if len(signature.inputs) != 1:
        return values
    (only,) = signature.inputs
    return [value if _is_row(value, only) else [value] for value in values]


def _is_row(value: Any, only: Column) -> bool:
    """An object, or a list around the one value: as deep as its shape, and one more."""
    if isinstance(value, dict):
        return True
    for _ in range(len(only.shape or ()) + 1):
        if not isinstance(value, list):
            return False
        value = value[0] if value else None
    return True


_READERS: dict[str, Callable[[Any, Signature, Limits], Validated]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}
