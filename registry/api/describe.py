"""Describes doors for the OpenAPI page: each operation with its answers and its problems."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from registry.api.parameters import Parameter
from registry.api.shapes import In

Door = TypeVar("Door", bound=Callable[..., Any])

PROBLEM_TYPE = "application/problem+json"
MULTIPART_TYPE = "multipart/form-data"
# What any call may end with, and what joins where a body is read.
ALWAYS = (400, 401, 403, 404, 406, 429, 500, 503)
WITH_BODY = (409, 413, 415, 422)
_REASONS = {
    400: "The request cannot be read: `malformed-body`, `malformed-multipart` or "
    "`malformed-parameter`.",
    401: "`not-authenticated` or `key-expired`.",
    403: "`not-allowed`: a role or a scope is missing.",
    404: "Unknown, or not to be seen by the caller.",
    406: "`not-acceptable`: the answer has other media types.",
    409: "The state of things does not allow it: the code says which.",
    410: "`rows-erased`: the rows were kept for as long as they were to be.",
    413: "`too-large`, with the limit.",
    415: "`unsupported-media-type`, with what is taken.",
    422: "`invalid-field` with a JSON pointer, `unreadable-artifact`, `invalid-rows` "
    "or another that the code says.",
    429: "`rate-limited`, with Retry-After.",
    500: "`internal`, with the request id and nothing else.",
    503: "Not available now; Retry-After where waiting helps.",
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters: a repeated call with the same key and body "
    "within 24 hours gets the first answer again, with `Idempotency-Replayed: true`.",
)


class Problem(serializers.Serializer[Any]):
    """A problem document (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    pointer = serializers.CharField(required=False)
    errors = serializers.ListField(  # type: ignore[assignment]  # a field, not the property
        child=serializers.DictField(), required=False
    )
    error_count = serializers.IntegerField(required=False)


def describe(
    name: str,
    summary: str,
    *,
    answers: Mapping[int, Any],
    body: type[In] | Mapping[str, Any] | None = None,
    query: Sequence[Parameter] = (),
    is_list: bool = False,
    is_creating: bool = False,
    reads_rows: bool = False,
    tags: Sequence[str] = (),
) -> Callable[[Door], Door]:
    """Describe one door and declare its query parameters.

    ``answers`` maps statuses to serializers, or to a tuple of media types for files. ``body`` is a
    serializer, or several by media type. ``is_creating``: it takes an Idempotency-Key.
    ``reads_rows``: of a dataset, which may be erased.
    """
    parameters: list[Any] = [parameter.described() for parameter in query]
    if is_creating:
        parameters.append(IDEMPOTENCY_KEY)
    request = dict(body) if isinstance(body, Mapping) else body
    annotate = extend_schema(
        operation_id=name,
        summary=summary,
        parameters=parameters,
        request=request,
        responses=_answers(answers, is_list)
        | _problems(has_body=body is not None or is_creating, reads_rows=reads_rows),
        tags=list(tags) or None,
    )

    def mark(door: Door) -> Door:
        door.query = tuple(query)  # type: ignore[attr-defined]  # read by Resource.initial
        door.is_creating = is_creating  # type: ignore[attr-defined]  # read by tests
        door.body = body  # type: ignore[attr-defined]  # the same
        described: Door = annotate(door)
        return described

    return mark


def _answers(answers: Mapping[int, Any], is_list: bool) -> dict[Any, Any]:
    described: dict[Any, Any] = {}
    for status, answer in answers.items():
        if isinstance(answer, tuple):
            described |= {(status, media): OpenApiTypes.BINARY for media in answer}
        else:
            described[status] = _page_of(answer) if is_list else answer
    return described


@functools.cache
def _page_of(out: type[serializers.Serializer[Any]]) -> Any:
    """The shape of a list of ``out``."""
    name = f"{out.__name__}Page"
    fields = {
        "count": serializers.IntegerField(),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": out(many=True),
    }
    return type(name, (serializers.Serializer,), fields)


def _problems(*, has_body: bool, reads_rows: bool) -> dict[Any, Any]:
    statuses = sorted(
        ALWAYS + (WITH_BODY if has_body else (409, 415)) + ((410,) if reads_rows else ())
    )
    return {
        (status, PROBLEM_TYPE): OpenApiResponse(Problem, _REASONS[status]) for status in statuses
    }


class _KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "registry.api.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "my_<id>_<secret>"}


class _SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "registry.api.auth.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
