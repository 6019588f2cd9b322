"""One's own password: changed by who knows it, or anew by a link that came by mail.

Nobody learns here whether an address belongs to somebody: what is answered is the same, and the
mail is written by a worker.
"""

from __future__ import annotations

import hashlib
from typing import cast

from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from registry import audit
from registry.conf import conf
from registry.errors import RateLimited
from registry.models import User
from registry.models.base import TimeOrdered
from registry.principals import Principal
from registry.queue import SEND_RESET, enqueue

# One mail in this time to one person, and so many questions from one address in an hour.
MAIL_EVERY_S = 300
ASKED_FROM_ONE_ADDRESS = 20
HOUR_S = 3600
# Above this there would be no end of them; no address is shared by so many.
_PEOPLE_MAX = 10


@transaction.atomic
def set_own(*, user: User, password: str, request_id: str = "", reason: str = "") -> User:
    """Give oneself a new password; all other sessions end."""
    user.set_password(password)
    user.save(update_fields=["password"])
    by = Principal(user, request_id=request_id)
    audit.record(by, "user.password", cast(TimeOrdered, user), after={}, reason=reason)
    return user


def ask_for_reset(*, email: str, address: str) -> None:
    """Have a link sent to whoever has this mail address; nobody may have it.

    Raises RateLimited after many questions from one ``address`` of the network.
    """
    _count(address)
    rows = User.objects.filter(email__iexact=email, is_active=True).exclude(email="")
    for user in rows.order_by("pk")[:_PEOPLE_MAX]:
        if user.has_usable_password() and cache.add(f"reset:{user.pk}", 1, MAIL_EVERY_S):
            enqueue(SEND_RESET, user.pk)


def send_reset(user_id: str) -> None:
    """Send the link. Raises OSError where the mail server does not take it."""
    user = User.objects.filter(pk=user_id, is_active=True).exclude(email="").first()
    if user is None or not user.has_usable_password() or not conf.takes_passwords:
        return
    place = {
        "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
        "token": default_token_generator.make_token(user),
    }
    # From the settings, never from a request: its Host could be anybody's.
    path = reverse("new-password", kwargs=place).removeprefix(conf.path_prefix)
    words = {"user": user, "link": f"{conf.address}{path}", "address": conf.address}
    text = render_to_string("registry/mails/reset.txt", words)
    EmailMessage("A new password for Modelyard", text, to=[user.email]).send()


def _count(address: str) -> None:
    key = f"reset-asked:{hashlib.sha256(address.encode()).hexdigest()[:32]}"
    cache.add(key, 0, HOUR_S)
    if cache.incr(key) > ASKED_FROM_ONE_ADDRESS:
        raise RateLimited("Too many questions from this address.", retry_after_s=HOUR_S)
