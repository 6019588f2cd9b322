"""Doors: who has which role on one model, one dataset or one connection."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.actions.access import remove_grant, set_grant
from registry.actions.connections import find_connection
from registry.api.bodies.access import GrantIn, GrantOut, all_grants
from registry.api.describe import describe
from registry.api.find import dataset_named, model_named, user_named
from registry.api.parameters import PAGING
from registry.api.resource import Resource, no_content
from registry.errors import NotFound
from registry.models import Grant
from registry.principals import Governed, grant_target, require


class _Grants(Resource):
    """What the grants on all that is governed have alike. Only a manager sees and sets them."""

    def grants_on(self, governed: Governed) -> QuerySet[Grant]:
        """The grants on it. Raises NotAllowed below manager."""
        require(self.by, roles.MANAGER, governed)
        return all_grants(self.by).filter(**grant_target(governed))

    def grant_of(self, governed: Governed, user: str) -> Response:
        """The answer with one user's grant. Raises NotFound."""
        row = self.grants_on(governed).filter(user=user_named(user)).first()
        if row is None:
            raise NotFound(f"“{user[:100]}” has no role on {governed}.")
        return self.one(row, "grant")

    def put_on(self, governed: Governed, user: str) -> Response:
        """Set one user's role and answer with it."""
        require(self.by, roles.MANAGER, governed)
        fields = GrantIn.read(self.request.data)
        row = set_grant(by=self.by, governed=governed, user=user_named(user), role=fields["role"])
        return self.one(row, "grant")

    def remove_from(self, governed: Governed, user: str) -> HttpResponse:
        """Take one user's role away. Raises NotFound where there is none."""
        require(self.by, roles.MANAGER, governed)
        if not remove_grant(by=self.by, governed=governed, user=user_named(user)):
            raise NotFound(f"“{user[:100]}” has no role on {governed}.")
        return no_content()


class ModelGrants(_Grants):
    """``/models/{name}/grants``"""

    @describe(
        "model_grants_list",
        "Who has a role on a model",
        answers={200: GrantOut},
        is_list=True,
        query=PAGING,
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of grants, newest first."""
        return self.page(self.grants_on(model_named(self.by, name)), "grant")


class ModelGrant(_Grants):
    """``/models/{name}/grants/{user}``"""

    @describe("model_grants_get", "One user's role on a model", answers={200: GrantOut})
    def get(self, request: Request, name: str, user: str) -> Response:
        """The grant."""
        return self.grant_of(model_named(self.by, name), user)

    @describe("model_grants_set", "Give a role", body=GrantIn, answers={200: GrantOut})
    def put(self, request: Request, name: str, user: str) -> Response:
        """Set the role; an earlier one is replaced."""
        return self.put_on(model_named(self.by, name), user)

    @describe("model_grants_remove", "Take a role away", answers={204: None})
    def delete(self, request: Request, name: str, user: str) -> HttpResponse:
        """Take it away."""
        return self.remove_from(model_named(self.by, name), user)


class DatasetGrants(_Grants):
    """``/datasets/{name}/grants``"""

    @describe(
        "dataset_grants_list",
        "Who has a role on a dataset",
        answers={200: GrantOut},
        is_list=True,
        query=PAGING,
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of grants, newest first."""
        return self.page(self.grants_on(dataset_named(self.by, name)), "grant")


class DatasetGrant(_Grants):
    """``/datasets/{name}/grants/{user}``"""

    @describe("dataset_grants_get", "One user's role on a dataset", answers={200: GrantOut})
    def get(self, request: Request, name: str, user: str) -> Response:
        """The grant."""
        return self.grant_of(dataset_named(self.by, name), user)

    @describe("dataset_grants_set", "Give a role", body=GrantIn, answers={200: GrantOut})
    def put(self, request: Request, name: str, user: str) -> Response:
        """Set the role; an earlier one is replaced."""
        return self.put_on(dataset_named(self.by, name), user)

    @describe("dataset_grants_remove", "Take a role away", answers={204: None})
    def delete(self, request: Request, name: str, user: str) -> HttpResponse:
        """Take it away."""
        return self.remove_from(dataset_named(self.by, name), user)


class ConnectionGrants(_Grants):
    """``/connections/{name}/grants``"""

    @describe(
        "connection_grants_list",
        "Who has a role on a connection",
        answers={200: GrantOut},
        is_list=True,
        query=PAGING,
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of grants, newest first."""
        return self.page(self.grants_on(find_connection(self.by, name)), "grant")


class ConnectionGrant(_Grants):
    """``/connections/{name}/grants/{user}``"""

    @describe("connection_grants_get", "One user's role on a connection", answers={200: GrantOut})
    def get(self, request: Request, name: str, user: str) -> Response:
        """The grant."""
        return self.grant_of(find_connection(self.by, name), user)

    @describe("connection_grants_set", "Give a role", body=GrantIn, answers={200: GrantOut})
    def put(self, request: Request, name: str, user: str) -> Response:
        """Set the role; an earlier one is replaced."""
        return self.put_on(find_connection(self.by, name), user)

    @describe("connection_grants_remove", "Take a role away", answers={204: None})
    def delete(self, request: Request, name: str, user: str) -> HttpResponse:
        """Take it away."""
        return self.remove_from(find_connection(self.by, name), user)
