"""Doors: connections to databases elsewhere, and trying them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response

from registry.actions.connections import (
    create_connection,
    find_connection,
    remove_connection,
    test_connection,
    update_connection,
)
from registry.api.bodies.connections import (
    ConnectionIn,
    ConnectionOut,
    ConnectionPatch,
    ConnectionTestOut,
    visible_connections,
)
from registry.api.describe import describe
from registry.api.filters import searched
from registry.api.idempotency import Answer, once
from registry.api.parameters import PAGING, SEARCH, ordered, ordering
from registry.api.resource import Resource, no_content

_ORDERS = ("name", "created_at", "updated_at")


class Connections(Resource):
    """``/connections``"""

    @describe(
        "connections_list",
        "The connections that you may see",
        answers={200: ConnectionOut},
        is_list=True,
        query=(*PAGING, SEARCH, ordering(*_ORDERS)),
    )
    def get(self, request: Request) -> Response:
        """One page of connections, newest first. Secrets are never answered."""
        rows = visible_connections(self.by)
        rows = searched(rows, self.query.get("search"), "name", "description")
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "connection")

    @describe(
        "connections_create",
        "Make a connection to a database elsewhere",
        body=ConnectionIn,
        answers={201: ConnectionOut},
        is_creating=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Keep address and secret; nothing is tried yet. Needs a group with the role manager."""
        fields = ConnectionIn.read(request.data)

        def work() -> Answer:
            shown = self.shown(create_connection(by=self.by, **fields), "connection")
            return Answer(201, shown, {"Location": shown["url"]})

        return once(request, _alike(fields), work)


class ConnectionDoor(Resource):
    """``/connections/{name}``"""

    @describe("connections_get", "One connection", answers={200: ConnectionOut})
    def get(self, request: Request, name: str) -> Response:
        """The connection, without its secret."""
        return self.one(find_connection(self.by, name), "connection")

    @describe(
        "connections_update",
        "Change a connection",
        body=ConnectionPatch,
        answers={200: ConnectionOut},
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change what is sent; what is not sent stays, the secret too."""
        connection = find_connection(self.by, name)
        fields = ConnectionPatch.read(request.data)
        changed = update_connection(by=self.by, connection=connection, **fields)
        return self.one(changed, "connection")

    @describe("connections_remove", "Remove a connection", answers={204: None})
    def delete(self, request: Request, name: str) -> HttpResponse:
        """Remove one that was never used; one that was can be disabled."""
        remove_connection(by=self.by, connection=find_connection(self.by, name))
        return no_content()


class ConnectionTest(Resource):
    """``/connections/{name}/test``"""

    @describe("connections_test", "Try a connection", answers={200: ConnectionTestOut})
    def post(self, request: Request, name: str) -> Response:
        """Ask the database for one row, now, from here."""
        return Response(test_connection(by=self.by, connection=find_connection(self.by, name)))


def _alike(fields: dict[str, Any]) -> dict[str, Any]:
    """What a repeated call must have alike; a plain digest of a short password could be guessed."""
    if "secret" not in fields:
        return fields
    return {**fields, "secret": salted_hmac("registry.connections", fields["secret"]).hexdigest()}
