"""Who is asking: a key in the Authorization header, or a browser session with its CSRF token.

Both leave a ``Principal`` on the request. The text of a key is read here, hashed in the action and
goes nowhere else: into no log line, no exception and no attribute of the request.
"""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.authentication import SessionAuthentication as DjangoSession
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from registry.actions.access import authenticate_key
from registry.actions.signed_in import signed_in
from registry.models import ApiKey, User
from registry.principals import Principal
from registry.problems import AWS4

BEARER = "bearer"
CREDENTIAL = "Credential="


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer my_...``. Other schemes are left to others."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey | None] | None:
        """The key's user and the key. Raises NotAuthenticated and KeyExpired."""
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != BEARER:
            return None
        by = authenticate_key(text.strip(), request_id=request_id_of(request))
        remember(request, by)
        return by.user, by.api_key

    def authenticate_header(self, request: Request) -> str:
        """What WWW-Authenticate asks for."""
        return 'Bearer realm="modelyard"'


class SignedKeyAuthentication(ApiKeyAuthentication):
    """``Authorization: AWS4-HMAC-SHA256 Credential=my_.../...``, for clients of SageMaker.

    The whole key stands where AWS has an access key id, which is no secret there and is one here.
    The signature is not looked at: who has the key needs no other proof.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiKey | None] | None:
        """The key's user and the key. Raises NotAuthenticated and KeyExpired."""
        text = aws4_key(request.META.get("HTTP_AUTHORIZATION", ""))
        if text is None:
            return None
        by = authenticate_key(text, request_id=request_id_of(request))
        remember(request, by)
        return by.user, by.api_key


def aws4_key(authorization: str) -> str | None:
    """The access key id of an AWS Signature Version 4 header; None for any other header."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme != AWS4:
        return None
    fields = (field.strip() for field in rest.split(","))
    named = next((f for f in fields if f.startswith(CREDENTIAL)), CREDENTIAL)
    # Behind it: /<date>/<region>/<service>/aws4_request. No key of ours holds a slash.
    return named.removeprefix(CREDENTIAL).partition("/")[0]


class SessionAuthentication(DjangoSession):
    """Django's session. Whatever changes something needs the CSRF token too."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """The session's user; None without a session. Raises PermissionDenied without the token."""
        user = _session_user(request)
        if user is None or not user.is_active:
            return None
        self.enforce_csrf(request)
        remember(request, Principal(user, request_id=request_id_of(request)))
        return user, None

    def enforce_csrf(self, request: Request) -> None:
        """Look for the token in Django's own request, where a form passes our upload handlers."""
        # The cookie was read by Django's middleware, which leaves the rest to the API.
        reason = _csrf.process_view(request._request, _no_view, (), {})
        if reason:
            raise PermissionDenied(csrf_words(str(reason)))


def csrf_words(reason: str) -> str:
    """What a program in a session is told that came without its token; ``reason`` is Django's."""
    cookie = settings.CSRF_COOKIE_NAME
    words = f"A browser session sends the value of its cookie {cookie} as the header X-CSRFToken"
    return f"{words} too. {reason}".strip()


def _no_view(request: HttpRequest) -> HttpResponse:
    """What the check of the token wants to know goes on behind it."""
    return HttpResponse()


_csrf = CSRFCheck(_no_view)


def _session_user(request: Request) -> User | None:
    """Out of memory where the resource says so, else as Django's middleware finds out."""
    if getattr(request.parser_context["view"], "remembers_sessions", False):
        return signed_in.user_of(request._request)
    user = getattr(request._request, "user", None)
    return cast(User, user) if user and user.is_authenticated else None


def session_at_hand(environ: dict[str, Any]) -> User | None:
    """Who sends a session that is known and its token; None for all else. Asks nobody.

    For doors in front of Django's middleware: what is refused here Django looks at once more.
    """
    request = WSGIRequest(environ.copy())
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    user = signed_in.known(key) if key else None
    if user is None or _csrf.process_view(request, _no_view, (), {}):
        return None
    return user


def remember(request: Request, by: Principal) -> None:
    """Leave the principal where ``principal_of`` finds it."""
    request._request.principal = by  # type: ignore[attr-defined]  # our own addition


def principal_of(request: Request) -> Principal:
    """Who asks. Only behind ``IsAuthenticated``, which is the default of every resource."""
    return cast(Principal, request._request.principal)  # type: ignore[attr-defined]


def request_id_of(request: Request | HttpRequest) -> str:
    """The name of the request, which joins the audit events of one call."""
    return str(getattr(request, "request_id", ""))
