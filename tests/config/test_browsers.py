"""The policy of contents is django-csp's, put together once; programs carry no messages."""

from __future__ import annotations

from typing import Any

import pytest
from csp.decorators import csp_exempt, csp_update
from csp.middleware import CSPMiddleware
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.browsers import PageMessages, UsualPolicy

HEADER = "Content-Security-Policy"


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x")


def with_nonce(request: Any) -> HttpResponse:
    return HttpResponse(str(request.csp_nonce))


def with_its_own(request: HttpRequest) -> HttpResponse:
    return HttpResponse("x", headers={HEADER: "sandbox"})


VIEWS = {
    "plain": plain,
    "exempt": csp_exempt()(plain),
    "more": csp_update({"img-src": ["https://example.org"]})(plain),
    "nonce": with_nonce,
    "own": with_its_own,
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_header_is_that_of_django_csp(name: str) -> None:
    ours = UsualPolicy(VIEWS[name])
    told = [ours(RequestFactory().get("/")).headers.get(HEADER) for _ in range(2)]

    assert told == [CSPMiddleware(VIEWS[name])(RequestFactory().get("/")).headers.get(HEADER)] * 2


@pytest.mark.parametrize(
    ("path", "has_messages"),
    [("/admin/", True), ("/", True), ("/api/v1/me", False), ("/v2", False)],
)
def test_only_pages_have_messages(path: str, has_messages: bool) -> None:
    request = RequestFactory().get(path)
    request.session = SessionStore()

    PageMessages(plain)(request)

    assert hasattr(request, "_messages") == has_messages
