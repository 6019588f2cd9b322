"""`manage.py prepare`: once per release, before the parts of a new version start."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from registry.management import preparation
from registry.models import User
from registry.supervisor.preflight import CannotStart


class Command(BaseCommand):
    """The same that `up` does first. Safe to run again, and by two at once."""

    help = "Migrate the database, make the bucket and the first user."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare; exit code 2 when nobody could sign in afterwards, 1 when nothing was changed."""
        has_nobody = "MODELYARD_ADMIN_PASSWORD: set it for the first start; the user is admin."
        try:
            preparation.migrate()
        except CannotStart as error:
            print(error, file=sys.stderr)
            raise SystemExit(1) from None
        preparation.ensure_bucket()
        if not User.objects.exists() and not settings.MODELYARD["ADMIN_PASSWORD"]:
            print(has_nobody, file=sys.stderr)
            raise SystemExit(2)
        preparation.ensure_admin()
