"""The description of one model's endpoint: its real columns, types, allowed values, an example."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.describe import PROBLEM_TYPE, describe
from registry.api.resource import Resource
from registry.signature.json_schema import (
    example_row,
    predict_answer_schema,
    predict_request_schema,
)
from serving.actions.targets import Target, called_version
from serving.protocols import media
from serving.runtimes.base import available_outputs

_PROBLEMS = {
    "401": "not-authenticated, key-expired",
    "403": "not-allowed",
    "404": "model-not-found, alias-not-found",
    "409": "version-not-ready, version-not-servable",
    "413": "too-large",
    "415": "unsupported-media-type",
    "422": "invalid-rows, invalid-field",
    "503": "model-loading, model-failed, overloaded",
}


class ModelOpenapi(Resource):
    """``/models/{ref}/openapi.json``."""

    @describe(
        "model_openapi",
        "OpenAPI 3.1 of one model's endpoint",
        answers={200: OpenApiTypes.OBJECT},
        tags=["scoring"],
    )
    def get(self, request: Request, ref: str) -> Response:
        """The description of what the ref calls now."""
        target = Target.of(called_version(self.by, ref))
        return Response(openapi_of(target, ref, self.sight().url("")))


def openapi_of(target: Target, ref: str, server: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document with one operation. ``server`` is the API's base url."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{target.model}, version {target.number}",
            "version": str(target.number),
            "description": f"Scores rows with {target.facts.estimator}.",
        },
        "servers": [{"url": server}],
        "security": [{"apiKey": []}],
        "components": {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}}},
        "paths": {f"/models/{ref}/predict": {"post": _operation(target)}},
    }


def _operation(target: Target) -> dict[str, Any]:
    return {
        "operationId": "predict",
        "summary": "Score rows",
        "parameters": [
            {
                "name": "on_row_error",
                "in": "query",
                "schema": {"type": "string", "enum": ["fail", "skip"], "default": "fail"},
            }
        ],
        "requestBody": {"required": True, "content": _bodies(target)},
        "responses": {
            "200": {"description": "The answers, in row order.", "content": _answers(target)},
            **{status: _problem(codes) for status, codes in _PROBLEMS.items()},
        },
    }


def _bodies(target: Target) -> dict[str, Any]:
    example = {"instances": [example_row(target.signature)]}
    schema = predict_request_schema(target.signature, available_outputs(target.facts))
    return {media.JSON: {"schema": schema, "example": example}, **_tables()}


def _answers(target: Target) -> dict[str, Any]:
    schema = predict_answer_schema(target.signature, available_outputs(target.facts))
    return {media.JSON: {"schema": schema}, **_tables()}


def _tables() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "contentEncoding": "binary"}}
    return {
        media.CSV: {"schema": {"type": "string"}},
        media.ARROW: binary,
        media.PARQUET: binary,
    }


def _problem(codes: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "instance"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
        },
    }
    return {"description": codes, "content": {PROBLEM_TYPE: {"schema": schema}}}
