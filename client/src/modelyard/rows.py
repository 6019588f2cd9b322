"""Whatever the user holds as rows -> the body of one scoring call.

DataFrame, Series, Arrow table, polars frame   Arrow, or JSON by column without pyarrow
DataFrame or array without names               JSON by row, in the order of the signature
list of dicts or of lists                      JSON by row
dict of lists                                  JSON by column
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.bodies import Body, BytesSource, json_body
from modelyard.cells import json_cell
from modelyard.errors import UsageError
from modelyard.frames import arrow_table, checked_names, has_no_names, ipc_stream
from modelyard.optional import have, is_array, is_arrow, is_frame, is_series

ARROW_STREAM = "application/vnd.apache.arrow.stream"


def scoring_body(
    rows: Any, *, outputs: Sequence[str] | None = None, params: Mapping[str, Any] | None = None
) -> Body:
    """The body for ``/predict``. UsageError where the rows cannot be sent as they are."""
    asked: dict[str, Any] = {}
    if outputs is not None:
        asked["outputs"] = list(outputs)
    if params is not None:
        asked["params"] = {name: json_cell(value) for name, value in params.items()}
    # `outputs` and `params` are members of the JSON body; the table forms have no place for them.
    if not asked and _is_named_table(rows) and have("pyarrow"):
        return Body(BytesSource(ipc_stream(arrow_table(rows))), ARROW_STREAM)
    return json_body({**_json_rows(rows), **asked})


def _is_named_table(rows: Any) -> bool:
    if is_frame(rows):
        return not has_no_names(rows)
    if is_series(rows):
        return isinstance(rows.name, str)
    return is_arrow(rows)


def _json_rows(rows: Any) -> dict[str, Any]:
    if is_frame(rows):
        return _frame_rows(rows)
    if is_series(rows):
        named = isinstance(rows.name, str)
        cells = _column(rows.name if named else "0", rows)
        return {"columns": {rows.name: cells}} if named else {"instances": [[c] for c in cells]}
    if is_arrow(rows):
        table = arrow_table(rows)
        return {"columns": {n: _column(n, table[n].to_pylist()) for n in table.column_names}}
    if isinstance(rows, Mapping):
        return {"columns": {str(n): _column(str(n), _cells(n, c)) for n, c in rows.items()}}
    if is_array(rows):
        return {"instances": [_row(i, r) for i, r in enumerate(_matrix(rows))]}
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        return {"instances": [_row(i, r) for i, r in enumerate(rows)]}
    raise UsageError(f"{type(rows).__qualname__} is no table of rows.")


def _frame_rows(frame: Any) -> dict[str, Any]:
    if has_no_names(frame):
        cells = [frame[column].tolist() for column in frame.columns]
        return {"instances": [_row(i, r) for i, r in enumerate(zip(*cells, strict=True))]}
    if have("pyarrow"):  # one set of rules for categories, times and missing values
        return _json_rows(arrow_table(frame))
    return {"columns": {name: _column(name, frame[name]) for name in checked_names(frame)}}


def _matrix(array: Any) -> Any:
    if array.ndim == 1:
        raise UsageError("A one-dimensional array may be one row or one column: reshape it.")
    return array.tolist()


def _cells(name: object, cells: Any) -> Sequence[Any]:
    if is_series(cells) or is_array(cells) or isinstance(cells, list | tuple):
        return list(cells)
    raise UsageError(
        f"A dict holds columns, and {name!r} is no list of cells. Give one row as [{{...}}]."
    )


def _row(index: int, row: Any) -> Any:
    if not isinstance(row, Mapping | list | tuple) and not is_array(row):
        raise UsageError(f"Row {index} is neither a dict nor a list.")
    try:
        return json_cell(row)
    except UsageError as exc:
        raise UsageError(f"Row {index}: {exc.detail}") from exc


def _column(name: str, cells: Any) -> list[Any]:
    done: list[Any] = []
    for index, cell in enumerate(cells):
        try:
            done.append(json_cell(cell))
        except UsageError as exc:
            raise UsageError(f"Column {name!r}, row {index}: {exc.detail}") from exc
    return done
