"""Doors of single sign-on: to the provider, and back from it. allauth's own pages are left out."""

from __future__ import annotations

import logging

import redis
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from registry.conf import conf

log = logging.getLogger(__name__)
# For as long as somebody stands at the provider's door: a session without a person in it.
WAITING_S = 15 * 60
_FROM_HERE = ("same-origin", "none")
# allauth takes what a provider says for what the standard asks of it.
_UNEXPECTED = (LookupError, ValueError, TypeError, AttributeError)

for _model in list(admin.site._registry):
    if _model._meta.app_label in ("account", "socialaccount"):
        admin.site.unregister(_model)


@require_GET
@never_cache
def begin(request: HttpRequest) -> HttpResponse:
    """Go to the provider.

    By GET, because a form would need every host that the provider passes people on to in the
    ``form-action`` of our policy. A page elsewhere can begin nothing: browsers say where the click
    was made.
    """
    _only_where_it_is_on()
    going_on = _safe_next(request)
    if request.headers.get("Sec-Fetch-Site", "none") not in _FROM_HERE:
        asked = f"?{urlencode({'next': going_on})}" if going_on else ""
        return HttpResponseRedirect(reverse("admin:login") + asked)
    # What it stands on takes half a second to import, and most never need it.
    from allauth.socialaccount.providers.oauth2.client import OAuth2Error
    from requests import RequestException

    from registry.admin.open_id import not_working, provider_of, refused

    request.session.set_expiry(WAITING_S)
    try:
        answer: HttpResponse = provider_of(request).redirect(request, "login", going_on)
    except RequestException as error:
        log.warning("Single sign-on: the provider does not answer: %s", error)
        return refused(request, "The provider does not answer. Try again later.", status=503)
    except (OAuth2Error, *_UNEXPECTED) as error:
        return not_working(request, error)
    return answer


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Back from the provider, with a code that is good once and for this browser only."""
    _only_where_it_is_on()
    from allauth.socialaccount.internal.statekit import STATES_SESSION_KEY
    from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView

    from registry.admin.open_id import BEGAN, Asking, failed

    # allauth takes the state away, whatever comes of it.
    setattr(request, BEGAN, bool(request.session.get(STATES_SESSION_KEY)))
    view = OAuth2CallbackView.adapter_view(Asking(request))
    try:
        answer: HttpResponse = view(request)
    except (*_UNEXPECTED, redis.RedisError) as error:
        return failed(request, error)
    return answer


def _only_where_it_is_on() -> None:
    if conf.sign_on is None:
        raise Http404("There is no single sign-on here.")


def _safe_next(request: HttpRequest) -> str | None:
    asked = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return asked if is_ours else None
