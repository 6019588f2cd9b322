"""Plain: the native protocol: JSON by rows or columns, CSV, Arrow and Parquet, both ways."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from registry import strict_json
from registry.errors import DomainError, InvalidField, InvalidRows, MalformedBody, TooLarge
from registry.signature.names import nearest, pointer_token, shown
from registry.signature.params import read_params
from registry.signature.types import Signature
from registry.signature.validate import (
    Validated,
    validate_columns,
    validate_rows,
    validate_table,
)
from registry.tabular import TabularError, arrow_chunks, csv_chunks, parquet_chunks, read_csv_cells
from serving.protocols import media, tables
from serving.protocols.answers import answer_members, written_members
from serving.protocols.arrow_body import read_arrow_stream, read_parquet
from serving.protocols.base import Decoded, Encoded, Head, Limits, Reply
from serving.protocols.fast_json import read_request

__all__ = ["Decoded", "Encoded", "Head", "Limits", "Reply", "answer_members", "decode", "encode"]

VERSION_HEADER = "X-Modelyard-Model-Version"
ROW_ERRORS_HEADER = "X-Modelyard-Row-Errors"
_MEMBERS = ("instances", "columns", "outputs", "params")
_NAMED_WRONG = ("duplicate-column", "empty-column-name")


def decode(
    body: bytes, head: Head, signature: Signature, *, limits: Limits | None = None
) -> Decoded:
    """The rows of a request, checked against the signature, with what it asks for.

    The notes are the media type to answer in.

    Bad rows do not raise: they stand in ``validated``. Raises MalformedBody, TooLarge,
    NotAcceptable, UnsupportedMediaType, and InvalidField with a JSON pointer for a wrong shape of
    the whole.
    """
    limits = limits or Limits()
    answer_type = media.answer_type(head.accept)
    media_type = media.body_type(head.content_type)
    if media_type == media.JSON:
        return _decode_json(body, signature, limits, answer_type)
    validated = _TABLE_READERS[media_type](body, signature, limits)
    _check_rows(validated.n_rows, limits, "")
    return Decoded(validated, None, read_params(signature, {}), answer_type)


def encode(reply: Reply) -> Encoded:
    """The answer in the media type that the notes name; JSON where they name none.

    With ``reply.skipped`` every list and column has a null at each bad row, and the reasons stand
    in ``errors`` (JSON), in the metadata (Arrow, Parquet), and as a count in a header.
    """
    media_type = reply.notes or media.JSON
    headers = {VERSION_HEADER: f"{reply.model}/{reply.version}"}
    if reply.skipped:
        headers[ROW_ERRORS_HEADER] = str(reply.validated.problem_count)
    if media_type == media.JSON:
        return Encoded(_json_body(reply), media.JSON, headers)
    table = _table(reply)
    schema = table.schema.with_metadata(_metadata(reply))
    body = b"".join(_TABLE_WRITERS[media_type]([table], schema))
    content_type = f"{media.CSV}; charset=utf-8" if media_type == media.CSV else media_type
    return Encoded(body, content_type, headers)


def _decode_json(body: bytes, signature: Signature, limits: Limits, answer_type: str) -> Decoded:
    taken = read_request(body, signature) if len(body) <= limits.body_bytes else None
    if taken is None or taken.columns.n_rows > limits.rows:
        return _decode_json_slowly(body, signature, limits, answer_type)
    outputs = None if taken.outputs is None else tuple(dict.fromkeys(taken.outputs))
    params = read_params(signature, taken.params)
    return Decoded(Validated.all_good(taken.columns), outputs, params, answer_type)


def _decode_json_slowly(
    body: bytes, signature: Signature, limits: Limits, answer_type: str
) -> Decoded:
    """The definition of what is taken, and the words for what is not."""
    members = _members(strict_json.loads(body, max_bytes=limits.body_bytes))
    if "instances" in members and "columns" in members:
        raise InvalidField("Send `instances` or `columns`, not both.", pointer="/columns")
    if "instances" in members:
        validated = _instances(members["instances"], signature, limits)
    elif "columns" in members:
        validated = _columns(members["columns"], signature, limits)
    else:
        raise InvalidField("`instances` or `columns` is needed.", pointer="")
    params = read_params(signature, members.get("params", {}))
    return Decoded(validated, _outputs(members), params, answer_type)


def _members(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise InvalidField("The body must be an object with `instances` or `columns`.", pointer="")
    for name in parsed:
        if name not in _MEMBERS:
            raise InvalidField(
                f"There is no member `{shown(name)}`; the nearest is `{nearest(name, _MEMBERS)}`.",
                pointer=f"/{pointer_token(name)}",
            )
    return parsed


def _instances(rows: Any, signature: Signature, limits: Limits) -> Validated:
    if not isinstance(rows, list):
        raise InvalidField("`instances` is a list of rows.", pointer="/instances")
    _check_rows(len(rows), limits, "/instances")
    return validate_rows(signature, rows)


def _columns(columns: Any, signature: Signature, limits: Limits) -> Validated:
    if not isinstance(columns, dict):
        raise InvalidField("`columns` is an object of lists.", pointer="/columns")
    for name, cells in columns.items():
        here = f"/columns/{pointer_token(name)}"
        if not isinstance(cells, list):
            raise InvalidField("A column is a list of values.", pointer=here)
        _check_rows(len(cells), limits, here)
    return validate_columns(signature, columns)


def _check_rows(n_rows: int, limits: Limits, pointer: str) -> None:
    if n_rows > limits.rows:
        text = f"A request may have {limits.rows} rows at most; a batch job takes any number."
        raise InvalidField(text, pointer=pointer)


def _outputs(members: dict[str, Any]) -> tuple[str, ...] | None:
    """The asked outputs, each once; which of them the model has is not known here."""
    if "outputs" not in members:
        return None
    outputs = members["outputs"]
    if not isinstance(outputs, list) or not outputs:
        raise InvalidField("`outputs` is a list of one name at least.", pointer="/outputs")
    for index, name in enumerate(outputs):
        if not isinstance(name, str):
            raise InvalidField("The name of an output is a text.", pointer=f"/outputs/{index}")
    return tuple(dict.fromkeys(outputs))


def _csv(body: bytes, signature: Signature, limits: Limits) -> Validated:
    _check_size(body, limits.body_bytes)
    try:
        text = io.BytesIO(body)
        cells = read_csv_cells(text, signature.inputs, max_bytes=limits.body_bytes)
    except TabularError as error:
        raise _refusal(error) from None
    return validate_columns(signature, cells.columns, lines=cells.lines)


def _refusal(error: TabularError) -> DomainError:
    """The answer to text that cannot be read as a table."""
    if error.problems:
        bad = len({problem.row for problem in error.problems})
        return InvalidRows(
            error.problems, count=error.count, bad_rows=max(bad, error.count), rows=None
        )
    if error.reason in _NAMED_WRONG:
        return InvalidField(str(error), pointer="")
    return MalformedBody(str(error))


def _arrow(body: bytes, signature: Signature, limits: Limits) -> Validated:
    _check_size(body, limits.binary_body_bytes)
    return validate_table(
        signature,
        read_arrow_stream(body, max_bytes=limits.binary_body_bytes, max_rows=limits.rows),
    )


def _parquet(body: bytes, signature: Signature, limits: Limits) -> Validated:
    _check_size(body, limits.binary_body_bytes)
    return validate_table(
        signature, read_parquet(body, max_bytes=limits.binary_body_bytes, max_rows=limits.rows)
    )


def _check_size(body: bytes, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise TooLarge(f"The body is larger than {max_bytes} bytes.", limit_bytes=max_bytes)


_TABLE_READERS: dict[str, Callable[[bytes, Signature, Limits], Validated]] = {
    media.CSV: _csv,
    media.ARROW: _arrow,
    media.PARQUET: _parquet,
}
_TABLE_WRITERS = {
    media.CSV: csv_chunks,
    media.ARROW: arrow_chunks,
    media.PARQUET: parquet_chunks,
}


def _json_body(reply: Reply) -> bytes:
    members: dict[str, Any] = {"model": reply.model, "version": reply.version}
    checked = reply.validated
    if checked.problem_count:
        for name, values in answer_members(reply.answer, reply.asked).items():
            members[name] = _spread(values, checked)
    else:
        members |= written_members(reply.answer, reply.asked)
    if reply.skipped:
        members["errors"] = [p.to_json(confidential=reply.confidential) for p in checked.problems]
        members["error_count"] = checked.problem_count
    members["request_id"] = reply.request_id
    return strict_json.dumps(members)


def _spread(values: list[Any], checked: Validated) -> list[Any]:
    everywhere: list[Any] = [None] * checked.n_rows
    for row, value in zip(checked.row_numbers.tolist(), values, strict=True):
        everywhere[row] = value
    return everywhere


def _table(reply: Reply) -> pa.RecordBatch:
    has_blocks = bool(reply.answer.blocks)
    table = tables.table_answer(reply.answer) if has_blocks else tables.empty_table(reply.signature)
    checked = reply.validated
    if not checked.problem_count:
        return table
    return tables.spread(table, checked.row_numbers, checked.n_rows)


def _metadata(reply: Reply) -> dict[str, str]:
    found = {"modelyard.model": reply.model, "modelyard.version": str(reply.version)}
    if reply.skipped:
        shown_errors = [
            p.to_json(confidential=reply.confidential) for p in reply.validated.problems
        ]
        found["modelyard.errors"] = strict_json.dumps(shown_errors).decode()
        found["modelyard.error_count"] = str(reply.validated.problem_count)
    return found
