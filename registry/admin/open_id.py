"""OpenID Connect by django-allauth: what it is told of our provider, and where it hands over.

allauth keeps the state, the proof of the code (PKCE), fetches the tokens and looks at issuer,
audience and end of the ID token. What a person then may is decided in ``actions.sign_on``.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal.statekit import STATES_SESSION_KEY
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import get_script_prefix, reverse

from registry import request_id
from registry.actions.entering import SINGLE_SIGN_ON, note_refusal, note_sign_in
from registry.actions.sign_on import BACKEND, account_of, enter
from registry.admin.access import address_of
from registry.admin.calling import base_url
from registry.conf import conf
from registry.errors import DomainError
from registry.identities import SignOn, UnusableClaims, identity_of
from registry.models import User
from registry.principals import Principal

log = logging.getLogger(__name__)
# Set on a request of a browser in which a sign-in had begun.
BEGAN = "sign_on_began"


def told() -> SignOn:
    """The provider of the settings. Only for what is not asked where there is none."""
    found = conf.sign_on
    assert found is not None
    return found


class Asking(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """What is asked of the provider."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, told().issuer)

    def get_provider(self) -> Provider:
        """The only one there is."""
        return provider_of(self.request)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """The address that people come back to; the provider has to know it letter by letter."""
        path = reverse("sign-on-callback")[len(get_script_prefix()) :]
        return f"{base_url(request)}/{path}"

    @property
    def openid_config(self) -> Any:
        """The provider's description of itself (OpenID Connect Discovery 1.0, section 4.3)."""
        found = super().openid_config
        if str(found.get("issuer")).rstrip("/") != told().issuer.rstrip("/"):
            raise OAuth2Error(f"It calls itself {found.get('issuer')!r}, not as OIDC_ISSUER does")
        return found

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        """The claims, which are kept for this request and nowhere else."""
        if not kwargs["response"].get("id_token"):
            raise OAuth2Error("It sent no ID token")
        found = super().complete_login(request, app, token, **kwargs)
        said = found.account.extra_data
        proven, more = said["id_token"], said.get("userinfo") or {}
        # Section 5.3.2 of the Core: without this the rest may be about somebody else.
        if more and more.get("sub") != proven["sub"]:
            raise OAuth2Error("ID token and userinfo are about two subjects")
        found.claims = {**proven, **more}
        found.account.extra_data = {}
        return found


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth has no types
    """The provider as the settings describe it; nothing of it is kept in the database."""

    oauth2_adapter_class = Asking

    def get_oauth2_adapter(self, request: HttpRequest) -> Asking:
        """Ours knows its provider by itself."""
        return Asking(request)


def provider_of(request: HttpRequest) -> Provider:
    """The provider, to be asked for this request."""
    app = SocialApp(
        provider="openid_connect",
        provider_id=told().issuer,
        name=told().label,
        client_id=told().client_id,
        secret=told().client_secret,
        settings={
            "server_url": told().issuer.rstrip("/"),
            "scope": list(told().scopes),
            "oauth_pkce_enabled": True,
        },
    )
    return Provider(request, app=app)


class Entering(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Where allauth knows who it is, and where it does not."""

    def get_provider(self, request: HttpRequest, provider: Any, client_id: Any = None) -> Provider:
        """The only one there is."""
        return provider_of(request)

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Let them in or say why not; allauth has done its part."""
        raise ImmediateHttpResponse(_let_in(request, sociallogin))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: Any = None,
    ) -> None:
        """The page that says so."""
        # Some leave out the state when they say so.
        if error == AuthError.CANCELLED or request.GET.get("error") == "access_denied":
            note_refused(request, "They did not sign in at the provider.")
            raise ImmediateHttpResponse(refused(request, "You did not sign in there.", status=403))
        raise ImmediateHttpResponse(failed(request, exception or request.GET.get("error")))


def _let_in(request: HttpRequest, sociallogin: Any) -> HttpResponse:
    identity = None
    try:
        identity = identity_of(sociallogin.claims, told())
        user = enter(identity, request_id=request_id.current.get())
    except (DomainError, UnusableClaims) as error:
        log.warning("Refused at single sign-on: %s", error)
        account = account_of(identity) if identity else None
        note_refused(request, str(error), account.user if account else None)
        return refused(request, str(error), status=403)
    where = sociallogin.state.get("next") or reverse("admin:index")
    login(request, user, backend=BACKEND)
    request.session.set_expiry(told().session_s)
    by = Principal(user, request_id=request_id.current.get())
    note_sign_in(by=by, way=SINGLE_SIGN_ON, address=address_of(request))
    return HttpResponseRedirect(where)


def failed(request: HttpRequest, reason: object) -> HttpResponse:
    """Somebody came back with what could not be used."""
    note_refused(request, "The answer of the provider could not be used.")
    return not_working(request, reason)


def note_refused(request: HttpRequest, reason: str, user: User | None = None) -> None:
    """Write down that a sign-in which began in this browser came to nothing, and end it.

    Who calls the address without having begun, or once more, is nobody that signs in.
    """
    if getattr(request, BEGAN, False):
        request.session.pop(STATES_SESSION_KEY, None)
        note_refusal(
            user=user,
            way=SINGLE_SIGN_ON,
            address=address_of(request),
            request_id=request_id.current.get(),
            reason=reason,
        )


def not_working(request: HttpRequest, reason: object) -> HttpResponse:
    """The provider could not be asked, or its answer is of no use; the log says more."""
    log.warning("Single sign-on failed: %s: %.500s", type(reason).__name__, reason)
    words = "The answer of the provider could not be used. Try again; the log says more."
    return refused(request, words, status=401)


def refused(request: HttpRequest, words: str, *, status: int) -> HttpResponse:
    """The page for somebody who was not let in."""
    context = {"words": words, "request_id": request_id.current.get()}
    return TemplateResponse(request, "registry/not_let_in.html", context, status=status).render()
