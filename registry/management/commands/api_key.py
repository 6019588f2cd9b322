"""``manage.py api_key create``: makes a key and prints it alone on standard output, once."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import timedelta
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from registry import roles
from registry.actions.access import create_api_key
from registry.errors import DomainError
from registry.models import User
from registry.principals import Principal

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"([0-9]{1,6})([mhdw])")
_LONGEST = timedelta(days=36_500)
REFUSED = 2


class Command(BaseCommand):
    """``api_key create --user U --name N [--scopes a,b] [--models a,b] [--expires 30d]``"""

    help = "Make an API key. It is printed once, alone on standard output."
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
        _refuse_in_one_line(parser)
        _refuse_in_one_line(create)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key. What is unknown ends with one line on standard error and status 2."""
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise _refusal(f"There is no user “{options['user']}”.")
        expires = options["expires"]
        try:
            _, text = create_api_key(
                by=Principal(user),
                user=user,
                name=options["name"],
                scopes=options["scopes"],
                models=options["models"],
                expires_at=timezone.now() + expires if expires else None,
            )
        except DomainError as error:
            raise _refusal(error.detail) from None
        self.stdout.write(text)


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
