"""Doors: aliases and their moves."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from registry.actions.aliases import move_alias, remove_alias, with_end
from registry.api.bodies.aliases import AliasChangeOut, AliasIn, AliasOut, visible_aliases
from registry.api.bodies.approvals import ApprovalWholeOut
from registry.api.describe import describe
from registry.api.find import model_named, version_of
from registry.api.parameters import EXPAND, PAGING, Parameter
from registry.api.resource import Resource, no_content
from registry.errors import AliasNotFound
from registry.models import Alias, AliasChange, RegisteredModel

_REASON = Parameter("reason", "Why the alias goes.")
_AT = Parameter("at", "Only the move that was in force at this time.", "time")


class Aliases(Resource):
    """``/models/{name}/aliases``"""

    @describe(
        "aliases_list",
        "The aliases of a model",
        answers={200: AliasOut},
        is_list=True,
        query=(*PAGING, EXPAND),
    )
    def get(self, request: Request, name: str) -> Response:
        """One page of aliases, by name."""
        model = model_named(self.by, name)
        return self.page(visible_aliases(self.by).filter(model=model), "alias")


class AliasOfModel(Resource):
    """``/models/{name}/aliases/{alias}``"""

    @describe("aliases_get", "Where an alias points", answers={200: AliasOut}, query=(EXPAND,))
    def get(self, request: Request, name: str, alias: str) -> Response:
        """The alias."""
        model = model_named(self.by, name)
        row = None if "\0" in alias else model.aliases.filter(name=alias).first()
        if row is None:
            raise AliasNotFound(f"“{model.name}” has no alias “{alias[:63]}”.")
        return self.one(row, "alias")

    @describe(
        "aliases_move",
        "Point an alias to a version",
        body=AliasIn,
        answers={200: AliasOut, 202: ApprovalWholeOut},
    )
    def put(self, request: Request, name: str, alias: str) -> Response:
        """Move it; where the model needs an approval, ask for it and answer 202."""
        model = model_named(self.by, name)
        fields = AliasIn.read(request.data)
        moved = move_alias(
            by=self.by,
            version=version_of(model, fields["version"]),
            alias=alias,
            reason=fields.get("reason", ""),
        )
        if isinstance(moved, Alias):
            return self.one(moved, "alias")
        shown = self.shown(moved, "approval")
        return Response(shown, status=202, headers={"Location": shown["url"]})

    @describe("aliases_remove", "Take an alias away", answers={204: None}, query=(_REASON,))
    def delete(self, request: Request, name: str, alias: str) -> HttpResponse:
        """Take it away; its history stays."""
        model = model_named(self.by, name)
        remove_alias(by=self.by, model=model, alias=alias, reason=self.query.get("reason", ""))
        return no_content()


class AliasHistory(Resource):
    """``/models/{name}/aliases/{alias}/history``"""

    @describe(
        "aliases_history",
        "Every move of an alias",
        answers={200: AliasChangeOut},
        is_list=True,
        query=(*PAGING, _AT),
    )
    def get(self, request: Request, name: str, alias: str) -> Response:
        """One page of moves, newest first; with ``at`` the one move in force then, if any."""
        model = model_named(self.by, name)
        moves = _moves(model, alias)
        if "at" in self.query:
            last = moves.filter(at__lte=self.query["at"]).values("pk")[:1]
            moves = moves.filter(pk__in=list(last.values_list("pk", flat=True)))
        return self.plain_page(moves, AliasChangeOut)


def _moves(model: RegisteredModel, alias: str) -> Any:
    known = AliasChange.objects.of(model, "" if "\0" in alias else alias)
    if not known.exists():
        raise AliasNotFound(f"“{model.name}” never had an alias “{alias[:63]}”.")
    shown = with_end(known).select_related(
        "model", "from_version", "to_version", "by", "approved_by"
    )
    return shown.order_by("-at", "-id")
