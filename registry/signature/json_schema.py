"""Plain: a signature as JSON Schema 2020-12, as OpenAPI 3.1 uses it: rows, requests, answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.signature.cells import scalar_json
from registry.signature.types import Column, Param, Signature

OUTPUT_KINDS = ("prediction", "probabilities", "decision", "transform")
_TEXT_EXAMPLES = {"datetime": "2026-01-31T12:00:00Z", "date": "2026-01-31", "string": "text"}


def row_schema(signature: Signature) -> dict[str, Any]:
    """One row as an object; a nullable column may be left out."""
    return {
        "type": "object",
        "properties": {column.name: value_schema(column) for column in signature.inputs},
        "required": [column.name for column in signature.inputs if not column.nullable],
        "additionalProperties": False,
    }


def value_schema(column: Column) -> dict[str, Any]:
    """One cell of a column: a value, null where it is nullable, nested lists for a tensor."""
    schema: dict[str, Any] = dict(column.dtype.json_schema)
    if column.enum is not None:
        schema["enum"] = [scalar_json(value, column.dtype) for value in column.enum]
    if column.dtype.is_number:
        for key, bound in (("minimum", column.min), ("maximum", column.max)):
            if bound is not None:
                schema[key] = scalar_json(bound, column.dtype)
    for dim in reversed(column.shape or ()):
        schema = {"type": "array", "items": schema}
        if dim != -1:
            schema |= {"minItems": dim, "maxItems": dim}
    return _or_null(schema) if column.nullable else schema


def predict_request_schema(
    signature: Signature, kinds: Sequence[str] = OUTPUT_KINDS
) -> dict[str, Any]:
    """The body of ``/predict``: ``instances`` or ``columns``, with ``outputs`` and ``params``.

    ``kinds`` are the outputs that the model has, of ``OUTPUT_KINDS``.
    """
    shared = {
        "outputs": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": list(kinds)},
        },
        "params": {
            "type": "object",
            "properties": {param.name: _param_schema(param) for param in signature.params},
            "additionalProperties": False,
        },
    }
    return {
        "oneOf": [
            _one_form("instances", _instances_schema(signature), shared),
            _one_form("columns", _columns_schema(signature), shared),
        ]
    }


def predict_answer_schema(
    signature: Signature, kinds: Sequence[str] = OUTPUT_KINDS
) -> dict[str, Any]:
    """The answer of ``/predict``; a list holds null at a row that was skipped."""
    lists = {"predictions": _predictions_schema(signature)}
    for name in OUTPUT_KINDS[1:]:
        if name in kinds:
            lists[name] = {"type": "array"}
    return {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "integer", "minimum": 1},
            **lists,
            "errors": {"type": "array", "items": {"type": "object"}},
            "error_count": {"type": "integer", "minimum": 0},
            "request_id": {"type": "string"},
        },
        "required": ["model", "version", "request_id"],
    }


def example_row(signature: Signature) -> dict[str, Any]:
    """A row that fits the signature, with plain values."""
    return {column.name: _example(column) for column in signature.inputs}


def _one_form(name: str, schema: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: schema, **shared},
        "required": [name],
        "additionalProperties": False,
    }


def _instances_schema(signature: Signature) -> dict[str, Any]:
    cells = [value_schema(column) for column in signature.inputs]
    as_list = {
        "type": "array",
        "prefixItems": cells,
        "items": False,
        "minItems": len(cells),
        "maxItems": len(cells),
    }
    return {"type": "array", "items": {"anyOf": [row_schema(signature), as_list]}}


def _columns_schema(signature: Signature) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            column.name: {"type": "array", "items": value_schema(column)}
            for column in signature.inputs
        },
        "required": [column.name for column in signature.inputs if not column.nullable],
        "additionalProperties": False,
    }


def _predictions_schema(signature: Signature) -> dict[str, Any]:
    predictions = [c for c in signature.outputs if not c.name.startswith("probability_")]
    if len(predictions) == 1:
        one = value_schema(predictions[0])
    else:
        properties = {column.name: value_schema(column) for column in predictions}
        one = {"type": "object", "properties": properties}
    return {"type": "array", "items": _or_null(one)}


def _param_schema(param: Param) -> dict[str, Any]:
    schema = dict(param.dtype.json_schema)
    if param.default is None:
        return _or_null(schema)
    return schema | {"default": scalar_json(param.default, param.dtype)}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with null allowed, in the 2020-12 way: a list of types."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return schema
    nullable = schema | {"type": [kind, "null"]}
    if "enum" in nullable:
        nullable["enum"] = [*nullable["enum"], None]
    return nullable


def _example(column: Column) -> Any:
    value = _scalar_example(column)
    for dim in reversed(column.shape or ()):
        value = [value] * (1 if dim == -1 else dim)
    return value


def _scalar_example(column: Column) -> Any:
    if column.enum is not None:
        return scalar_json(column.enum[0], column.dtype)
    for bound in (column.min, column.max):
        if bound is not None:
            return scalar_json(bound, column.dtype)
    if column.dtype.kind == "boolean":
        return True
    if column.dtype.is_number:
        return 1 if column.dtype.kind == "integer" else 1.5
    return _TEXT_EXAMPLES[column.dtype.kind]
