"""Plain: the one dtype table: our key, Arrow, numpy, Open Inference, MLflow and JSON Schema.

Followed: Arrow columnar format 1.x type names, Open Inference Protocol V2 (``datatype``),
MLflow model signatures (``DataType``), JSON Schema 2020-12 with OpenAPI 3.1 formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

Kind = Literal["boolean", "integer", "float", "string", "datetime", "date"]


@dataclass(frozen=True)
class DType:
    """One column type under all its names.

    ``bounds`` are the smallest and largest value of an integer type, None for every other kind.
    ``json_schema`` describes one value that is not null.
    """

    key: str
    kind: Kind
    arrow: pa.DataType
    numpy: np.dtype[Any]
    open_inference: str
    mlflow: str
    json_schema: Mapping[str, Any]
    bounds: tuple[int, int] | None = None

    @property
    def is_number(self) -> bool:
        """True for integers and floats; a boolean is never a number."""
        return self.kind in ("integer", "float")


def _integer(key: str, arrow: pa.DataType, open_inference: str, mlflow: str) -> DType:
    limits = np.iinfo(key)
    bounds = (int(limits.min), int(limits.max))
    schema = {"type": "integer", "format": key, "minimum": bounds[0], "maximum": bounds[1]}
    return DType(
        key, "integer", arrow, np.dtype(key), open_inference, mlflow, schema, bounds=bounds
    )


def _float(key: str, arrow: pa.DataType, open_inference: str, mlflow: str) -> DType:
    schema = {"type": "number", "format": mlflow}
    return DType(key, "float", arrow, np.dtype(key), open_inference, mlflow, schema)


def _rows() -> tuple[DType, ...]:
    return (
        DType(
            "boolean",
            "boolean",
            pa.bool_(),
            np.dtype("bool"),
            "BOOL",
            "boolean",
            {"type": "boolean"},
        ),
        _integer("int8", pa.int8(), "INT8", "integer"),
        _integer("int16", pa.int16(), "INT16", "integer"),
        _integer("int32", pa.int32(), "INT32", "integer"),
        _integer("int64", pa.int64(), "INT64", "long"),
        _integer("uint8", pa.uint8(), "UINT8", "integer"),
        _integer("uint16", pa.uint16(), "UINT16", "integer"),
        _integer("uint32", pa.uint32(), "UINT32", "long"),
        _integer("uint64", pa.uint64(), "UINT64", "long"),
        _float("float32", pa.float32(), "FP32", "float"),
        _float("float64", pa.float64(), "FP64", "double"),
        DType(
            "string",
            "string",
            pa.string(),
            np.dtype(object),
            "BYTES",
            "string",
            {"type": "string"},
        ),
        # RFC 3339 with an offset; kept in UTC, in microseconds.
        DType(
            "datetime",
            "datetime",
            pa.timestamp("us", "UTC"),
            np.dtype("datetime64[us]"),
            "BYTES",
            "datetime",
            {"type": "string", "format": "date-time"},
        ),
        DType(
            "date",
            "date",
            pa.date32(),
            np.dtype("datetime64[D]"),
            "BYTES",
            "datetime",
            {"type": "string", "format": "date"},
        ),
    )


DTYPES: dict[str, DType] = {dtype.key: dtype for dtype in _rows()}
