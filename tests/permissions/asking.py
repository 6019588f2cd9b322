"""Sends one request, undoes what it did, and says how it went."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.http.response import HttpResponseBase
from django.test.utils import CaptureQueriesContext

from registry.models import AuditEvent
from tests.permissions.places import held_by, values
from tests.permissions.requests import JSON, REQUESTS, Sample
from tests.permissions.routes import Route
from tests.permissions.rules import ASKED_IN, DONE, HIDDEN, REFUSED, Row, Side
from tests.permissions.world import Who, World

NOTHING = "nothing happened"
# What a status of the API says.
API_OUTCOMES = {401: ASKED_IN, 403: REFUSED, 404: HIDDEN}
_REFUSALS = ("This needs ",)
_ABSENCES = ("that you may see",)
# A key cannot be made with what its user does not hold.
_HOLDS_NOTHING = b"stands for, nowhere"
# Written whoever asks: when a key was used, and that a repeated call is one.
_UNSEEN_WRITES = ("django_session", "registry_idempotencyrecord", '"last_used_at"')


@dataclass(frozen=True)
class Told:
    """``outcome`` is one of the four, else what was seen; ``writes`` are statements that change."""

    outcome: str
    status: int
    body: bytes
    events: int
    writes: tuple[str, ...]


def ask(world: World, who: Who, route: Route, row: Row, side: Side) -> Told:
    """The answer to one row's request."""
    maker, held = REQUESTS.get(row.key), held_by(world, who, side)
    sample = maker(held) if maker else Sample(leaves_no_event=True)
    path = route.path(values(route, held))
    cookies = who.client.cookies.copy()
    with transaction.atomic():
        before = AuditEvent.objects.count()
        with CaptureQueriesContext(connection) as queries:
            answer = send(who, row.method, path, sample, is_page=route.is_page)
            body = read(answer)
        events = AuditEvent.objects.count() - before
        transaction.set_rollback(True)
    who.client.cookies = cookies
    outcome = (_page_outcome if route.is_page else _api_outcome)(answer, body, sample, events)
    writes = tuple(q["sql"] for q in queries.captured_queries if is_write(q["sql"]))
    return Told(outcome, answer.status_code, body, events, writes)


def send(who: Who, method: str, path: str, sample: Sample, *, is_page: bool) -> Any:
    """One request as it goes over the wire."""
    if method == "POST" and (is_page or sample.is_form):
        return who.client.post(path, sample.body or {})
    body = b"" if sample.body is None else json.dumps(sample.body).encode()
    return who.client.generic(method, path, body, content_type=JSON)


def read(answer: Any) -> bytes:
    """The whole body."""
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def _api_outcome(answer: HttpResponseBase, body: bytes, sample: Sample, events: int) -> str:
    if answer.status_code in API_OUTCOMES:
        return API_OUTCOMES[answer.status_code]
    if answer.status_code == 422 and _HOLDS_NOTHING in body:
        return REFUSED
    if answer.status_code < 400 and (sample.leaves_no_event or events):
        return DONE
    return f"{NOTHING}: {answer.status_code} {body[:200]!r}"


def _page_outcome(answer: Any, body: bytes, sample: Sample, events: int) -> str:
    if answer.status_code in (403, 404):
        return REFUSED if answer.status_code == 403 else HIDDEN
    if answer.status_code == 302 and "/login/" in answer["Location"]:
        return ASKED_IN
    if events:
        return DONE
    if sample.leaves_no_event and not sample.is_judged:
        return DONE if answer.status_code < 400 else f"{NOTHING}: {answer.status_code}"
    told = _complaints(answer, body)
    if any(words in told for words in _ABSENCES) or (sample.hides_quietly and not told):
        return HIDDEN
    if sample.leaves_no_event and not any(words in told for words in _REFUSALS):
        return DONE
    # Nothing was done: a message says why, or the form is there again.
    return REFUSED


def _complaints(answer: Any, body: bytes) -> str:
    """What a page says went wrong: the messages that it leaves, and those of its form."""
    left = [str(message) for message in get_messages(answer.wsgi_request)]
    return " ".join(left + re.findall(r'role="alert">(.*?)</div>', body.decode(), re.DOTALL))


def is_write(sql: str) -> bool:
    """Whether a statement changes what is governed."""
    changes = sql.startswith(("INSERT", "UPDATE", "DELETE"))
    return changes and not any(words in sql for words in _UNSEEN_WRITES)
