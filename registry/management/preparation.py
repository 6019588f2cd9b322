"""What has to be there before parts start: tables, the bucket, the first user."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from registry.actions.backup_before_update import keep_before_update
from registry.actions.backup_faults import BackupRefused, DatabaseIsNewer
from registry.actions.backup_sessions import has_tables, turn_to_migrate
from registry.actions.restore_begun import broken_off
from registry.errors import DomainError
from registry.models import User
from registry.supervisor.preflight import CannotStart

ADMIN = "admin"


def migrate() -> None:
    """Migrate, when there is something to migrate: to ask is ten times quicker.

    A database that has tables is backed up before, and a line on standard error says where. Raises
    CannotStart for one that a later release has changed, where the backup cannot be made, and after
    a restore that was broken off. Of two at once one migrates.
    """
    if why := broken_off():
        raise CannotStart(why)
    with turn_to_migrate():
        _migrate()


def _migrate() -> None:
    executor = MigrationExecutor(connection)
    try:
        is_new = not has_tables(executor.loader)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return
        kept = None if is_new else keep_before_update()
    except DatabaseIsNewer as error:
        raise CannotStart(str(error)) from None
    except (BackupRefused, DomainError, DatabaseError, OSError) as error:
        said = str(error).rstrip(".\n")
        raise CannotStart(
            f"The database could not be backed up before the update: {said}. Nothing was changed. "
            "UPDATE_BACKUPS=0 updates without a backup."
        ) from error
    if kept is not None:
        sys.stderr.write(f"the database of before the update is kept in {kept}\n")
    call_command("migrate", interactive=False, verbosity=0)


def ensure_bucket() -> None:
    """Make the bucket of an S3-compatible store when it is not there."""
    client: Any = getattr(getattr(storages["default"], "connection", None), "meta", None)
    if client is None:
        return
    client, name = client.client, settings.STORAGES["default"]["OPTIONS"]["bucket_name"]
    try:
        client.head_bucket(Bucket=name)
    except client.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        region = client.meta.region_name
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        is_default = region in (None, "us-east-1", "aws-global")
        client.create_bucket(Bucket=name, **({} if is_default else place))


def ensure_admin() -> None:
    """Make the first user, without a usable password unless one is set by the environment.

    ``up`` gives it one when it can be shown, so that a start that is broken off in between does
    not leave a password that nobody has seen.
    """
    users, password = User.objects, settings.MODELYARD["ADMIN_PASSWORD"]
    if not users.exists():
        users.create_superuser(ADMIN, password=password or None)
    elif password and (user := admin_without_password()) is not None:
        user.set_password(password)
        user.save(update_fields=["password"])


def admin_without_password() -> User | None:
    """The first user, while nobody could have signed in as it yet."""
    user = User.objects.filter(username=ADMIN, last_login=None, is_active=True).first()
    return None if user is None or user.has_usable_password() else user
