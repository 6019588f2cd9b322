"""Pages for a forgotten password: ask for a link, choose another one. Django keeps the tokens."""

from __future__ import annotations

import logging
from typing import Any

import redis
from axes.utils import reset as unlock
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from registry.actions.passwords import ask_for_reset
from registry.conf import conf
from registry.errors import DomainError
from registry.forms.passwords import ForgottenForm, NewPasswordForm

log = logging.getLogger(__name__)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link. Where no mails are sent the page says who can help."""
    _only_with_passwords()
    form = ForgottenForm(request.POST or None)
    if conf.sends_mail and form.is_valid():
        address = request.META.get("REMOTE_ADDR", "")
        try:
            ask_for_reset(email=form.cleaned_data["email"], address=address)
            return HttpResponseRedirect(reverse("forgotten-asked"))
        except DomainError as error:
            form.add_error(None, str(error))
        except redis.RedisError as error:
            log.warning("No link for a forgotten password could be asked for: %s", error)
            form.add_error(None, "This does not work just now. Try again in a minute.")
    context = {"form": form if conf.sends_mail else None, "sends_mail": conf.sends_mail}
    return TemplateResponse(request, "registry/forgotten.html", context)


@require_http_methods(["GET", "HEAD"])
def asked(request: HttpRequest) -> HttpResponse:
    """The same page for everybody, whether there is such a person or not."""
    _only_with_passwords()
    return TemplateResponse(request, "registry/forgotten_asked.html")


class NewPassword(PasswordResetConfirmView):
    """Choose a password. The link moves its token into the session, so that no page names it."""

    form_class = NewPasswordForm
    template_name = "registry/new_password.html"
    success_url = reverse_lazy("new-password-done")

    def dispatch(self, *args: Any, **kwargs: Any) -> Any:
        """Not where passwords are of no use."""
        _only_with_passwords()
        return super().dispatch(*args, **kwargs)

    def get_user(self, uidb64: str) -> Any:
        """Whom the link is for; nobody who has left."""
        user = super().get_user(uidb64)
        return user if user is not None and user.is_active else None

    def form_valid(self, form: Any) -> HttpResponse:
        """Set it; earlier wrong tries do not count any more."""
        answer = super().form_valid(form)
        unlock(username=form.user.get_username())
        return answer


@require_http_methods(["GET", "HEAD"])
def done(request: HttpRequest) -> HttpResponse:
    """The password is set."""
    _only_with_passwords()
    return TemplateResponse(request, "registry/new_password_done.html")


def _only_with_passwords() -> None:
    if not conf.takes_passwords:
        raise Http404("Nobody signs in with a password here.")
