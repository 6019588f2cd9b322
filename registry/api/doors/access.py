"""Doors: API keys and the caller."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from registry.actions.access import (
    create_api_key,
    require_keys_for_others,
    revoke_api_key,
    rotate_api_key,
)
from registry.api.bodies.access import (
    ApiKeyIn,
    ApiKeyOut,
    MeOut,
    NewApiKeyOut,
    own_grants,
    visible_keys,
)
from registry.api.describe import describe
from registry.api.filters import searched
from registry.api.find import row_with_id, user_named
from registry.api.idempotency import Answer, once
from registry.api.kinds import represent
from registry.api.parameters import PAGING, SEARCH, ordered, ordering
from registry.api.resource import Resource
from registry.models import ApiKey, User
from registry.principals import Principal

GRANTS_MAX = 1_000
_ORDERS = ("name", "created_at", "last_used_at", "expires_at")


class ApiKeys(Resource):
    """``/api-keys``"""

    @describe(
        "api_keys_list",
        "Your keys; for a manager, all keys",
        answers={200: ApiKeyOut},
        is_list=True,
        query=(*PAGING, SEARCH, ordering(*_ORDERS)),
    )
    def get(self, request: Request) -> Response:
        """One page of keys, newest first, ended ones included."""
        rows = searched(visible_keys(self.by), self.query.get("search"), "name", "user__username")
        return self.page(ordered(rows, self.query.get("ordering"), _ORDERS), "api-key")

    @describe(
        "api_keys_create",
        "Make a key",
        body=ApiKeyIn,
        answers={201: NewApiKeyOut},
        is_creating=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Make a key. Its text is in this answer and nowhere else: a replay has null there."""
        fields = ApiKeyIn.read(request.data)
        user = self._owner(fields.pop("user", self.by.name))

        def work() -> Answer:
            return _new_key(self, *create_api_key(by=self.by, user=user, **fields))

        return once(request, request.data, work)

    def _owner(self, name: str) -> User:
        """Whose key it is to be; who makes none for others is not told who is there."""
        if name == self.by.name:
            return self.by.user
        require_keys_for_others(self.by)
        return user_named(name)


class ApiKeyDoor(Resource):
    """``/api-keys/{id}``"""

    @describe("api_keys_get", "One key", answers={200: ApiKeyOut})
    def get(self, request: Request, id: str) -> Response:
        """The key without its text."""
        return self.one(_key(self.by, id), "api-key")


class RotateApiKey(Resource):
    """``/api-keys/{id}/rotate``"""

    @describe(
        "api_keys_rotate",
        "Replace a key by one with the same reach",
        answers={201: NewApiKeyOut},
        is_creating=True,
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """Make the successor and end the key at once."""
        key = _key(self.by, id)

        def work() -> Answer:
            return _new_key(self, *rotate_api_key(by=self.by, key=key))

        return once(request, {}, work)


class RevokeApiKey(Resource):
    """``/api-keys/{id}/revoke``"""

    @describe("api_keys_revoke", "End a key", answers={200: ApiKeyOut})
    def post(self, request: Request, id: str) -> Response:
        """End it at once."""
        return self.one(revoke_api_key(by=self.by, key=_key(self.by, id)), "api-key")


class Me(Resource):
    """``/me``"""

    @describe("me_get", "Who you are and what you may do", answers={200: MeOut})
    def get(self, request: Request) -> Response:
        """The caller, their role on everything, their grants and their key."""
        by, sight = self.by, self.sight()
        key = self.shown(by.api_key, "api-key") if by.api_key else None
        grants = own_grants(by)[:GRANTS_MAX]
        body = {
            "id": by.user.pk,
            "username": by.name,
            "role": by.global_role,
            "groups": list(by.user.groups.order_by("name").values_list("name", flat=True)),
            "grants": represent(list(grants), "grant", {}, sight),
            "scopes": list(by.api_key.scopes) if by.api_key else None,
            "key": key,
            "url": sight.url("/me"),
            "links": {
                "api_keys": sight.url("/api-keys"),
                "models": sight.url("/models"),
                "datasets": sight.url("/datasets"),
            },
        }
        return Response(body)


def _key(by: Principal, id: str) -> ApiKey:
    return row_with_id(visible_keys(by), id, "key")


def _new_key(resource: Resource, key: ApiKey, text: str) -> Answer:
    shown = resource.shown(key, "api-key")
    return Answer(201, shown, {"Location": shown["url"]}, secret={"key": text})
