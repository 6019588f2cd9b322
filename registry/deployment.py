"""System checks of a production environment: settings that work, and that nobody should keep.

What cannot work stops the start (``config/settings.py``); these show with ``check --deploy``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import ValidationError

from registry.conf import conf, told
from registry.models import User
from registry.outgoing.listed import Listed, Network

# Wider than the largest private network: half the Internet could say who the client is.
_WIDEST = {4: 8, 6: 16}
_NEVER_CALLED = tuple(ipaddress.ip_address(a) for a in ("127.0.0.1", "::1", "169.254.169.254"))

# What is wrong, and what to do.
Finding = tuple[str, str]


@register(Tags.security, deploy=True)
def settings_are_for_production(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``registry.W010`` to ``registry.W018``, as the table below says."""
    del app_configs
    return [
        Warning(text, hint=hint, id=f"registry.W{number:03}")
        for number, look in LOOKS.items()
        for text, hint in look()
    ]


def _people_come_by_https() -> Iterator[Finding]:
    if urlsplit(conf.public_url).scheme != "https":
        yield (
            "PUBLIC_URL is not https: passwords, keys and data can be read on their way.",
            "Set PUBLIC_URL=https://... and TRUSTED_PROXIES to the proxy that ends TLS.",
        )


def _proxies_are_few() -> Iterator[Finding]:
    networks: tuple[Network, ...] = told()["TRUSTED_PROXIES"]
    for network in networks:
        if network.prefixlen < _WIDEST[network.version]:
            yield (
                f"TRUSTED_PROXIES has {network}: anybody in it may say who the client is.",
                "Name the addresses of your proxies.",
            )


def _machines_share_everything() -> Iterator[Finding]:
    """One of them shared and another not: two machines would have two of it."""
    own = {
        "DATABASE_URL": (settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), "SQLite"),
        "REDIS_URL": (settings.STARTS_OWN_BROKER, "a Valkey server of its own"),
        "STORAGE_URL": (not settings.STORES_ELSEWHERE, "a folder of its own for files"),
        "SECRET_KEY": (settings.MADE_OWN_SECRET_KEY, "a secret key of its own"),
    }
    shared = [name for name, (is_own, _) in own.items() if not is_own and name != "SECRET_KEY"]
    for name, (is_own, what) in own.items():
        if is_own and shared:
            yield (
                f"{name} is not set, so each machine has {what}, while {shared[0]} is for many.",
                f"Set {name} alike on every machine, or leave the others out on a single one.",
            )


def _no_demo() -> Iterator[Finding]:
    if told()["DEMO"]:
        yield (
            "DEMO is on: an empty registry is filled with models that nobody has asked for, and"
            " a key to them is kept in a file.",
            "Set DEMO=0.",
        )


def _calls_are_limited() -> Iterator[Finding]:
    for name in ("RATE_LIMIT", "ADDRESS_RATE_LIMIT"):
        if told()[name] is None:
            yield f"{name} is off: one caller can take all there is.", f"Set {name}=1000/s."


def _calls_stay_outside() -> Iterator[Finding]:
    listed = Listed.of(conf.outgoing_hosts)
    for address in _NEVER_CALLED:
        if listed.has_address(address):
            yield (
                f"OUTGOING_HOSTS lets webhooks call {address}: this machine, or what it is told"
                " about itself.",
                "List hosts, and the networks that they really are in.",
            )


def _mails_are_sealed() -> Iterator[Finding]:
    if not conf.sends_mail:
        return
    host = settings.EMAIL_HOST
    is_sealed = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_FILE_PATH:
        yield "EMAIL_URL is a folder: nobody gets a mail.", "Name a mail server."
    elif not is_sealed and host not in ("localhost", "127.0.0.1", "::1"):
        yield (
            f"Mails go to {host} in the clear, links to new passwords among them.",
            "Begin EMAIL_URL with smtp+tls:// or smtps://.",
        )
    if "@localhost" in settings.DEFAULT_FROM_EMAIL:
        yield "Mails come from @localhost, which servers refuse.", "Set MAIL_SENDER."


def _first_password_is_good() -> Iterator[Finding]:
    password = told()["ADMIN_PASSWORD"]
    if not password:
        return
    try:
        validate_password(password, User(username="admin"))
    except ValidationError as error:
        yield (
            f"MODELYARD_ADMIN_PASSWORD is weak: {' '.join(error.messages)}",
            "Choose another one, and change it once you have signed in.",
        )


def _reviewers_read_a_card() -> Iterator[Finding]:
    if not conf.requires_model_cards:
        yield (
            "A guarded alias can be asked for without a model card: reviewers may not learn what"
            " the model is for, and where it is wrong.",
            "Set MODEL_CARD_POLICY=require.",
        )


LOOKS: dict[int, Callable[[], Iterator[Finding]]] = {
    10: _people_come_by_https,
    11: _proxies_are_few,
    12: _machines_share_everything,
    13: _no_demo,
    14: _calls_are_limited,
    15: _calls_stay_outside,
    16: _mails_are_sealed,
    17: _first_password_is_good,
    18: _reviewers_read_a_card,
}
