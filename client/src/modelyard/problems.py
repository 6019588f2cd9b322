"""An answer that is no success -> the exception for it. Problem documents as RFC 9457 has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from modelyard.bodies import CHUNK_BYTES
from modelyard.errors import ModelyardError, RowError, UnexpectedAnswer, error_class
from modelyard.retry import retry_after_s

PROBLEM_MAX_BYTES = 4 * 1024 * 1024
_KNOWN = frozenset({"type", "title", "status", "code", "detail", "instance", "errors"})


def problem_of(response: requests.Response, *, wall: float) -> ModelyardError:
    """The exception for an answer of status 300 and above. ``wall`` reads a date to wait for."""
    pause = retry_after_s(response.headers, wall=wall)
    document = _document(response)
    if document is None:
        return _foreign(response, pause)
    status = response.status_code
    code = document.get("code")
    errors = document.get("errors") or []
    return error_class(code, status)(
        str(document.get("detail") or document.get("title") or ""),
        code=code,
        title=document.get("title"),
        status=status,
        errors=[RowError.from_json(e) for e in errors if isinstance(e, Mapping)],
        request_id=document.get("instance") or response.headers.get("X-Request-Id"),
        retry_after_s=pause,
        facts={name: value for name, value in document.items() if name not in _KNOWN},
    )


def _document(response: requests.Response) -> Mapping[str, Any] | None:
    """The problem document, or None where the answer has none of ours."""
    if "json" not in response.headers.get("Content-Type", ""):
        return None
    content = b""
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > PROBLEM_MAX_BYTES:
            return None
    try:
        document = json.loads(content)
    except ValueError:
        return None
    is_ours = isinstance(document, dict) and isinstance(document.get("code"), str)
    return document if is_ours else None


def _foreign(response: requests.Response, pause: float | None) -> UnexpectedAnswer:
    status = response.status_code
    text = f"{response.url} answered {status} {response.reason or ''}".rstrip()
    if target := response.headers.get("Location"):
        text += f" and points to {target}, which is not followed: check MODELYARD_URL"
    return UnexpectedAnswer(
        f"{text}.",
        status=status,
        request_id=response.headers.get("X-Request-Id"),
        retry_after_s=pause,
    )
