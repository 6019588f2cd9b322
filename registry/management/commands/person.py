"""``manage.py person``: makes somebody with a role on everything, or changes that role; joins
somebody to an identity of single sign-on; gives somebody another password.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry import roles
from registry.actions.role_groups import group_of, with_only
from registry.actions.sign_on import join
from registry.admin.people_changes import create_user, set_password, update_user
from registry.errors import DomainError
from registry.models import User
from registry.principals import Principal

REFUSED = 2


class Command(BaseCommand):
    """``person NAME --role ROLE [--password-file FILE]``, or ``person NAME --subject SUBJECT`` and
    ``person NAME --new-password`` for somebody who is there. No password stands in the command.

    Written down as done by the first superuser: whoever has this shell has the database too.
    """

    help = "Make a person with a role on everything, or change the role of one who is there."
    # Their warnings would join the one line on standard error.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("name", help="what they sign in with")
        parser.add_argument("--role", choices=roles.ROLES)
        parser.add_argument(
            "--subject", help="what the provider of single sign-on calls somebody who is there"
        )
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--new-password",
            action="store_true",
            help="give somebody who is there another password; their sessions end",
        )
        parser.add_argument(
            "--password-file",
            type=Path,
            help="a file whose first line is the password, - for standard input; else it is asked",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make or change. What is refused ends with one line on standard error and status 2."""
        by = _first_superuser()
        user = User.objects.filter(username__iexact=options["name"]).first()
        role, subject, renews = options["role"], options["subject"], options["new_password"]
        if renews and user is None:
            raise _refusal(f"There is nobody called {options['name']}.")
        if not role and not (user and (subject or renews)):
            raise _refusal(
                "--role is needed, or --subject or --new-password for somebody who is there."
            )
        group = _group_of(role) if role else None
        try:
            if user is not None:
                self._change(by, user, group, role, subject)
                if renews:
                    password = _password(options["password_file"], user.username)
                    set_password(by=by, user=user, password=password)
                    self.stdout.write(f"{user} has another password now")
                return
            password = _password(options["password_file"], options["name"])
            made = create_user(
                by=by,
                password=password,
                groups=[group] if group else [],
                username=options["name"],
                email=options["email"],
                is_staff=True,
            )
            if subject:
                join(by=by, user=made, subject=subject)
        except DomainError as error:
            raise _refusal(error.detail) from None
        self.stdout.write(f"{made} is {role}")

    def _change(
        self, by: Principal, user: User, group: Group | None, role: str, subject: str
    ) -> None:
        if group is not None:
            _put_into(by, user, group)
            self.stdout.write(f"{user} is {role} now")
        if subject:
            join(by=by, user=user, subject=subject)
            self.stdout.write(f"{subject} signs on as {user} now")


def _put_into(by: Principal, user: User, group: Group) -> None:
    """Groups that hold no role stay; of those that hold one, only this one."""
    update_user(
        by=by,
        user=user,
        groups=with_only(user, group),
        username=user.username,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        is_staff=user.is_staff,
        is_active=user.is_active,
    )


def _first_superuser() -> Principal:
    found = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if found is None:
        raise _refusal("There is no superuser yet: `manage.py up` or `prepare` makes the first.")
    return Principal(found)


def _group_of(role: str) -> Group:
    group = group_of(role)
    if group is None:
        raise _refusal(f"No group holds the role {role}: make one in the admin, under Groups.")
    return group


def _password(file: Path | None, username: str) -> str:
    if file is None:
        password = getpass.getpass(f"Password for {username}: ")
    elif str(file) == "-":
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            password = (file.read_text(encoding="utf-8").splitlines() or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            raise _refusal(f"{file} cannot be read: {error}") from None
    try:
        validate_password(password, User(username=username))
    except ValidationError as error:
        raise _refusal(" ".join(error.messages)) from None
    return password


def _refusal(text: str) -> CommandError:
    return CommandError(" ".join(text.split()), returncode=REFUSED)
