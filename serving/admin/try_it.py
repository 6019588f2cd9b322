"""The try-it form of a version: one row by hand, made from its signature.

What is typed becomes the JSON of the native protocol and goes down the same lane as a call over
REST: the same checks, the same errors, the same answer. Nothing is decided here.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from registry import roles, strict_json
from registry.admin.access import page_refusals, principal_of
from registry.errors import DomainError, InvalidRows
from registry.models import ModelVersion
from registry.models.model_version import VersionStatus
from registry.panels import PanelContent
from registry.principals import require
from serving.actions.targets import Resolution, Target
from serving.admin.answer_shown import shown_answer
from serving.admin.cells import CellField, body_of, fields_of
from serving.admin.example import golden_example
from serving.api.lane import Call, handle
from serving.protocols.base import Head

# With more columns a form of fields helps nobody: then the row is typed as JSON.
FIELDS_MAX = 80
JSON_TYPE = "application/json"
ANSWER_MAX_BYTES = 16 << 20


def panel(request: HttpRequest, version: ModelVersion) -> PanelContent | None:
    """The form, filled with an example; None for who may not score, and for what cannot."""
    if version.status != VersionStatus.READY or version.model.archived_at is not None:
        return None
    if not principal_of(request).may(roles.SCORER, version.model):
        return None
    fields = fields_of(version.parsed_signature, example=golden_example(version))
    return PanelContent("serving/try_it.html", _context(version, fields))


def score_one(request: HttpRequest, pk: Any) -> HttpResponse:
    """POST: score the row, and show the form again with the answer or with what is wrong."""
    with page_refusals():
        by = principal_of(request)
        rows = ModelVersion.objects.visible_to(by).select_related("model", "artifact")
        version = rows.filter(pk=pk).first()
        if version is None or request.method != "POST":
            raise Http404
        require(by, roles.SCORER, version.model)
    fields = fields_of(version.parsed_signature, typed=request.POST) if version.signature else []
    context = _context(version, fields, raw=request.POST.get("row", ""))
    try:
        context["answer"] = _score(request, version, fields)
    except InvalidRows as error:
        context["problems"] = _place(fields, error)
    except DomainError as error:
        context["refusal"] = error
    is_fragment = bool(request.headers.get("HX-Request"))
    template = "serving/try_it.html" if is_fragment else "serving/try_page.html"
    around = {} if is_fragment else admin.site.each_context(request)
    return TemplateResponse(request, template, {**around, "panel": context})


def _score(request: HttpRequest, version: ModelVersion, fields: list[CellField]) -> dict[str, Any]:
    body = body_of(fields) if fields else _raw_body(request.POST.get("row", ""))
    encoded = handle(
        Call(
            resolution=Resolution((Target.of(version),)),
            body=body,
            head=Head(content_type=JSON_TYPE, accept=JSON_TYPE),
            request_id=str(getattr(request, "request_id", "")),
        )
    )
    return shown_answer(strict_json.loads(encoded.body, max_bytes=ANSWER_MAX_BYTES))


def _context(version: ModelVersion, fields: list[CellField], *, raw: str = "") -> dict[str, Any]:
    return {"version": version, "fields": fields, "raw": raw}


def _raw_body(text: str) -> bytes:
    return b'{"instances": [' + text.encode() + b"]}"


def _place(fields: list[CellField], error: InvalidRows) -> list[Any]:
    """Write each problem beside its field; what belongs to none is returned."""
    by_name = {field.name: field for field in fields if not field.is_param}
    left = []
    for problem in error.problems:
        field = by_name.get(problem.column or "")
        if field is None:
            left.append(problem)
        else:
            field.problems.append(problem)
    return left


admin.site.add_page(  # type: ignore[attr-defined]  # our site has it
    "serving/try-it/<uuid:pk>/", score_one, "serving_try-it"
)
