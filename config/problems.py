"""Adapters between Django, DRF and the one renderer of errors in ``registry.problems``."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from django import http
from django.conf import settings
from django.core import exceptions as django_errors
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.http.multipartparser import MultiPartParserError
from django.template import loader
from django.views import csrf, defaults
from rest_framework import exceptions as drf

from config import request_id
from registry import errors, problems
from registry.api.auth import csrf_words

log = logging.getLogger(__name__)

# Where clients are programs: every error there is theirs to read, whatever raised it.
PROGRAM_PATHS = ("/api/", "/v2/", "/endpoints/", "/ping", "/healthz", "/readyz", "/metrics")


def drf_exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's ``EXCEPTION_HANDLER``: every exception of an API view becomes a problem document."""
    request: HttpRequest = context["request"]._request
    known = as_domain_error(error)
    if known is None:
        log.error("Unexpected error at %s", request.path, exc_info=error)
    response = answer(known or error, request)
    # It stands in the log above, with its traceback: Django need not add a line without one.
    response._has_been_logged = known is None  # type: ignore[attr-defined]  # Django's own mark
    return response


def answer(error: Exception, request: HttpRequest) -> HttpResponse:
    """The error in the dialect of the path that was asked, as a response."""
    authorization = request.META.get("HTTP_AUTHORIZATION", "")
    shown = problems.render(
        error,
        request_id=request_id.of(request),
        docs_url=docs_url(request),
        dialect=problems.dialect_of(request.path_info, authorization),
    )
    response = HttpResponse(shown.body, status=shown.status, content_type=shown.content_type)
    for name, value in shown.headers.items():
        response[name] = value
    return response


def docs_url(request: HttpRequest) -> str:
    """Where the error codes are described, as the caller reaches it."""
    base = settings.MODELYARD["PUBLIC_URL"] or _own_origin(request)
    return f"{base}/docs/errors"


def _own_origin(request: HttpRequest) -> str:
    try:
        return f"{request.scheme}://{request.get_host()}"
    except django_errors.DisallowedHost:
        return ""


# --- what others raise, in our words ------------------------------------------------------------


def _malformed(error: Any) -> errors.DomainError:
    return errors.MalformedBody(_text(error))


def _multipart(error: Any) -> errors.DomainError:
    return errors.MalformedMultipart(_text(error))


def _not_authenticated(error: Any) -> errors.DomainError:
    return errors.NotAuthenticated(_text(error))


def _not_allowed_error(error: Any) -> errors.DomainError:
    return errors.NotAllowed(_text(error) or "You may not do this.")


def _not_found_error(error: Any) -> errors.DomainError:
    return errors.NotFound("There is nothing here.")


def _media_type(error: Any) -> errors.DomainError:
    return errors.UnsupportedMediaType(_text(error), accepted=["application/json"])


def _not_acceptable(error: Any) -> errors.DomainError:
    return errors.NotAcceptable(_text(error))


def _throttled(error: drf.Throttled) -> errors.DomainError:
    wait_s = math.ceil(getattr(error, "wait", None) or 1)
    return errors.RateLimited("Too many requests.", retry_after_s=wait_s)


def _too_big(error: Any) -> errors.DomainError:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return errors.TooLarge(f"The body is larger than {limit} bytes.", limit_bytes=limit)


def _invalid(error: drf.ValidationError) -> errors.DomainError:
    pointer, detail = _first_problem(error.detail)
    return errors.InvalidField(detail, pointer=pointer)


def _method(error: drf.MethodNotAllowed) -> errors.DomainError:
    return errors.MethodNotAllowed(_text(error), allow=())


# Looked through in order: a class stands before its bases.
_TRANSLATIONS: Sequence[tuple[type[Exception], Callable[[Any], errors.DomainError]]] = (
    (drf.ParseError, _malformed),
    (drf.NotAuthenticated, _not_authenticated),
    (drf.AuthenticationFailed, _not_authenticated),
    (drf.PermissionDenied, _not_allowed_error),
    (django_errors.PermissionDenied, _not_allowed_error),
    (drf.NotFound, _not_found_error),
    (http.Http404, _not_found_error),
    (drf.MethodNotAllowed, _method),
    (drf.NotAcceptable, _not_acceptable),
    (drf.UnsupportedMediaType, _media_type),
    (drf.Throttled, _throttled),
    (drf.ValidationError, _invalid),
    (MultiPartParserError, _multipart),
    (django_errors.RequestDataTooBig, _too_big),
    (django_errors.TooManyFieldsSent, _multipart),
    (django_errors.TooManyFilesSent, _multipart),
    (django_errors.SuspiciousOperation, lambda _: errors.BadRequest("The request is refused.")),
    (http.UnreadablePostError, lambda _: errors.MalformedBody("The body broke off.")),
)


def as_domain_error(error: Exception) -> errors.DomainError | None:
    """The error in the words of the domain; None for one that nobody expected."""
    if isinstance(error, errors.DomainError):
        return error
    for kind, translate in _TRANSLATIONS:
        if isinstance(error, kind):
            return translate(error)
    return None


def _text(error: Any) -> str:
    return str(getattr(error, "detail", "") or error)


def _first_problem(detail: Any) -> tuple[str, str]:
    """JSON pointer and text of the first problem in DRF's nested lists and dicts."""
    pointer = ""
    while isinstance(detail, (dict, list)) and detail:
        if isinstance(detail, dict):
            key = next(iter(detail))
            detail = detail[key]
            if key != "non_field_errors":
                pointer += "/" + str(key).replace("~", "~0").replace("/", "~1")
        else:
            filled = [i for i, part in enumerate(detail) if part]
            first = filled[0] if filled else 0
            if isinstance(detail[first], dict):
                pointer += f"/{first}"
            detail = detail[first]
    return pointer, str(detail or "The value is not valid.")


# --- Django's own handlers ----------------------------------------------------------------------


def is_for_programs(request: HttpRequest) -> bool:
    """Whether the caller is a program: then errors are problem documents, never pages."""
    return f"{request.path_info}/".startswith(PROGRAM_PATHS)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler400``."""
    if is_for_programs(request):
        return answer(as_domain_error(exception) or errors.BadRequest("Bad request."), request)
    return defaults.bad_request(request, exception)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler403``."""
    if is_for_programs(request):
        return answer(as_domain_error(exception) or errors.NotAllowed("Not allowed."), request)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler404``."""
    if is_for_programs(request):
        return answer(as_domain_error(exception) or _not_found_error(exception), request)
    return defaults.page_not_found(request, exception)


def internal(request: HttpRequest) -> HttpResponse:
    """``handler500``; Django has logged the traceback."""
    if is_for_programs(request):
        return answer(RuntimeError("unexpected"), request)
    words = {"request_id": request_id.of(request)}
    return HttpResponseServerError(loader.render_to_string("500.html", words))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """``CSRF_FAILURE_VIEW``: a session without its token."""
    if is_for_programs(request):
        return answer(errors.NotAllowed(csrf_words(reason)), request)
    return csrf.csrf_failure(request, reason)
