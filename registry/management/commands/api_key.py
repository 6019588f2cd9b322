"""``manage.py api_key``: makes, lists, rotates and ends keys, from the shell of the server.

A new key is printed alone on standard output, once. What is wrong with the words is one line on
standard error, and status 2.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from registry import roles
from registry.actions.access import create_api_key, revoke_api_key, rotate_api_key
from registry.errors import DomainError
from registry.models import ApiKey, User
from registry.principals import Principal

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"([0-9]{1,6})([mhdw])")
# How a key begins, its id alone, or the whole of it.
_PUBLIC_ID = re.compile(r"(?:my_)?([a-z0-9]{8})(?:_.*)?", re.DOTALL)
_LONGEST = timedelta(days=36_500)
_COLUMNS = ("prefix", "state", "user", "name", "scopes", "models", "last_used_at", "expires_at")
REFUSED = 2


class Command(BaseCommand):
    """``api_key create``, ``list``, ``rotate`` and ``revoke``."""

    help = "Make an API key (printed once, alone on standard output), list, rotate or end keys."
    # Their warnings would join the one line on standard error.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key")
        create.add_argument("--user", required=True, help="whose key it is")
        create.add_argument("--name", required=True, help="what it is for")
        create.add_argument(
            "--scopes",
            type=_listed,
            default=list(roles.DEFAULT_SCOPES),
            help=", ".join(roles.SCOPES),
        )
        create.add_argument("--models", type=_listed, help="only these models (default: no limit)")
        create.add_argument("--expires", type=_span, help="such as 12h, 30d or 8w (default: never)")
        shown = actions.add_parser("list", help="show keys, newest first, without their text")
        shown.add_argument("--user", help="only the keys of this user")
        shown.add_argument("--all", action="store_true", help="ended ones too")
        shown.add_argument("--json", action="store_true", help="one JSON object on each line")
        rotate = actions.add_parser("rotate", help="replace a key by one with the same reach")
        rotate.add_argument("key", help="how it begins (my_12345678), or its id")
        revoke = actions.add_parser("revoke", help="end keys at once")
        which = revoke.add_mutually_exclusive_group(required=True)
        which.add_argument("key", nargs="*", default=[], help="how it begins, or its id")
        which.add_argument("--user", help="all keys of this user")
        for one in (parser, create, shown, rotate, revoke):
            _refuse_in_one_line(one)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked. What is unknown ends with one line on standard error and status 2."""
        acts: dict[str, Callable[[dict[str, Any]], Iterable[str]]] = {
            "create": _create,
            "list": _list,
            "rotate": _rotate,
            "revoke": _revoke,
        }
        try:
            lines = list(acts[options["action"]](options))
        except DomainError as error:
            raise _refusal(error.detail) from None
        for line in lines:
            self.stdout.write(line)


def _create(options: dict[str, Any]) -> list[str]:
    user, expires = _user(options["user"]), options["expires"]
    _, text = create_api_key(
        by=Principal(user),
        user=user,
        name=options["name"],
        scopes=options["scopes"],
        models=options["models"],
        expires_at=timezone.now() + expires if expires else None,
    )
    return [text]


def _list(options: dict[str, Any]) -> Iterable[str]:
    rows = ApiKey.objects.select_related("user").prefetch_related("limited_to").order_by("-id")
    if options["user"] is not None:
        rows = rows.filter(user=_user(options["user"]))
    found = [_told(key) for key in (rows if options["all"] else _unended(rows))]
    if options["json"]:
        return [json.dumps(one, ensure_ascii=False) for one in found]
    return _aligned([_COLUMNS, *(tuple(map(_cell, one.values())) for one in found)])


def _rotate(options: dict[str, Any]) -> list[str]:
    key = _key(options["key"])
    _, text = rotate_api_key(by=Principal(key.user), key=key)
    return [text]


def _revoke(options: dict[str, Any]) -> list[str]:
    if options["user"] is not None:
        rows = ApiKey.objects.select_related("user").filter(user=_user(options["user"]))
        keys = list(_unended(rows).order_by("id"))
    else:
        keys = [_key(text) for text in options["key"]]
    # All are found before the first one is ended: a wrong word ends none.
    return [f"revoked {revoke_api_key(by=Principal(key.user), key=key)}" for key in keys]


def _unended(rows: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return rows.filter(unexpired, revoked_at=None)


def _told(key: ApiKey) -> dict[str, Any]:
    """What may be said of a key, under the names of the API."""
    is_over = key.expires_at is not None and key.expires_at <= timezone.now()
    state = "revoked" if key.revoked_at else "expired" if is_over else "active"
    return {
        "prefix": f"my_{key.public_id}_",
        "state": state if key.user.is_active or state != "active" else "user inactive",
        "user": key.user.get_username(),
        "name": key.name,
        "scopes": key.scopes,
        "models": None if key.all_models else sorted(m.name for m in key.limited_to.all()),
        "last_used_at": _moment(key.last_used_at),
        "expires_at": _moment(key.expires_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _cell(value: Any) -> str:
    text = ",".join(value) if isinstance(value, list) else "-" if value is None else str(value)
    # A name may hold what moves the cursor of a terminal.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text) or "-"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise _refusal(f"There is no user “{name}”.")
    return user


def _key(text: str) -> ApiKey:
    """The key that a text names. The text itself, which may be a whole key, is never repeated."""
    match = _PUBLIC_ID.fullmatch(text)
    named = Q(public_id=match[1]) if match else Q(pk=_id(text))
    key = ApiKey.objects.select_related("user").filter(named).first()
    if key is None:
        raise _refusal("There is no such key: name it by how it begins (my_12345678) or its id.")
    return key


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _refusal(text: str) -> CommandError:
    return CommandError(" ".join(text.split()), returncode=REFUSED)


def _listed(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"“{text}” is no list such as a,b")
    return parts


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < span <= _LONGEST:
        raise argparse.ArgumentTypeError(f"“{text}” is no time span such as 12h, 30d or 8w")
    return span


def _refuse_in_one_line(parser: argparse.ArgumentParser) -> None:
    """Argparse prints its usage before the reason; here the reason stands alone."""

    def refuse(message: str) -> NoReturn:
        print(f"{parser.prog}: {message}", file=sys.stderr)
        raise SystemExit(REFUSED)

    parser.error = refuse  # type: ignore[method-assign]  # of this one parser
