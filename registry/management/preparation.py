"""What has to be there before parts start: tables, the bucket, the first user."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from registry.models import User

ADMIN = "admin"


def migrate() -> None:
    """Migrate, when there is something to migrate: to ask is ten times quicker."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
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
