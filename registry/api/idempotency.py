"""Idempotency-Key: a creating call that is repeated gets the first answer again.

1. Claim: a row for principal, route and key, committed at once. A second call meets it.
2. Prepare: what must stand outside the transaction, such as publishing bytes.
3. Work: the action and the row's answer in one transaction, so that neither is without the other.
4. Refused or failed: the row goes, and the key may be used again. A process that dies leaves a
   row without an answer, which the next call may take over after ``LEASE``. Should the first one
   be alive all the same, it finds its row gone and rolls its work back.

serving's doors use it too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from registry.api.auth import principal_of
from registry.api.renderers import to_json
from registry.errors import IdempotencyInProgress, IdempotencyMismatch, MalformedParameter
from registry.models import IdempotencyRecord

KEPT = timedelta(hours=24)
LEASE = timedelta(minutes=10)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SWEPT_AT_ONCE = 100
_ROUTE_MAX_CHARS = 200


@dataclass(frozen=True)
class Answer:
    """What a creating call answers. ``secret`` members are sent once and never kept."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)


def once(
    request: Request,
    body: object,
    work: Callable[[], Answer],
    *,
    prepare: Callable[[], None] | None = None,
) -> HttpResponse:
    """Do ``work`` in a transaction, once for each key; without a key, simply do it.

    ``body`` is what a repeated call must have alike. Raises IdempotencyMismatch,
    IdempotencyInProgress, MalformedParameter, and whatever prepare and work raise.
    """
    key = _key_of(request)
    if key is None:
        return _response(_do(work, prepare, None))
    held = _claim(request, key, _fingerprint(request, body))
    if held.status is not None:
        return _replayed(held)
    try:
        return _response(_do(work, prepare, held))
    except BaseException:
        IdempotencyRecord.objects.filter(pk=held.pk, status=None).delete()
        raise


def rehearse(work: Callable[[], object]) -> None:
    """Do the work and undo it, so that all it refuses is refused before bytes are kept."""
    with transaction.atomic():
        work()
        transaction.set_rollback(True)


def _do(
    work: Callable[[], Answer],
    prepare: Callable[[], None] | None,
    held: IdempotencyRecord | None,
) -> Answer:
    if prepare is not None:
        prepare()
    with transaction.atomic():
        answer = work()
        if held is not None:
            _settle(held, answer)
    return answer


def _key_of(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise MalformedParameter("An Idempotency-Key is 1 to 255 visible ASCII characters.")
    return key


def _fingerprint(request: Request, body: object) -> str:
    query = sorted(request.query_params.lists())
    whole = json.dumps([query, body], sort_keys=True, default=str)
    return hashlib.sha256(whole.encode()).hexdigest()


def _claim(request: Request, key: str, fingerprint: str) -> IdempotencyRecord:
    """The caller's own new row, or the row of the first call with its answer."""
    route = f"{request.method} {request._request.path_info}"
    if len(route) > _ROUTE_MAX_CHARS:
        route = hashlib.sha256(route.encode()).hexdigest()
    names = {"principal": principal_of(request).id, "route": route, "key": key}
    _sweep(names)
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(**names, body_sha256=fingerprint)
    except IntegrityError:
        pass
    first = IdempotencyRecord.objects.filter(**names).first()
    if first is None or (first.status is None and first.body_sha256 == fingerprint):
        raise IdempotencyInProgress("The first call with this key is still running.")
    if first.body_sha256 != fingerprint:
        raise IdempotencyMismatch("The key was used with another body.")
    return first


def _sweep(names: Mapping[str, str]) -> None:
    """Remove what has had its time: this key's own row if so, and a few others."""
    now = timezone.now()
    records = IdempotencyRecord.objects
    records.filter(**names, created_at__lt=now - KEPT).delete()
    records.filter(**names, status=None, created_at__lt=now - LEASE).delete()
    old = records.filter(created_at__lt=now - KEPT).values("pk")[:_SWEPT_AT_ONCE]
    records.filter(pk__in=list(old.values_list("pk", flat=True))).delete()


def _settle(held: IdempotencyRecord, answer: Answer) -> None:
    mine = IdempotencyRecord.objects.filter(pk=held.pk, status=None)
    kept = answer.body | dict.fromkeys(answer.secret)
    is_mine = mine.update(status=answer.status, headers=dict(answer.headers), body=to_json(kept))
    if not is_mine:
        raise IdempotencyInProgress("Another call took the key over; this one was undone.")


def _response(answer: Answer) -> HttpResponse:
    shown = to_json(answer.body | dict(answer.secret))
    return HttpResponse(
        shown, status=answer.status, headers=answer.headers, content_type="application/json"
    )


def _replayed(first: IdempotencyRecord) -> HttpResponse:
    response = HttpResponse(bytes(first.body), status=first.status, content_type="application/json")
    for name, text in first.headers.items():
        response[name] = text
    response["Idempotency-Replayed"] = "true"
    return response
