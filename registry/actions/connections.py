"""Connections to databases elsewhere: who keeps them, who uses them, and what they lead to.

Who may what: a manager of everything makes them, for an address is reached from our own machines.
The maker is the manager of the connection. The role viewer on one sees it, scorer reads by its
queries, publisher writes results through it, manager changes it and says who else may. Only a grant
lets somebody read or write; a group's role does not, but that of managers. What is read is what the
database's own user may read: that user is the real limit.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from registry import audit, roles
from registry.actions import fields
from registry.actions.dataset_changes import check_classification
from registry.conf import conf
from registry.errors import (
    ConnectionNotFound,
    InvalidField,
    NameTaken,
    NotAllowed,
    SourceAway,
    SourceRefused,
    StateConflict,
)
from registry.models import Connection, DatasetVersion, Grant
from registry.models.registered_model import Classification
from registry.principals import Principal, get_visible, require, require_everywhere
from registry.sealing import SealBroken, seal, unseal
from registry.sql import (
    DRIVERS,
    Place,
    checked_address,
    may_write,
    place_of,
    reader_of_query,
    try_reading,
)
from registry.tabular.readers import Reader

SECRET_MAX_CHARS = 1_000
TEST_DEADLINE_S = 10.0


@transaction.atomic
def create_connection(
    *,
    by: Principal,
    name: str,
    driver: str,
    address: str,
    secret: str = "",
    allows_reading: bool = True,
    allows_writing: bool = False,
    classification: str = Classification.INTERNAL,
    description: str = "",
) -> Connection:
    """Make a connection; nothing is tried yet. Raises InvalidField, NameTaken, NotAllowed."""
    require_everywhere(by, roles.MANAGER)
    fields.check_name(name)
    fields.check_choice(driver, list(DRIVERS), pointer="/driver")
    values = {
        "name": name,
        "driver": driver,
        "address": checked_address(driver, address, folders=conf.connection_folders),
        "sealed_secret": _sealed(driver, secret),
        "allows_reading": allows_reading,
        "allows_writing": allows_writing,
        "classification": check_classification(classification),
        "description": fields.check_text(description, pointer="/description"),
    }
    try:
        with transaction.atomic():
            connection = Connection.objects.create(owner=by.user, **values)
    except IntegrityError:
        raise NameTaken(f"There is a connection “{name}” already; names ignore case.") from None
    Grant.objects.create(user=by.user, role=roles.MANAGER, connection=connection)
    audit.record(by, "connection.create", connection, after=_summary(connection))
    return connection


@transaction.atomic
def update_connection(
    *,
    by: Principal,
    connection: Connection,
    secret: str | None = None,
    enabled: bool | None = None,
    **values: Any,
) -> Connection:
    """Change what is given: address, allows_reading, allows_writing, classification, description.

    ``classification`` is that of the strictest results that may be written through it. An address
    may only change together with the secret, which would else be sent to another host.
    ``secret`` "" takes it away. Raises InvalidField, NotAllowed.
    """
    require(by, roles.MANAGER, connection)
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    before = _summary(connection)
    if "description" in values:
        fields.check_text(values["description"], pointer="/description")
    if "classification" in values:
        check_classification(values["classification"])
    if "address" in values:
        address = values["address"]
        checked_address(connection.driver, address, folders=conf.connection_folders)
        if address != connection.address and connection.sealed_secret and secret is None:
            raise InvalidField(
                "A new address needs the secret again: it is not sent to another host by itself.",
                pointer="/secret",
            )
    for field, value in values.items():
        setattr(connection, field, value)
    if secret is not None:
        connection.sealed_secret = _sealed(connection.driver, secret)
    if enabled is not None and enabled != (connection.disabled_at is None):
        connection.disabled_at = None if enabled else timezone.now()
    connection.save()
    after = _summary(connection)
    if after != before or secret is not None:
        told = after if secret is None else {**after, "secret": "set anew" if secret else "removed"}
        audit.record(by, "connection.update", connection, before=before, after=told)
    return connection


@transaction.atomic
def remove_connection(*, by: Principal, connection: Connection) -> None:
    """Remove one that nothing was read from or written to. Raises StateConflict, NotAllowed."""
    require(by, roles.MANAGER, connection)
    used = DatasetVersion.objects.filter(source__connection=connection.name).exists()
    try:
        if used:
            raise StateConflict(_IN_USE)
        audit.record(by, "connection.remove", connection, before=_summary(connection))
        connection.delete()
    except ProtectedError:
        raise StateConflict(_IN_USE) from None


_IN_USE = "Jobs or datasets name this connection: it can be disabled, and not removed."


def find_connection(by: Principal, name: str) -> Connection:
    """The connection with this name. Raises ConnectionNotFound, also for one unseen."""
    rows = Connection.objects.visible_to(by).select_related("owner").named(name)
    return get_visible(rows, ConnectionNotFound, f"connection “{name[:100]}”")


def require_reading(by: Principal, connection: Connection) -> None:
    """Raise NotAllowed or StateConflict unless ``by`` may run queries through it now."""
    _require_granted(by, roles.SCORER, connection)
    if connection.disabled_at is not None or not connection.allows_reading:
        raise StateConflict(f"The connection “{connection}” is not open for reading.")


def may_read(by: Principal, connection: Connection) -> bool:
    """Whether ``by`` may use it at all."""
    try:
        _require_granted(by, roles.SCORER, connection)
    except NotAllowed:
        return False
    return True


def require_writing(by: Principal, connection: Connection) -> None:
    """Raise NotAllowed or StateConflict unless ``by`` may write results through it now."""
    _require_granted(by, roles.PUBLISHER, connection)
    if connection.disabled_at is not None or not connection.allows_writing:
        raise StateConflict(f"The connection “{connection}” is not open for writing.")


def _require_granted(by: Principal, role: str, connection: Connection) -> None:
    """A role for everything is about models and data here: a database is used by grant alone."""
    require(by, role, connection)
    if by.may_everywhere(roles.MANAGER):
        return
    held = Grant.objects.filter(user=by.user, connection=connection).values_list("role", flat=True)
    if roles.rank(roles.highest(held)) < roles.rank(role):
        raise NotAllowed(f"This needs a grant of the role {role} on {connection}.")


def place(connection: Connection) -> Place:
    """Where it leads, with its secret: never to be shown. Raises InvalidField, SourceRefused."""
    try:
        secret = unseal(connection.sealed_secret) if connection.sealed_secret else ""
    except SealBroken as error:
        raise SourceRefused(str(error), reason="not-permitted") from None
    return place_of(connection.driver, connection.address, secret, folders=conf.connection_folders)


def opened_query(version: DatasetVersion, *, max_bytes: int) -> AbstractContextManager[Reader]:
    """The reader of the query that a dataset version is read from, within a block.

    Whoever asked for the version must still be allowed to. Raises ConnectionNotFound,
    SourceRefused, SourceAway, and within TabularError.
    """
    source = version.source or {}
    by = Principal(version.created_by)
    connection = find_connection(by, source["connection"])
    try:
        require_reading(by, connection)
        where = place(connection)
    except (NotAllowed, StateConflict, InvalidField) as error:
        raise SourceRefused(error.detail, reason="not-permitted") from None
    return reader_of_query(where, source["query"], types=source.get("types"), max_bytes=max_bytes)


def test_connection(*, by: Principal, connection: Connection) -> dict[str, Any]:
    """Try it now: ``{"ok", "code", "detail", "may_write"}``. Raises NotAllowed.

    ``may_write`` is whether the database lets this user write at all: for reading, a user who may
    only read is safer. Null where it was not told.
    """
    _require_granted(by, roles.SCORER, connection)
    found: dict[str, Any] = {"ok": True, "code": None, "detail": "It answers.", "may_write": None}
    try:
        where = place(connection)
        try_reading(where, deadline_s=TEST_DEADLINE_S)
        found["may_write"] = may_write(where, deadline_s=TEST_DEADLINE_S)
    except (SourceAway, SourceRefused, InvalidField) as error:
        code = error.reason if isinstance(error, SourceRefused) else error.code
        found |= {"ok": False, "code": code, "detail": error.detail}
    audit.record(by, "connection.test", connection, after={"ok": found["ok"]})
    return found


def _sealed(driver: str, secret: str) -> str:
    if len(secret) > SECRET_MAX_CHARS or "\0" in secret:
        raise InvalidField(
            f"A text of at most {SECRET_MAX_CHARS} characters was expected.", pointer="/secret"
        )
    if secret and driver == "sqlite":
        raise InvalidField("A SQLite file has no password.", pointer="/secret")
    return seal(secret) if secret else ""


def _summary(connection: Connection) -> dict[str, Any]:
    """What the audit trail keeps: never the secret."""
    return {
        "driver": connection.driver,
        "address": connection.address,
        "has_secret": bool(connection.sealed_secret),
        "allows_reading": connection.allows_reading,
        "allows_writing": connection.allows_writing,
        "classification": connection.classification,
        "enabled": connection.disabled_at is None,
        "description": connection.description,
    }
