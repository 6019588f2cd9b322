"""Example rows -> the file that goes along with a model, with their types kept where possible."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.bodies import BytesSource, FilePart, FileSource
from modelyard.cells import json_cell
from modelyard.errors import UsageError
from modelyard.frames import arrow_table, has_no_names, parquet_bytes
from modelyard.optional import have, is_array, is_arrow, is_frame, is_series, need

_FILE_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
}


def example_part(example: Any, estimator: Any = None) -> FilePart:
    """The form part ``example``: a file as it is, a table as Parquet (JSON without pyarrow).

    Columns without names are called by ``feature_names_in_`` of the estimator, else x0, x1, ...
    """
    if isinstance(example, str | Path):
        return _file_part(Path(example))
    if have("pyarrow"):
        table = arrow_table(_table_of(example, estimator), keep_categories=True)
        source = BytesSource(parquet_bytes(table))
        return FilePart("example", "example.parquet", source, _FILE_TYPES[".parquet"])
    rows = json.dumps(_json_rows(example, estimator), allow_nan=False).encode()
    return FilePart("example", "example.json", BytesSource(rows), _FILE_TYPES[".json"])


def _file_part(path: Path) -> FilePart:
    media_type = _FILE_TYPES.get(path.suffix.lower())
    if media_type is None:
        known = ", ".join(_FILE_TYPES)
        raise UsageError(f"{path.name!r} is no example file: one of {known} is taken.")
    return FilePart("example", path.name, FileSource(path), media_type)


def _table_of(example: Any, estimator: Any) -> Any:
    """Something that ``arrow_table`` takes."""
    if is_frame(example):
        if not has_no_names(example):
            return example
        return example.set_axis(_names(estimator, example.shape[1]), axis="columns")
    if is_series(example) or is_arrow(example):
        return example
    pa = need("pyarrow", "Sending an example")
    if is_array(example):
        matrix = example.reshape(-1, 1) if example.ndim == 1 else example
        if matrix.ndim > 2:
            raise UsageError("An example of more than two dimensions needs a table with one column")
        names = _names(estimator, matrix.shape[1])
        return pa.table({name: matrix[:, i].tolist() for i, name in enumerate(names)})
    return pa.Table.from_pylist(_json_rows(example, estimator))


def _json_rows(example: Any, estimator: Any) -> list[dict[str, Any]]:
    """The example as row objects."""
    if is_frame(example):
        names = list(example.columns)
        if has_no_names(example):
            names = _names(estimator, len(names))
        cells = [[json_cell(c) for c in example.iloc[:, i]] for i in range(len(names))]
        return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    rows = example.tolist() if hasattr(example, "tolist") else example
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise UsageError(f"{type(example).__qualname__} is no table of example rows.")
    return [_json_row(row, estimator) for row in rows]


def _json_row(row: Any, estimator: Any) -> dict[str, Any]:
    if isinstance(row, dict):
        return {str(name): json_cell(cell) for name, cell in row.items()}
    cells = [json_cell(c) for c in row] if isinstance(row, list | tuple) else [json_cell(row)]
    return dict(zip(_names(estimator, len(cells)), cells, strict=True))


def _names(estimator: Any, count: int) -> list[str]:
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and len(names) == count:
        return [str(name) for name in names]
    return [f"x{i}" for i in range(count)]
